"""A native Ollama chat request: the neutral Request written, and a client's body read back.

Content is one string with pictures beside it, tool arguments are objects, sampling stands in `options`, and `stream` is true
unless it is said to be false. The server never forces a tool. Source: https://docs.ollama.com/api/chat
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from backstay.codecs.lenient import keep, object_of, objects_of, own, rest_of, text_of, text_or_none
from backstay.codecs.media import from_base64, sniff, to_base64
from backstay.codecs.openai_turn import make_call_id
from backstay.errors import BadRequest
from backstay.types import (
    AnyPart,
    Effort,
    File,
    Image,
    Message,
    Reasoning,
    Refusal,
    Request,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)

DIALECT: Final = "ollama"
Wire = dict[str, Any]
_OPTIONS: Final = {
    "num_predict": "max_output_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}
_EFFORTS: Final[tuple[Effort, ...]] = ("low", "medium", "high", "max")
_OWN_OPTIONS: Final = frozenset({"model", "messages", "tools", "stream", "options"})


class Draft:
    """A request being written: what is wrong with it (`faults`) and what was left out of it (`notes`)."""

    __slots__ = ("faults", "notes")

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.notes: list[str] = []


def write_request(request: Request, *, stream: bool) -> tuple[Wire, Draft]:
    """The JSON body, and the draft with its faults and notes."""
    draft = Draft()
    own_options = own(request.options, DIALECT)
    messages = _write_messages(request, draft)
    body: Wire = {"model": request.model, "messages": messages, "stream": stream}
    if not request.model:
        draft.faults.append("model: there must be one")
    if not messages:
        draft.faults.append("messages: there must be one at least")
    settings = {field: value for field, name in _OPTIONS.items() if (value := getattr(request, name)) is not None}
    if request.stop:
        settings["stop"] = list(request.stop)
    settings |= object_of(own_options.get("options"))
    if settings:
        body["options"] = settings
    _write_tools(request, body, draft)
    if request.response_format is not None:
        body["format"] = request.response_format.schema or "json"
    if request.logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": request.logprobs}
    effort = request.reasoning_effort
    if effort is not None:
        body["think"] = False if effort == "none" else effort
        if effort not in ("none", *_EFFORTS):
            draft.faults.append(f"reasoning_effort: none, {', '.join(_EFFORTS)} are accepted, not {effort!r}")
    body.update({name: value for name, value in own_options.items() if name not in _OWN_OPTIONS})
    return body, draft


def _write_tools(request: Request, body: Wire, draft: Draft) -> None:
    if request.tool_choice not in (None, "auto", "none"):
        draft.faults.append("tool_choice: this server cannot be made to call a tool")
    if request.tool_choice == "none" and request.tools:
        draft.notes.append("the tools were left out: this server cannot be told not to call them")
        return
    if not request.tools:
        return
    body["tools"] = [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        }
        for tool in request.tools
    ]


def _write_messages(request: Request, draft: Draft) -> list[Wire]:
    wires: list[Wire] = []
    if request.system is not None:
        parts = (Text(text=request.system),) if isinstance(request.system, str) else request.system
        wires.append({"role": "system", "content": "\n\n".join(part.text for part in parts)})
    for number, message in enumerate(request.messages):
        place = f"messages[{number}]"
        if message.role == "tool":
            wires += _write_results(message, place, draft)
        else:
            joint = "" if message.role == "assistant" else "\n\n"  # a model's sentences may be cut where it cites
            wires.append({"role": message.role, **write_parts(message.parts, place, draft, joint=joint)})
    return wires


def write_parts(parts: tuple[AnyPart, ...], place: str, draft: Draft, *, joint: str = "\n\n") -> Wire:
    """Content, pictures, thinking and tool calls of one message; `joint` stands between its texts."""
    texts: list[str] = []
    wire: Wire = {"content": ""}
    for number, part in enumerate(parts):
        if isinstance(part, Text | Refusal):
            texts.append(part.text)
        elif isinstance(part, File) and part.text is not None:
            texts.append(f"{part.name}:\n{part.text}" if part.name else part.text)
        elif isinstance(part, Image) and part.data is not None:
            wire.setdefault("images", []).append(to_base64(part.data))
        elif isinstance(part, Reasoning):
            wire["thinking"] = wire.get("thinking", "") + part.text
        elif isinstance(part, ToolCall):
            wire.setdefault("tool_calls", []).append(_write_call(part, draft))
        else:
            draft.faults.append(
                f"{place}.parts[{number}]: a {type(part).__name__} without bytes or text cannot be sent here"
            )
    wire["content"] = joint.join(texts)
    return wire


def _write_call(part: ToolCall, draft: Draft) -> Wire:
    if part.raw_arguments is not None:
        draft.notes.append(f"the arguments of the call {part.id} were left out: they are no object")
    return {"id": part.id, "function": {"name": part.name, "arguments": part.arguments}}


def _write_results(message: Message, place: str, draft: Draft) -> list[Wire]:
    wires: list[Wire] = []
    for number, part in enumerate(message.parts):
        if not isinstance(part, ToolResult):
            draft.faults.append(
                f"{place}.parts[{number}]: a tool message holds tool results only, not a {type(part).__name__}"
            )
            continue
        pieces = (Text(text=part.content),) if isinstance(part.content, str) else part.content
        wire: Wire = {"role": "tool", "tool_call_id": part.call_id, **write_parts(pieces, place, draft)}
        wires.append({**wire, "tool_name": part.name} if part.name else wire)
    return wires


class _Options(msgspec.Struct, kw_only=True):
    """The sampling options that have a neutral name."""

    num_predict: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stop: str | list[str] | None = None


class _Body(msgspec.Struct, kw_only=True):
    """What a client may send and we read; msgspec names the field that is of the wrong kind."""

    model: str
    messages: list[dict[str, Any]] = []
    tools: list[dict[str, Any]] | None = None
    options: dict[str, Any] | None = None
    format: str | dict[str, Any] | None = None
    think: bool | str | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    stream: bool | None = None


_FIELDS: Final = frozenset(_Body.__struct_fields__)


def read_request(data: bytes) -> Request:
    """The Request of a client's body. Raises BadRequest that names the field which is wrong."""
    try:
        raw = msgspec.json.decode(data)
        body = msgspec.convert(raw, _Body)
        settings = msgspec.convert(body.options or {}, _Options)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise BadRequest(f"the request body is not as it should be: {fault}", status=400) from fault
    options = rest_of(raw, _FIELDS)
    if rest := rest_of(body.options or {}, frozenset(_Options.__struct_fields__)):
        options["options"] = rest
    effort: Any = "none" if body.think is False else body.think if body.think in _EFFORTS else None
    if body.think is not None and effort is None:
        options["think"] = body.think
    system, messages = _read_messages(body.messages)
    given: Wire = {name: getattr(settings, field) for field, name in _OPTIONS.items()}
    return Request(
        model=body.model,
        system=system,
        messages=messages,
        stop=(settings.stop,) if isinstance(settings.stop, str) else tuple(settings.stop or ()),
        tools=tuple(tool for wire in body.tools or () if (tool := _read_tool(wire)) is not None),
        response_format=_read_format(body.format),
        logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        reasoning_effort=effort,
        options=keep(DIALECT, options) or {},
        **given,
    )


