r"""TeX commands whose first letters JSON takes for an escape: `"\frac"` is valid JSON, a form feed and `rac`.

Models forget to double these backslashes, and nothing in the text says so; only the caller knows that the answer holds
mathematics (`latex=True`). Then each such backslash is doubled before the text is read, and noted as a repair at its place.
"""

from __future__ import annotations

from bisect import bisect_left

import msgspec

from backstay.recover.escape import TEX
from backstay.recover.outcome import MAX_REPAIRS, Parsed, Repair, Status


def double_backslashes(text: str) -> tuple[str, list[int]]:
    """`text` with the backslash of every TeX command doubled, and the offsets of those that were single."""
    places = [match.start() for match in TEX.finditer(text) if match.lastindex]
    return (TEX.sub(r"\\\\", text), places) if places else (text, places)


def shift_back(repairs: tuple[Repair, ...], places: list[int]) -> tuple[Repair, ...]:
    """Repairs of the text with doubled backslashes, at their offsets in the text as it came."""
    doubled = [place + index for index, place in enumerate(places)]
    return tuple(
        msgspec.structs.replace(repair, offset=repair.offset - bisect_left(doubled, repair.offset))
        for repair in repairs
    )


def commands(text: str, places: list[int]) -> tuple[Repair, ...]:
    """A repair for each TeX command, as many as are kept."""
    return tuple(Repair("tex_command", place, text[place : place + 12]) for place in places[:MAX_REPAIRS])


def note(found: Parsed, text: str, places: list[int]) -> Parsed:
    """The outcome of the doubled text as that of `text`: offsets moved back, every TeX command noted."""
    if not places or not found:
        return found
    status = Status.RECOVERED if found.status is Status.SUCCESS else found.status
    return msgspec.structs.replace(
        found,
        status=status,
        repairs=(*shift_back(found.repairs, places), *commands(text, places))[:MAX_REPAIRS],
        repair_count=found.repair_count + len(places),
    )
