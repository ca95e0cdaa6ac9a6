"""Check: what the model cannot do is refused before it costs anything, all reasons at once; what is not known forbids nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.catalog import Catalog, Model
from backstay.errors import InvalidRequest
from backstay.layers.check import MARGIN, Check, faults_of
from backstay.offline.scripted import Scripted
from backstay.service import Call, stack
from backstay.tokens import likely_input
from backstay.types import Audio, File, Image, Request, Text, Tool, system, user

SMALL = Model(
    provider="acme",
    id="small",
    context_window=1_000,
    max_output_tokens=200,
    has_tools=False,
    has_vision=False,
    has_audio=False,
    has_system_prompt=False,
)
CATALOG = Catalog([SMALL, Model(provider="acme", id="vague")])
LONG = "word " * 4_000


def request(**facts: Any) -> Request:
    return Request(
        **{"model": "acme:small", "id": "c", "messages": (user("hello"),), "max_output_tokens": 100, **facts}
    )


async def ask(target: str, asked: Request) -> list[Request]:
    """What reached the provider behind the check."""
    provider = Scripted("fine")
    reply = await stack(provider, Check(target, CATALOG))(Call(request=asked))
    await reply.response()
    return provider.requests


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "a longer answer than the model writes": (
        {"max_output_tokens": 201},
        "max_output_tokens = 201: the model writes 200",
    ),
    "a longer question than its window": ({"messages": (user(LONG),)}, "the context window 1,000"),
    "a long history": ({"messages": (user("word " * 2_000), user("word " * 2_000))}, "the context window 1,000"),
    "tools": ({"tools": (Tool(name="f"),)}, "tools: the model takes none"),
    "a picture": ({"messages": (user(Image(url="https://example.org/x.png")),)}, "an image"),
    "a sound": ({"messages": (user(Audio(data=b"x", media_type="audio/wav")),)}, "audio"),
    "a system prompt": ({"system": "be brief"}, "system"),
}


@pytest.mark.parametrize("name", sorted(FAULTS))
async def test_what_the_model_cannot_do_is_refused(name: str) -> None:
    """With the target, the reason and the remedy; nothing is sent. A model of which nothing is known is asked."""
    facts, message = FAULTS[name]
    provider = Scripted("fine")
    with pytest.raises(InvalidRequest) as caught:
        await stack(provider, Check("acme:small", CATALOG))(Call(request=request(**facts)))
    assert len(caught.value.faults) == 1
    assert caught.value.faults[0].startswith("acme:small: ")
    assert message in caught.value.faults[0]
    assert provider.requests == []
    assert len(await ask("acme:vague", request(**facts))) == 1
    assert len(await ask("nobody:knows", request(**facts))) == 1


async def test_all_reasons_come_at_once() -> None:
    """Whoever mends one mends them all."""
    wrong = request(max_output_tokens=500, tools=(Tool(name="f"),), system="x", messages=(user(LONG),))
    with pytest.raises(InvalidRequest) as caught:
        await ask("acme:small", wrong)
    assert len(caught.value.faults) == 4


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"max_output_tokens": 200},
        {"max_output_tokens": None},
        {"max_output_tokens": 4_096},
        {"messages": (user("w " * 900),)},
    ],
)
async def test_what_fits_is_asked(facts: dict[str, Any]) -> None:
    """At the limits; with the default length, which the codec shortens; and where a rough count is only a little over."""
    assert len(await ask("acme:small", request(**facts))) == 1


async def test_a_system_message_in_the_history_is_no_system_prompt() -> None:
    """The check is about `system`, which the codec has no place for; a turn of that role is the caller's own choice."""
    assert len(await ask("acme:small", request(messages=(system("be brief"), user("hello"))))) == 1


def by_counting(asked: Request) -> bool:
    """Whether the request is refused where its tokens are always counted."""
    assert SMALL.context_window is not None
    return likely_input(asked) * MARGIN > SMALL.context_window


TEXTS = st.builds(
    str.__mul__, st.sampled_from(["a", "\u00e9", "\u6f22", "\U0001f600", "a\U0001f600"]), st.integers(0, 6_000)
)


@given(st.lists(TEXTS, min_size=1, max_size=4), st.booleans())
def test_what_is_too_short_to_be_counted_would_have_fitted(texts: list[str], is_file: bool) -> None:
    """The quick look at the number of characters never changes the verdict, whatever their bytes."""
    parts = [File(text=text, media_type="text/plain") if is_file else Text(text=text) for text in texts]
    asked = request(messages=tuple(user(part) for part in parts))
    faults = faults_of(asked, SMALL)
    assert any("context window" in fault for fault in faults) is by_counting(asked)
