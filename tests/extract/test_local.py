"""Extraction by a real llama.cpp in this process: the grammar holds even a model that writes nonsense to the schema."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

from backstay import Client
from backstay.config import load

pytestmark = [pytest.mark.server, pytest.mark.slow]
pytest.importorskip("xllamacpp")
pytest.importorskip("gguf")
SCHEMA: dict[str, Any] = {
    "title": "mood",
    "type": "object",
    "properties": {"good": {"type": "boolean"}, "grade": {"enum": ["a", "b", "c"]}},
    "required": ["good", "grade"],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if named := os.environ.get("BACKSTAY_LOCAL_MODEL"):
        return Path(named)
    place = Path(__file__).resolve().parents[1] / "local" / "tiny.py"
    spec = importlib.util.spec_from_file_location("tiny_model", place)
    assert spec is not None
    assert spec.loader is not None
    tiny = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tiny)
    return Path(tiny.write_model(tmp_path_factory.mktemp("model") / "tiny.gguf"))


async def test_the_answer_fits_and_nonsense_is_not_believed(model: Path, tmp_path: Path) -> None:
    """One question is enough for the form; log-probabilities arrive; what is made up does not pass the gate unseen."""
    loaded = load(environ={}, arguments={"ledger.mode": "off"}, cwd=tmp_path, user_folder=tmp_path)
    async with Client(f"local:{model}", loaded=loaded) as client:
        found = await client.extract(SCHEMA, "It was a fine day.", max_output_tokens=64, logprobs=1)
        assert found.status in ("complete", "partial", "empty"), found.errors
        assert found.attempts == 1
        assert found.data["good"] in (True, False, None)
        assert found.data["grade"] in ("a", "b", "c", None)
        assert not found.provenance.degraded
        assert found.gate is not None
        assert found.gate.decision != "accept"
        if found.data["good"] is not None:
            assert 0 < found.fields["good"].signals["logprob"] <= 1
        arriving = client.stream_extract(SCHEMA, "It was a fine day.", max_output_tokens=64)
        partials = [partial async for partial in arriving]
        assert partials
        assert (await arriving.extraction()).data.keys() == found.data.keys()
