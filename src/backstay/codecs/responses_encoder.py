"""ResponsesEncoder: events as a Responses stream, the mirror of `ResponsesDecoder`, for a server of this dialect.

Clients insist on the frame around each part: an item is added, its content part is added, deltas follow, and all three are
done before the next item begins. So parts are written one after the other: a delta for another slot closes the one that is open.
The terminal event repeats the whole answer, folded from the events that passed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from backstay.codecs.openai_error import write_error
from backstay.codecs.responses_answer import write_body, write_output
from backstay.codecs.responses_item import Wire
from backstay.codecs.sse import write_frame
from backstay.errors import LLMError
from backstay.event import Event, PartDone, ReasoningDelta, RefusalDelta, Started, TextDelta, ToolCallDelta
from backstay.fold import Folding
from backstay.types import AnyPart, Refusal, Request, Response, Text, ToolCall


class ResponsesEncoder:
    """One stream's encoder: `encode` each event, then `finish`, or `encode_error`."""

    __slots__ = ("_closed", "_folding", "_has_begun", "_items", "_model", "_number", "_open", "_part", "_texts")

    def __init__(self, request: Request) -> None:
        self._model = request.model
        self._folding = Folding()
        self._number = 0
        self._has_begun = False
        self._open: int | None = None
        self._closed: set[int] = set()
        self._items = 0
        self._texts: set[int] = set()
        self._part = Folding()

    def encode(self, event: Event) -> bytes:
        """The bytes that say `event`; parts that come whole are written when the stream ends or the next one begins."""
        self._folding.add(event)
        if isinstance(event, Started):
            return self._begin()
        if isinstance(event, TextDelta | RefusalDelta | ToolCallDelta | ReasoningDelta | PartDone):
            return self._on_part(event)
        return b""

    def finish(self) -> bytes:
        """The end of the last part, and the terminal event with the whole answer."""
        last = self._begin() + self._close()
        answer = self._answer()
        body = write_body(answer, is_done=True)
        return last + self._frame(f"response.{body['status']}", response=body)

    def encode_error(self, error: LLMError) -> bytes:
        """The bytes that end the stream with `error`."""
        facts = msgspec.json.decode(write_error(error)[2])["error"]
        return self._frame("error", code=facts["code"] or facts["type"], message=facts["message"], param=None)

    def _answer(self) -> Response:
        answer = self._folding.response()
        return msgspec.structs.replace(answer, model=answer.model or self._model)

    def _frame(self, kind: str, **fields: Any) -> bytes:
        event = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return write_frame(msgspec.json.encode(event), kind)

    def _begin(self) -> bytes:
        if self._has_begun:
            return b""
        self._has_begun = True
        body = write_body(self._answer(), is_done=False)
        return self._frame("response.created", response=body) + self._frame("response.in_progress", response=body)

    def _on_part(self, event: TextDelta | RefusalDelta | ToolCallDelta | ReasoningDelta | PartDone) -> bytes:
        out = self._begin()
        if event.index != self._open:
            out += self._close()
            if event.index in self._closed:
                return out
            self._open = event.index
            self._part = Folding()
            out += self._add(event)
        self._part.add(event)
        return out + self._delta(event)

    def _head(self) -> Wire:
        return {"output_index": self._items}

    def _add(self, event: Event) -> bytes:
        """The events that open the item of the slot just begun, for the kinds that have deltas."""
        if isinstance(event, TextDelta | RefusalDelta):
            item: Wire = {"type": "message", "id": f"msg_{self._items}", "status": "in_progress", "role": "assistant"}
            text = isinstance(event, TextDelta)
            part = (
                {"type": "output_text", "text": "", "annotations": []} if text else {"type": "refusal", "refusal": ""}
            )
            head = {"item_id": item["id"], **self._head(), "content_index": 0}
            added = self._frame("response.output_item.added", **self._head(), item={**item, "content": []})
            return added + self._frame("response.content_part.added", **head, part=part)
        if isinstance(event, ToolCallDelta):
            item = {"type": "function_call", "id": f"fc_{self._items}", "status": "in_progress"}
            item |= {"call_id": event.id or "", "name": event.name or "", "arguments": ""}
            self._texts.add(event.index)
            return self._frame("response.output_item.added", **self._head(), item=item)
        return b""

    def _delta(self, event: Event) -> bytes:
        slot = self._open or 0
        if isinstance(event, TextDelta | RefusalDelta):
            self._texts.add(slot)
            kind = "response.output_text.delta" if isinstance(event, TextDelta) else "response.refusal.delta"
            head = {"item_id": f"msg_{self._items}", **self._head(), "content_index": 0}
            more: Wire = {"logprobs": []} if isinstance(event, TextDelta) else {}
            return self._frame(kind, **head, delta=event.text, **more)
        if isinstance(event, ToolCallDelta) and event.arguments:
            head = {"item_id": f"fc_{self._items}", **self._head()}
            return self._frame("response.function_call_arguments.delta", **head, delta=event.arguments)
        return b""

    def _close(self) -> bytes:
        """The events that end the open part: its content, its item."""
        slot = self._open
        if slot is None:
            return b""
        self._open = None
        self._closed.add(slot)
        part = self._part.response().parts[0]
        items = write_output((part,), self._items)
        if not items:
            return b""
        item = items[0]
        out = b"" if slot in self._texts else self._frame("response.output_item.added", **self._head(), item=item)
        out += self._content_done(item, part)
        out += self._frame("response.output_item.done", **self._head(), item=item)
        self._items += 1
        return out

    def _content_done(self, item: Wire, part: AnyPart) -> bytes:
        if isinstance(part, ToolCall):
            arguments = item.get("arguments", item.get("input", ""))
            head = {"item_id": item["id"], **self._head(), "name": part.name}
            return self._frame("response.function_call_arguments.done", **head, arguments=arguments)
        if not isinstance(part, Text | Refusal):
            return b""
        head = {"item_id": item["id"], **self._head(), "content_index": 0}
        content = item["content"][0]
        if isinstance(part, Text):
            done = self._frame("response.output_text.done", **head, text=part.text, logprobs=[])
        else:
            done = self._frame("response.refusal.done", **head, refusal=part.text)
        return done + self._frame("response.content_part.done", **head, part=content)
