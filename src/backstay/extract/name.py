"""Name: capitalized words, the forms in which the same name may stand elsewhere, and the acronyms of phrases.

A word of a name is known again without case, possessive, plural and dots; a compound by its parts; a long word by its stem; a
phrase by its initials ("Centers for Disease Control" is "CDC", either way round).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

WORD: Final = re.compile(r"[^\W\d_]+(?:['’.-][^\W\d_]+)*", re.UNICODE)
_SENTENCE = re.compile(r"(?:^|[.!?:;\n\"“”(]|\u2014|-- |\(\d{1,2}\)|^\d{1,2}\))\s*$", re.MULTILINE)
_POSSESSIVE = re.compile(r"['’]s?$")


def word_set(text: str) -> frozenset[str]:
    """The words of `text`."""
    return frozenset(text.split())


FUNCTION_WORDS: Final = word_set("""
    a after all also although an and another any are as at be because been before both but by can dear did do
    during each either every for from had has have he her here his how however i if in into is it its like many
    may more most much my no not of on once one only or other our over please re she should since sincerely so
    some such than that the their them then there these they this those though thus to under until up was we
    were what when where whether which while who whose why will with within without would yes yet you your mr
    mrs ms dr prof january february march april may june july august september october november december monday
    tuesday wednesday thursday friday saturday sunday
""")
"""Words that are capitalized for other reasons than being a name."""

JOINING: Final = word_set("a an and at by de du for in la of on the to und")
"""Small words inside a phrase; its acronym may leave them out."""

ENDINGS: Final = frozenset({""}) | word_set("""
    s es e y al ial an ian ans ish ese er ers or ors ed d ing ings ion ions ation ations ive ic ical ist ists
    ism ern ment ments ly ity ary ory ance ence
""")
"""What two forms of one word may end in. Endings that make one surname of another (-ez, -sen, -son) are left out."""

MIN_STEM = 4
MAX_ACRONYM = 7


def find_names(text: str) -> Iterator[re.Match[str]]:
    """Capitalized words; the first word of a sentence only where another capitalized one follows it."""
    words = list(WORD.finditer(text))
    for index, match in enumerate(words):
        word = match[0]
        if not word[0].isupper() or word.casefold() in FUNCTION_WORDS or len(word) < 2:
            continue
        following = words[index + 1] if index + 1 < len(words) else None
        if _leads(match, following, text) or not _SENTENCE.search(text[max(0, match.start() - 8) : match.start()]):
            yield match


def _leads(match: re.Match[str], following: re.Match[str] | None, text: str) -> bool:
    """True for a word right before another capitalized one that may be of the same name."""
    if following is None or text[match.end() : following.start()] != " ":
        return False
    return following[0][0].isupper() and following[0].casefold() not in FUNCTION_WORDS


def name_keys(word: str) -> tuple[str, ...]:
    """The forms of a name's word: without case, possessive, dots and plural."""
    plain = _POSSESSIVE.sub("", word.casefold()).replace(".", "")
    return (plain,) if len(plain) < 4 or not plain.endswith("s") else (plain, plain[:-1])


def phrases(text: str) -> Iterator[tuple[re.Match[str], ...]]:
    """Runs of capitalized words, small joining words inside them included."""
    run: list[re.Match[str]] = []
    for match in WORD.finditer(text):
        is_next = not run or text[run[-1].end() : match.start()] in (" ", "\u00a0", "\n", "-", " & ")
        if run and not (is_next and (match[0][0].isupper() or match[0] in JOINING)):
            yield from _ended(run)
            run = []
        if run or match[0][0].isupper():
            run.append(match)
    yield from _ended(run)


def _ended(run: list[re.Match[str]]) -> Iterator[tuple[re.Match[str], ...]]:
    while run and run[-1][0] in JOINING:
        run.pop()
    if len(run) > 1:
        yield tuple(run)


def acronyms(words: Iterable[str]) -> set[str]:
    """The acronyms that a phrase may have: the initials of each stretch of it, with and without its joining words."""
    found: set[str] = set()
    given = list(words)
    for kept in (given, [word for word in given if word.casefold() not in JOINING]):
        initials = "".join(part[0].casefold() for word in kept for part in word.split("-") if part)
        for start in range(len(initials)):
            for end in range(start + 2, min(len(initials), start + MAX_ACRONYM) + 1):
                found.add(initials[start:end])
    return found


def stems(key: str) -> set[str]:
    """The stems that a word may be a form of; two words that share one are taken for forms of each other."""
    cut = (key.removesuffix(ending) for ending in ENDINGS if key.endswith(ending))
    return {stem for stem in cut if len(stem) >= MIN_STEM}
