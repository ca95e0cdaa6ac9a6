"""The canonical form: what is in it, what is not, what its key is made of, and how two forms are told apart."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.canonical import ABSENT, IGNORED, FieldChange, canonical, difference, digest, request_key
from backstay.types import (
    File,
    Image,
    Metadata,
    NamedTool,
    Request,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    assistant,
    tool,
    user,
)

PLAIN = Request(model="acme:m", messages=(user("Why is the sky blue?"),), system="Be brief.")

OTHER: dict[str, Any] = {
    "model": "acme:n",
    "messages": (user("Why?"),),
    "system": "Be long.",
    "max_output_tokens": 5,
    "temperature": 1.0,
    "top_p": 0.5,
    "top_k": 2,
    "stop": ("x",),
    "seed": 0,
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
    "logprobs": 0,
    "tools": (Tool(name="t"),),
    "tool_choice": NamedTool("t"),
    "parallel_tool_calls": False,
    "response_format": ResponseFormat(),
    "reasoning_effort": "none",
    "options": {"acme": {}},
}
"""Another value for every field that counts; values that are false among them, because they are not "absent"."""


def changed(**fields: Any) -> Request:
    return msgspec.structs.replace(PLAIN, **fields)


def test_the_form_is_this() -> None:
    """Kept for ever: a change of the form is a new VERSION. Absent settings do not stand in it."""
    assert canonical(PLAIN) == (
        b'{"max_output_tokens":4096,"messages":[{"extra":null,"name":null,"parts":[{"cache":null,"extra":null,'
        b'"text":"Why is the sky blue?","type":"text"}],"role":"user"}],"model":"acme:m","system":"Be brief.",'
        b'"temperature":0.0,"version":1}'
    )
    assert request_key(PLAIN) == "efcdf639fbb92b6fc16ac0a08dd5d9ae5703163d5f8ac01631e3701373e1b080"


def test_every_field_of_a_request_counts_or_is_ignored_on_purpose() -> None:
    """A new field of Request fails here until somebody says which it is."""
    assert {*OTHER, *IGNORED} == set(Request.__struct_fields__)
    forms = {canonical(changed(**{name: value})) for name, value in OTHER.items()} | {canonical(PLAIN)}
    assert len(forms) == len(OTHER) + 1


def test_who_asks_when_and_under_what_name_does_not_count() -> None:
    """Ids, times and metadata leave the form alone; the tenant is in the key all the same."""
    about = Metadata(task="t", tenant="a", priority="high", correlation_id="c", user="u", tags={"x": "y"})
    asked = changed(id="1", created_at=5.0, metadata=about)
    assert canonical(asked) == canonical(PLAIN)
    assert request_key(asked) != request_key(PLAIN)
    assert request_key(asked, tenant=None) == request_key(PLAIN)
    assert request_key(PLAIN, tenant="a") == request_key(asked)


def test_the_order_of_members_does_not_count() -> None:
    """Dicts that were filled in another order are the same question, at any depth."""
    one = changed(options={"a": {"x": 1, "y": {"p": [1, 2], "q": 2}}, "b": {}})
    other = changed(options={"b": {}, "a": {"y": {"q": 2, "p": [1, 2]}, "x": 1}})
    assert canonical(one) == canonical(other)
    assert canonical(one) != canonical(changed(options={"a": {"x": 1, "y": {"p": [2, 1], "q": 2}}, "b": {}}))


@pytest.mark.parametrize(
    "fields", [{"system": ()}, {"stop": None}, {"tools": None}, {"options": None}, {"options": {}}]
)
def test_absent_is_absent_however_it_is_said(fields: dict[str, Any]) -> None:
    """A None where the default is an empty collection, or the other way round, is no other question."""
    bare = changed(system=None)
    assert canonical(msgspec.structs.replace(bare, **fields)) == canonical(bare)
    assert canonical(msgspec.structs.replace(bare, system="")) != canonical(bare)


def test_bytes_stand_as_their_hash() -> None:
    """The form of a large picture is small, another picture is another form, and no text can pass for one, also in the
    result of a tool."""
    big, other = (Image(data=bytes([number]) * 100_000, media_type="image/png") for number in (1, 2))
    assert len(canonical(changed(messages=(user(big),)))) < 1000
    result = ToolResult(call_id="c", content=(big, Text(text="x")))
    requests = [
        changed(messages=(user(big),)),
        changed(messages=(user(other),)),
        changed(messages=(user(File(data=big.data, media_type="image/png")),)),
        changed(messages=(tool(result),)),
        changed(messages=(tool(msgspec.structs.replace(result, content=(other, Text(text="x")))),)),
        changed(messages=(user(Image(url="a")),)),
        changed(messages=(user(Image(file_id="a")),)),
    ]
    assert len({canonical(request) for request in requests}) == len(requests)
    assert all(len(canonical(request)) < 1500 for request in requests)


@pytest.mark.parametrize("fields", [{"options": {"a": {"x": object()}}}, {"system": "\ud800"}, {"seed": 2**70}])
def test_what_has_no_json_form_is_an_error_or_a_form_of_its_own(fields: dict[str, Any]) -> None:
    """It never passes for another question."""
    try:
        form = canonical(changed(**fields))
    except (TypeError, ValueError, OverflowError):
        return
    assert form != canonical(PLAIN)


TENANTS = ["", "a", "ab", "a|b", None, "None", "\0", "a\0", "é"]


def test_pieces_of_a_key_do_not_run_together() -> None:
    """`a|bc` is not `ab|c`; nobody is not the empty name; a text is not the same bytes."""
    keys = [
        request_key(PLAIN, tenant=tenant, version=version, extra=extra)
        for tenant in TENANTS
        for version in ("", "b", "bc", "|")
        for extra in (b"", b"c", b"bc", b"\0" * 8)
    ]
    assert len(set(keys)) == len(keys) == len(TENANTS) * 16
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("a") != digest(b"a")
    assert digest(None) != digest("")
    assert {len(key) for key in keys} == {64}


def careless_key(request: Request, tenant: str | None) -> str:
    """Broken on purpose: naive concatenation."""
    return f"{tenant}{canonical(request).decode()}"


def test_a_careless_key_would_collide() -> None:
    """The broken variant: nobody, and a tenant of the name "None", share a key."""
    assert careless_key(PLAIN, None) == careless_key(PLAIN, "None")
    assert request_key(PLAIN, tenant=None) != request_key(PLAIN, tenant="None")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(
    one=st.dictionaries(st.text(max_size=3), JSON, max_size=3),
    other=st.dictionaries(st.text(max_size=3), JSON, max_size=3),
)
def test_forms_are_equal_where_their_json_is(one: dict[str, Any], other: dict[str, Any]) -> None:
    """And `difference` is empty exactly there."""
    a, b = (changed(options={"x": value}) for value in (one, other))
    is_same = msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")
    assert (canonical(a) == canonical(b)) == is_same
    assert (difference(a, b) == []) == is_same
    shuffled = list(one.items())
    random.Random(1).shuffle(shuffled)
    assert canonical(changed(options={"x": dict(shuffled)})) == canonical(a)


def test_a_difference_names_its_place_and_both_values() -> None:
    """For a person: the path as it is written in Python."""
    new = changed(messages=(user("Why is the sky green?"),), temperature=0.7, seed=1, system=None)
    assert difference(PLAIN, new) == [
        FieldChange("messages[0].parts[0].text", "Why is the sky blue?", "Why is the sky green?"),
        FieldChange("seed", ABSENT, 1),
        FieldChange("system", "Be brief.", ABSENT),
        FieldChange("temperature", 0.0, 0.7),
    ]
    assert str(difference(PLAIN, new)[1]) == "seed: absent -> 1"
    assert len(str(FieldChange("x", "long" * 100, None))) < 100


def test_a_turn_that_was_put_in_is_one_change() -> None:
    """What stands before and after it is not reported."""
    turns = [user("a"), assistant("b"), user("c")]
    more = [turns[0], assistant(ToolCall(id="1", name="t")), *turns[1:]]
    (change,) = difference(changed(messages=tuple(turns)), changed(messages=tuple(more)))
    assert (change.path, change.old) == ("messages[1]", ABSENT)
    (back,) = difference(changed(messages=tuple(more)), changed(messages=tuple(turns)))
    assert (back.path, back.new) == ("messages[1]", ABSENT)


def test_recorded_forms_are_compared_as_requests_are() -> None:
    """A journal keeps the bytes; they compare with a request, or with other bytes."""
    new = changed(seed=1)
    assert difference(canonical(PLAIN), new) == difference(PLAIN, canonical(new)) == difference(PLAIN, new)
    assert difference(PLAIN, canonical(PLAIN)) == []
