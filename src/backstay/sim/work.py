"""Work: what one attempt will be answered with, decided when it arrives."""

from __future__ import annotations

from backstay.errors import LLMError
from backstay.sim.fault import Kind
from backstay.sim.record import Entry
from backstay.tokens import Counted
from backstay.types import FinishReason, Request


class Question(Counted, frozen=True, kw_only=True):
    """What a simulated caller asks: counts in place of words. `answer_tokens` is the length of its answer, 0 where the provider
    draws it. `content` names the question: equal ones ask the same."""

    answer_tokens: int = 0
    content: object = ""


class Work:
    """What an attempt will be answered with, and what goes wrong on the way."""

    __slots__ = ("entry", "first", "kind", "pace", "stage", "text", "tokens")

    def __init__(self, entry: Entry, text: str, tokens: int, first: float, pace: float, kind: Kind | None) -> None:
        self.entry = entry
        self.text = text
        self.tokens = tokens
        self.first = first
        self.pace = pace
        self.kind = kind
        self.stage = None if kind is None else kind.stage

    def error(self) -> LLMError:
        """What a caller is told where the answer is lost."""
        return LLMError("no fault") if self.kind is None else self.kind.error()

    def reason(self, request: Request) -> FinishReason:
        """Why the answer ends: its own end, or the limit that the request set."""
        return "length" if self.tokens == request.max_output_tokens else "stop"


def count_tokens(request: Request) -> int:
    """The provider's own count of the input: a token for each four characters begun, and four for each message."""
    if isinstance(request, Counted):
        return request.input_tokens
    texts = sum((len(message.text) + 3) // 4 + 4 for message in request.messages)
    if request.system:
        texts += (
            len(request.system) if isinstance(request.system, str) else sum(len(t.text) for t in request.system)
        ) // 4 + 4
    return texts
