"""Verdict: how one reliability goal came out."""

from __future__ import annotations

from typing import NamedTuple


class Verdict(NamedTuple):
    """`ok`: the goal's promise held. `figures`: what was counted, in the order in which it is shown."""

    ok: bool
    figures: dict[str, int | float | str]