def _read_tool(wire: Wire) -> Tool | None:
    function = object_of(wire.get("function"))
    if not text_of(function.get("name")):
        return None
    parameters = function.get("parameters")
    given: Wire = {"parameters": parameters} if isinstance(parameters, dict) else {}
    return Tool(name=function["name"], description=text_of(function.get("description")), **given)


def _read_format(value: str | Wire | None) -> ResponseFormat | None:
    if isinstance(value, dict):
        return ResponseFormat(schema=value)
    return ResponseFormat() if value == "json" else None


def _read_messages(wires: list[Wire]) -> tuple[str | None, tuple[Message, ...]]:
    system: str | None = None
    messages: list[Message] = []
    for number, wire in enumerate(wires):
        role = wire.get("role")
        if number == 0 and role == "system" and not wire.get("images"):
            system = text_of(wire.get("content"))
        elif role == "tool":
            content, images = text_of(wire.get("content")), read_images(wire)
            texts = (Text(text=content),) if content else ()
            result = ToolResult(
                call_id=text_of(wire.get("tool_call_id")) or text_of(wire.get("tool_name")),
                content=(*texts, *images) if images else content,
                name=text_or_none(wire.get("tool_name")),
            )
            if messages and messages[-1].role == "tool":
                messages[-1] = Message(role="tool", parts=(*messages[-1].parts, result))
            else:
                messages.append(Message(role="tool", parts=(result,)))
        else:
            neutral: Any = role if role in ("system", "assistant") else "user"
            messages.append(Message(role=neutral, parts=read_parts(wire, str(number))))
    return system, tuple(messages)


def read_parts(wire: Wire, seed: str) -> tuple[AnyPart, ...]:
    """The parts of a message; `seed` helps to make the ids that calls lack."""
    parts: list[AnyPart] = []
    if thinking := text_of(wire.get("thinking")):
        parts.append(Reasoning(text=thinking))
    if content := text_of(wire.get("content")):
        parts.append(Text(text=content))
    parts += read_images(wire)
    parts += [read_call(item, number, seed) for number, item in enumerate(objects_of(wire.get("tool_calls")))]
    return tuple(parts)


def read_images(wire: Wire) -> list[Image]:
    """The pictures of a message."""
    pictures = wire.get("images")
    found = [from_base64(text_of(picture)) for picture in pictures] if isinstance(pictures, list) else []
    return [Image(data=data, media_type=sniff(data)) for data in found if data]


def read_call(item: Wire, number: int, seed: str) -> ToolCall:
    """One tool call; its arguments are an object already."""
    function = object_of(item.get("function"))
    name = text_of(function.get("name"))
    call_id = text_or_none(item.get("id")) or make_call_id(seed, number, name)
    return ToolCall(id=call_id, name=name, arguments=object_of(function.get("arguments")))
