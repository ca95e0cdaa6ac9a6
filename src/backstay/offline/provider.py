"""The offline provider: answers without a model, by rules, the same way every time, and says so.

A rule knows one task. It reads the request and gives the text that a good model would give, or nothing when the request is not
its business. The provider asks the rules in order; the last one, `explain`, always answers. Every answer is marked
`degraded`, names the rule that spoke, and costs nothing, so an offline answer can stand at the end of a failover chain and never
pass for a model's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from backstay.offline.finding import Finding
from backstay.service import Call, Reply
from backstay.types import Cost, File, Provenance, Request, Response, Text, Usage


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule says: the text that a model would give, and for extractions the Finding behind each field."""

    text: str
    fields: dict[str, Finding] | None = None


class Rule(msgspec.Struct, frozen=True):
    """A named rule: `answer(request)` is its Answer, or None where the rule has nothing to say."""

    name: str
    answer: RuleFunction


RuleFunction: TypeAlias = Callable[[Request], Answer | None]


class Offline:
    """A service without a model. Given the same request it gives the same answer, byte for byte."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._rules = (*rules, Rule("explain", explain))

    async def __call__(self, call: Call, /) -> Reply:
        for rule in self._rules:
            answer = rule.answer(call.request)
            if answer is not None:
                return Reply(response=_response(rule.name, answer))
        raise AssertionError("the rule `explain` always answers")


def _response(rule: str, answer: Answer) -> Response:
    fields = None if answer.fields is None else {"offline": {"fields": msgspec.to_builtins(answer.fields)}}
    return Response(
        parts=(Text(text=answer.text),),
        extra=fields,
        finish_reason="stop",
        raw_finish_reason="rule",
        model=rule,
        usage=Usage(input_tokens=0, output_tokens=0),
        cost=Cost(nano_usd=0, price_id="offline"),
        latency=0.0,
        provenance=Provenance(target=f"offline:{rule}", degraded=True, rule=rule),
    )


def question(request: Request) -> str:
    """The text of the last user message: what a rule answers."""
    for message in reversed(request.messages):
        if message.role == "user":
            return message.text
    return ""


def document(request: Request) -> str | None:
    """The text of the request's first document, None where it brings none."""
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, File) and part.text is not None:
                return part.text
    return None


def explain(request: Request) -> Answer:
    """What is said when no rule knows the task: that there is no model, and how to get one."""
    if request.response_format is not None:
        return Answer(text="{}")
    asked = " ".join(question(request).split())
    quoted = f' Your question was: "{asked[:200]}{"..." if len(asked) > 200 else ""}".' if asked else ""
    return Answer(
        text="No language model is configured, and no offline rule knows this task, so there is no answer here."
        f"{quoted} Set OPENAI_API_KEY, ANTHROPIC_API_KEY or another provider's key, or start a local server "
        "and set LLAMA_SERVER_URL; `backstay doctor` shows what is missing."
    )
