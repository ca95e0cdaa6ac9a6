"""Extractions while they arrive: partial objects that grow, then the whole; async and blocking."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from backstay import Scripted
from backstay.config import load
from backstay.errors import RateLimited
from backstay.event import Finished, TextDelta, ToolCallDelta
from backstay.sync import Client as SyncClient

from .conftest import RIGHT, SCHEMA, TEXT, Make, said


def pieces(value: Any, size: int = 7) -> list[Any]:
    text = json.dumps(value)
    deltas = [TextDelta(text=text[at : at + size]) for at in range(0, len(text), size)]
    return [*deltas, Finished(finish_reason="stop", raw_finish_reason="stop")]


async def test_partial_objects_grow_and_end_in_the_extraction(make: Make) -> None:
    """Each partial has the fields of the one before it; the extraction is what `extract` gives."""
    client, _ = make(pieces(RIGHT), said(RIGHT))
    seen = []
    async with client.stream_extract(SCHEMA, TEXT) as arriving:
        async for partial in arriving:
            seen.append(partial)
        found = await arriving.extraction()
    assert len(seen) > 5
    assert all(set(one) <= set(other) for one, other in pairwise(seen))
    assert seen[0] != seen[-1] == RIGHT
    whole = await client.extract(SCHEMA, TEXT)
    assert (found.data, found.fields) == (whole.data, whole.fields)


async def test_tool_arguments_grow_too(make: Make) -> None:
    """The fragments of a tool call are the object."""
    text = json.dumps(RIGHT)
    begin = ToolCallDelta(index=0, id="c1", name="answer")
    deltas = [ToolCallDelta(index=0, arguments=text[at : at + 9]) for at in range(0, len(text), 9)]
    client, _ = make([begin, *deltas, Finished(finish_reason="tool_call", raw_finish_reason="tool_calls")])
    arriving = client.stream_extract(SCHEMA, TEXT, form="tool")
    seen = [partial async for partial in arriving]
    assert seen[-1] == RIGHT
    assert (await arriving.extraction()).data == RIGHT


async def test_a_corrected_answer_begins_anew(make: Make) -> None:
    """The second answer is streamed as well, and is the one that counts."""
    client, _ = make(pieces({"number": "HL-2041", "total": "about ninety"}), pieces(RIGHT))
    arriving = client.stream_extract(SCHEMA, TEXT)
    seen = [partial async for partial in arriving]
    assert seen[-1] == RIGHT
    assert (await arriving.extraction()).attempts == 2


async def test_an_error_reaches_the_consumer_and_leaving_is_clean(make: Make) -> None:
    """The call's own error is raised from the iteration; one who leaves early leaves nothing running."""
    client, _ = make(RateLimited("slow down", status=429))
    with pytest.raises(RateLimited):
        async for _ in client.stream_extract(SCHEMA, TEXT):
            pass
    client, _ = make(
        [TextDelta(text='{"number": "H'), 3600.0, Finished(finish_reason="stop", raw_finish_reason="stop")]
    )
    arriving = client.stream_extract(SCHEMA, TEXT)
    async for partial in arriving:
        assert partial == {"number": "H"}
        break
    await arriving.aclose()
    await client.aclose()


def test_the_blocking_face_is_the_same(tmp_path: Path) -> None:
    """Partials, then the extraction, from plain code."""
    settings = {"model": "scripted:x", "ledger.mode": "off"}
    loaded = load(environ={}, arguments=settings, cwd=tmp_path, user_folder=tmp_path, services=("scripted",))
    with SyncClient(loaded=loaded, services={"scripted": Scripted(pieces(RIGHT), said(RIGHT))}) as client:
        with client.stream_extract(SCHEMA, TEXT) as arriving:
            assert list(arriving)[-1] == RIGHT
            assert arriving.extraction().status == "complete"
        assert client.extract(SCHEMA, TEXT, samples=1).data == RIGHT
