"""The world model: a description of the system that is brought up to date every round, by a model or by the offline rule."""

from __future__ import annotations

from typing import Any

import msgspec

from backstay.client import Client
from backstay.errors import ConfigurationError, InvalidRequest, LLMError
from backstay.kits.operations.state import State
from backstay.prompts import PromptLibrary


class WorldModel(msgspec.Struct, frozen=True, kw_only=True):
    """What is believed of the system; `confidence` is the short and the medium term's; `source` is who said it."""

    description: str = ""
    key_metrics: dict[str, Any] = {}
    patterns: tuple[str, ...] = ()
    trend: str = ""
    short_term: str = ""
    medium_term: str = ""
    confidence: tuple[float, float] = (0.0, 0.0)
    source: str = ""
    is_degraded: bool = False


async def update(client: Client, library: PromptLibrary, state: State, before: State | None) -> WorldModel:
    """The model after `state`. A provider that fails leaves an empty model that says so; the loop goes on."""
    rendered = library.render(
        "world_model_update",
        system_id=state.system_id,
        system_state=state.metrics,
        previous_state=before.metrics if before is not None else {},
    )
    try:
        answer = await client.generate_json(rendered.request())
    except LLMError as error:
        if isinstance(error, ConfigurationError) and not isinstance(error, InvalidRequest):
            raise
        return WorldModel(source=f"none: {type(error).__name__}", is_degraded=True, key_metrics=dict(state.metrics))
    model, ahead = answer.value["updated_model"], answer.value["predictions"]
    scores = ahead["confidence_scores"]
    return WorldModel(
        description=model["system_description"],
        key_metrics=model["key_metrics"],
        patterns=tuple(model["identified_patterns"]),
        trend=model["trend_analysis"],
        short_term=ahead["short_term"],
        medium_term=ahead["medium_term"],
        confidence=(scores["short_term"], scores["medium_term"]),
        source=answer.response.provenance.target or "model",
        is_degraded=answer.response.provenance.degraded,
    )
