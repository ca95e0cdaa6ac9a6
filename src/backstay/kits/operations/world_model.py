"""The world model: a description of the system that is brought up to date every round, by a model or by the offline rule."""

from __future__ import annotations

from typing import Any

import msgspec


class WorldModel(msgspec.Struct, frozen=True, kw_only=True):
    """What is believed of the system; `confidence` is the short and the medium term's; `source` is who said it.

    `is_degraded` is true where a rule said it, and `note` why, where a model was asked.
    """

    description: str = ""
    key_metrics: dict[str, Any] = {}
    patterns: tuple[str, ...] = ()
    trend: str = ""
    short_term: str = ""
    medium_term: str = ""
    confidence: tuple[float, float] = (0.0, 0.0)
    source: str = ""
    is_degraded: bool = False
    note: str = ""


def world_of(value: dict[str, Any], *, source: str, is_degraded: bool, note: str = "") -> WorldModel:
    """The world model in an answer that fits the schema of `world_model_update`."""
    model, ahead = value["updated_model"], value["predictions"]
    scores = ahead["confidence_scores"]
    return WorldModel(
        description=model["system_description"],
        key_metrics=model["key_metrics"],
        patterns=tuple(model["identified_patterns"]),
        trend=model["trend_analysis"],
        short_term=ahead["short_term"],
        medium_term=ahead["medium_term"],
        confidence=(scores["short_term"], scores["medium_term"]),
        source=source,
        is_degraded=is_degraded,
        note=note,
    )
