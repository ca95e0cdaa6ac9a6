"""With a real llama.cpp: what a model proposes is counted, and nothing of it stands that the events do not show."""

from __future__ import annotations

import pytest

from backstay import Client
from backstay.config import Loaded
from backstay.errors import LLMError
from backstay.kits.patterns import PatternStore, Source
from backstay.kits.patterns.ingest import Reading, read_events
from backstay.kits.patterns.setting import Settings
from backstay.kits.patterns.workflow import mine_store

from .conftest import EXAMPLES

pytestmark = [pytest.mark.server, pytest.mark.slow]


async def test_a_local_model_adds_nothing_that_is_not_there(
    local: Loaded, store: PatternStore, is_nonsense: bool
) -> None:
    """The rules' patterns are the same as without it; what it states is counted, dropped with a reason, or kept with evidence."""
    store.add_source(Source(source_id="rulings", source_type="official"))
    store.add_events(
        read_events(EXAMPLES / "rulings.csv", reading=Reading(source_id="rulings", domain="judicial"))[:24]
    )
    alone = {one.pattern_id for one in (await mine_store(store)).patterns}
    async with Client(loaded=local) as client:
        try:
            mined = await mine_store(store, settings=Settings(batch=24, timeout=600), client=client)
        except LLMError:
            if is_nonsense:
                return
            raise
    assert mined.model is not None
    assert all(one.startswith("local:") for one in mined.model.targets)
    by_model = [one for one in mined.patterns if one.extraction_source == "llm_auto"]
    assert {one.pattern_id for one in mined.patterns} - {one.pattern_id for one in by_model} <= alone
    ids = {one.id for one in store.events()}
    assert all(len(one.source_event_ids) >= 2 and set(one.source_event_ids) <= ids for one in by_model)
    assert not (is_nonsense and by_model)
