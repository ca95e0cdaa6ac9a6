"""Labels in a text: which phrase of the lexicon stands where, whatever its case, accents, spacing and punctuation.

The longest phrase wins at each place, and a phrase counts only when it begins and ends at a word's edge, so `Subtotal` is
never `total`. A change from small to capital letter is an edge too: text without layout glues value and label together.
"""

from __future__ import annotations

import functools

import msgspec

from backstay.offline.lexicon import LABELS
from backstay.offline.text import Squeezed, squeeze


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """A label found in a text: its meaning (a key of the lexicon), its phrase and its place."""

    kind: str
    phrase: str
    start: int
    end: int


@functools.cache
def _phrases() -> tuple[dict[str, str], int]:
    """Squeezed phrase to meaning, and the length of the longest one; the first meaning listed wins a tie."""
    table: dict[str, str] = {}
    for kind, phrases in LABELS.items():
        for phrase in phrases:
            table.setdefault(squeeze(phrase).text, kind)
    return table, max(map(len, table))


def find_labels(text: str, *, offset: int = 0) -> list[Label]:
    """The labels of one line, in order and without overlap; places are counted from `offset`."""
    table, longest = _phrases()
    squeezed = squeeze(text)
    found: list[Label] = []
    place = 0
    while place < len(squeezed.text):
        length = _match(text, squeezed, place, table, longest) if _is_edge(text, squeezed, place) else 0
        if length:
            phrase = squeezed.text[place : place + length]
            start, end = squeezed.index[place], squeezed.index[place + length - 1] + 1
            found.append(Label(kind=table[phrase], phrase=phrase, start=start + offset, end=end + offset))
        place += length or 1
    return found


def _match(text: str, squeezed: Squeezed, place: int, table: dict[str, str], longest: int) -> int:
    """The length of the longest phrase that begins at `place` and ends at an edge; 0 when there is none."""
    limit = min(longest, len(squeezed.text) - place)
    for length in range(limit, 0, -1):
        if squeezed.text[place : place + length] in table and _is_edge(text, squeezed, place + length):
            return length
    return 0


def _is_edge(text: str, squeezed: Squeezed, place: int) -> bool:
    """Whether a word may begin (or the one before may end) at squeezed letter `place`."""
    if place in (0, len(squeezed.text)):
        return True
    before, after = squeezed.index[place - 1], squeezed.index[place]
    if before == after:
        return False
    left, right = text[before], text[after]
    if after - before > 1 or not (left.isalpha() and right.isalpha()):
        return True
    return left.islower() and right.isupper()
