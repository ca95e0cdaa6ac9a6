"""Question: the requests of an extraction: the first one, and the ones that show a model what was wrong.

What is the same for every document (the rules, the schema in words, the examples) stands first and byte for byte alike,
with a cache mark at its end, so that a batch pays for it once where the provider caches prefixes. The document comes
last, as a part of its own: it is data, and nothing in it is near the instructions. Only a model that is held to a schema
without being shown it is asked behind the document, with the fields in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias
from xml.sax.saxutils import escape

import msgspec

from backstay.extract.form import TOOL_NAME, FormName, dress
from backstay.extract.outline import outline
from backstay.extract.schema import Schema
from backstay.types import AnyPart, File, Message, Request, Response, Text, ToolResult, assistant, tool, user

Example: TypeAlias = tuple[str, Mapping[str, Any]]
"""A document's text, and the object that is right for it."""

ASKED = "Extract the fields from this document, as JSON."
NAMED = "The document:"
"""What stands before a document: the question, or, where the question follows with the fields, a mere heading."""
MAX_FAULTS = 20
RAISE_LIMIT = 2
"""An answer that the token limit cut is asked for again with this many times as many tokens."""


def first_question(
    request: Request,
    schema: Schema,
    wanted: dict[str, Any],
    *,
    form: FormName,
    examples: Iterable[Example] = (),
    heading: str = ASKED,
) -> Request:
    """The request without its document: rules, schema and examples, the `heading`; `with_document` completes it."""
    words = [f"The JSON Schema of the answer:\n{_json(wanted)}"] if form == "prompt" else []
    shown = "\n".join(map(_shown, examples))
    if shown:
        words.append(f"Examples of documents and their right answers:\n{shown}")
    prefix: tuple[AnyPart, ...] = (Text(text="\n\n".join(words), cache="5m"),) if words else ()
    asked = msgspec.structs.replace(
        request,
        system=(Text(text=schema.instruction, cache=None if words else "5m"),),
        messages=(user(*prefix, Text(text=heading)),),
        metadata=msgspec.structs.replace(request.metadata, task=request.metadata.task or schema.task),
    )
    return dress(asked, form, wanted, schema.name)


def field_question(wanted: dict[str, Any]) -> str:
    """The fields in words, to stand behind the document: there a small model heeds them best."""
    return f"The fields of the answer:\n{outline(wanted)}\n\nExtract these fields from the document above, as JSON."


SAMPLE = "~"
"""Stands in the id of a question that is asked once more for another opinion."""


def is_sample(request: Request) -> bool:
    """True for a question whose answer must be its own: it is asked to see whether it agrees with another one."""
    return SAMPLE in request.id


def with_document(asked: Request, text: str, source: str, *, suffix: str = "", question: str = "") -> Request:
    """`asked` about one document, with the `question` behind it; `suffix` makes an id of its own for one of several requests."""
    parts: tuple[AnyPart, ...] = (File(text=text, name=source or "document", media_type="text/plain"),)
    if question:
        parts = (*parts, Text(text=question))
    (message,) = asked.messages
    return msgspec.structs.replace(
        asked,
        messages=(msgspec.structs.replace(message, parts=(*message.parts, *parts)),),
        id=asked.id + suffix,
    )


def corrected(asked: Request, response: Response, faults: Iterable[str]) -> Request:
    """The next request: the model's own answer, and what is wrong with it."""
    listed = "\n".join(f"- {fault}" for fault in list(faults)[:MAX_FAULTS])
    complaint = f"That answer does not fit the schema:\n{listed}\n\nAnswer again with the whole corrected JSON object."
    calls = [call for call in response.tool_calls if call.name == TOOL_NAME]
    said: tuple[Message, ...]
    if calls:
        results = (ToolResult(call_id=call.id, content=complaint, is_error=True, name=call.name) for call in calls)
        said = (Message(role="assistant", parts=tuple(calls)), tool(*results))
    else:
        said = (assistant(response.text or "(no text)"), user(complaint))
    return msgspec.structs.replace(asked, messages=(*asked.messages, *said), id=f"{asked.id}+")


def longer(asked: Request) -> Request:
    """The same request with room for a longer answer."""
    limit = asked.max_output_tokens
    room = None if limit is None else limit * RAISE_LIMIT
    return msgspec.structs.replace(asked, max_output_tokens=room, id=f"{asked.id}+")


def _shown(example: Example) -> str:
    """One example, its document escaped so that it cannot close its own tag."""
    text, data = example
    return f"<example>\n<document>\n{escape(text)}\n</document>\n<answer>{escape(_json(data))}</answer>\n</example>"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
