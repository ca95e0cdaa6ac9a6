"""Validators: checks of extracted data beyond its schema: sums that must add up, days in their order.

A validator is a function from the data to doubts, each naming the fields it is about. A doubt lowers the confidence of
these fields; a validator that found nothing to doubt raises that of the fields it looked at. `invoice` has validators of
its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias

import msgspec


class Doubt(msgspec.Struct, frozen=True):
    """What speaks against the fields at `paths`; an empty `message` says that they were looked at and are in order."""

    paths: tuple[str, ...]
    message: str = ""


Validator: TypeAlias = Callable[[Mapping[str, Any]], Iterator[Doubt]]


def check_all(validators: Sequence[Validator], data: Mapping[str, Any]) -> tuple[dict[str, float], list[str]]:
    """For each field that some validator looked at: 1 where all is in order, 0 where one has a doubt; and the doubts in words."""
    valid: dict[str, float] = {}
    messages: list[str] = []
    for doubt in (doubt for validator in validators for doubt in validator(data)):
        for path in doubt.paths:
            valid[path] = 0.0 if doubt.message else valid.get(path, 1.0)
        if doubt.message:
            messages.append(doubt.message)
    return valid, messages


def adds_up(parts: Sequence[str], total: str, *, tolerance: str = "0.02") -> Validator:
    """A validator: the amounts at `parts` make the one at `total`, to within `tolerance` (rounding of taxes)."""

    def check(data: Mapping[str, Any]) -> Iterator[Doubt]:
        values = [_amount(data.get(name)) for name in (*parts, total)]
        if None in values:
            return
        *amounts, stated = (value for value in values if value is not None)
        made = sum(amounts, Decimal(0))
        is_equal = abs(made - stated) <= Decimal(tolerance)
        message = "" if is_equal else f"{' + '.join(parts)} is {made}, but {total} is {stated}"
        yield Doubt((*parts, total), message)

    return check


def items_add_up(items: str, member: str, total: str, *, tolerance: str = "0.02") -> Validator:
    """A validator: the amounts `member` of the list `items` make the one at `total`. A doubt is about the items only,
    because a list that is not whole is likelier than a wrong total."""

    def check(data: Mapping[str, Any]) -> Iterator[Doubt]:
        rows = data.get(items)
        values = [_amount(row.get(member)) for row in rows or () if isinstance(row, Mapping)]
        stated = _amount(data.get(total))
        amounts = [value for value in values if value is not None]
        if stated is None or not amounts or len(amounts) < len(values):
            return
        paths = tuple(f"{items}[{index}].{member}" for index in range(len(amounts)))
        made = sum(amounts, Decimal(0))
        if abs(made - stated) <= Decimal(tolerance):
            yield Doubt((*paths, total))
        else:
            yield Doubt(paths, f"the {member} of {items} add up to {made}, but {total} is {stated}")

    return check


def in_order(first: str, second: str) -> Validator:
    """A validator: the ISO date at `second` is not before the one at `first`."""

    def check(data: Mapping[str, Any]) -> Iterator[Doubt]:
        one, other = data.get(first), data.get(second)
        if isinstance(one, str) and isinstance(other, str):
            message = f"{second} ({other}) is before {first} ({one})" if other < one else ""
            yield Doubt((first, second), message)

    return check


def _amount(value: Any) -> Decimal | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


SHIPPED: Final[Mapping[str, tuple[Validator, ...]]] = {
    "invoice": (
        adds_up(("net_total", "tax_total"), "grand_total"),
        items_add_up("lines", "total", "net_total"),
        in_order("issue_date", "due_date"),
    ),
}
"""Validators of the built-in schemas, by name."""
