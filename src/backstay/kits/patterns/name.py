"""Names of judges and lawyers in one form: titles off, family name found, initials kept, and who may be whom.

"Hon. John A. Smith Jr.", "SMITH, JOHN A., JR." and "Judge J. Smith" can be one person; "Jane Smith" is another. Two forms are
the same person where nothing in them disagrees. A short form is given to a longer one only where it can be that one alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

import msgspec

TITLES: Final = frozenset(
    {
        *("hon", "honorable", "honourable", "judge", "justice", "chief", "senior", "magistrate", "mr", "mrs", "ms"),
        *("miss", "dr", "prof", "professor", "sir", "dame", "lord", "lady", "the", "attorney", "counsel", "lawyer"),
        *("us", "u.s", "district", "circuit", "j", "cj", "jj"),
    }
)
DEGREES: Final = frozenset({"esq", "esquire", "jd", "llm", "llb", "phd", "qc", "kc", "sc", "md", "cpa"})
SUFFIXES: Final = {"jr": "jr", "junior": "jr", "sr": "sr", "senior": "sr", "ii": "ii", "iii": "iii", "iv": "iv"}
PARTICLES: Final = frozenset(
    {
        *("van", "von", "der", "den", "de", "del", "della", "di", "da", "la", "le", "du", "st", "bin", "ibn", "al"),
        *("el", "ter", "ten"),
    }
)
_BREAK: Final = re.compile(r"[^\w'’\-]+")


class PersonName(msgspec.Struct, frozen=True):
    """A name in parts, folded: no case, no accents. `given` may be initials."""

    family: str
    given: tuple[str, ...] = ()
    suffix: str = ""

    @property
    def key(self) -> str:
        """The canonical form: given names, family name, suffix."""
        return " ".join(part for part in (*self.given, self.family, self.suffix) if part)


def read_name(text: str) -> PersonName:
    """The parts of `text`, with or without titles, in either order ("Smith, John"). Raises ValueError where there is no
    name."""
    groups = [_words(part) for part in text.split(",")]
    suffix = next(
        (SUFFIXES[word] for words in groups for word in words[-1:] if word in SUFFIXES and len(words) > 1), ""
    )
    suffix = suffix or next(
        (SUFFIXES[words[0]] for words in groups[1:] if len(words) == 1 and words[0] in SUFFIXES), ""
    )
    kept = [[word for word in words if word not in DEGREES and word not in SUFFIXES] for words in groups]
    kept = [words for words in map(_untitled, kept) if words]
    if not kept:
        raise ValueError(f"{text!r}: holds no name")
    family, given = _split(kept)
    return PersonName(family, given, suffix)


def _words(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKD", text.replace("’", "'")).casefold()
    plain = "".join(char for char in folded if not unicodedata.combining(char))
    return [word for word in _BREAK.split(plain) if word.strip("'-")]


def _untitled(words: list[str]) -> list[str]:
    """Without the titles before the name. The last word is never one: a Judge Judge has a name. A lone "J" is an initial."""
    if len(words) == 1 and words[0] in TITLES - {"j"}:
        return []
    while len(words) > 1 and words[0] in TITLES and not (words[0] == "j" and len(words) > 1):
        words = words[1:]
    return words


def _split(groups: list[list[str]]) -> tuple[str, tuple[str, ...]]:
    """Family and given names. A comma means that the family name stands first."""
    if len(groups) > 1:
        return " ".join(groups[0]), tuple(groups[1])
    words = groups[0]
    start = len(words) - 1
    while start > 1 and words[start - 1] in PARTICLES:
        start -= 1
    if start == 1 and words[0] in PARTICLES:
        start = 0
    return " ".join(words[start:]), tuple(words[:start])


def is_same(one: PersonName, other: PersonName) -> bool:
    """Whether nothing tells the two apart: family names agree, given names or initials agree in order, suffixes do not
    differ."""
    if one.family != other.family or (one.suffix and other.suffix and one.suffix != other.suffix):
        return False
    shorter, longer = sorted((one.given, other.given), key=len)
    if not shorter:
        return True
    return _agree(shorter[0], longer[0]) and _in_order(shorter[1:], longer[1:])


def _agree(one: str, other: str) -> bool:
    return one == other or (min(len(one), len(other)) == 1 and one[0] == other[0])


def _in_order(shorter: tuple[str, ...], longer: tuple[str, ...]) -> bool:
    """Whether each middle name of the shorter stands in the longer, in that order."""
    rest = iter(longer)
    return all(any(_agree(word, other) for other in rest) for word in shorter)


def canonical(names: Iterable[str]) -> dict[str, str]:
    """For each name as written, the key of the fullest form that it can be; its own where it could be two persons.

    Names without a person in them (a department, an empty text) stay as they are.
    """
    texts = list(names)
    parsed: dict[str, PersonName] = {}
    for text in texts:
        try:
            parsed[text] = read_name(text)
        except ValueError:
            continue
    distinct = sorted(set(parsed.values()), key=lambda one: (-len(one.key), one.key))
    found: dict[str, str] = {text: text for text in texts}
    for text, person in parsed.items():
        fuller = [one for one in distinct if is_same(person, one)]
        tops = [one for one in fuller if not any(_extends(other, one) for other in fuller)]
        found[text] = tops[0].key if len(tops) == 1 else person.key
    return found


def _extends(one: PersonName, other: PersonName) -> bool:
    """Whether `one` says all that `other` says, and more."""
    return one != other and is_same(one, other) and (len(one.key), one.key) > (len(other.key), other.key)
