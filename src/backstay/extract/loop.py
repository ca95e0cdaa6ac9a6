"""The extraction loop: ask, read, check against the schema, show the faults and ask again, then find the evidence.

Whoever answers, a model or the offline rules, answers with the plain object. A rule also says how sure it is of each
field and where it read it; a model's values are looked up in the document, and one that is not there keeps little
confidence.

    pieces    a document that is too long is asked about in overlapping parts, merged by evidence (piece.py); a part that
              the model says is too long for it is cut in two
    samples   by choice each part is asked about several times, and what agrees is taken (agreement.py)
    asks      a wrong answer is shown its faults and asked for again, a cut one with more room, a refusal is not
    settling  validators, a validation question by choice, calibration, the gate, and what it all cost (settle.py)

Every question goes through one `ask`, which holds the one deadline of them all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeAlias, TypeVar

import msgspec

from backstay.errors import ContextLengthExceeded, LLMError
from backstay.extract.agreement import vote
from backstay.extract.extraction import Extraction, Field
from backstay.extract.filler import without_fillers
from backstay.extract.form import answer_of, closed
from backstay.extract.found import Finder, rule_fields
from backstay.extract.logprob import value_probabilities
from backstay.extract.piece import Piece, cut, halve, merge, shift
from backstay.extract.plan import Ask, Plan
from backstay.extract.question import (
    ASKED,
    NAMED,
    SAMPLE,
    corrected,
    field_question,
    first_question,
    longer,
    with_document,
)
from backstay.extract.reading import Answered, read_answer
from backstay.extract.schema import Schema, blankable, complete, leaves, nullable
from backstay.extract.settle import Read, settle
from backstay.types import Request, Response

T = TypeVar("T")
Part: TypeAlias = tuple[dict[str, Any], dict[str, Field], list[Answered]]
"""What one piece of a document holds, its evidence placed in the whole document, and the answers that say so."""


async def extract(
    ask: Ask, schema: Schema, text: str, *, request: Request, source: str = "", plan: Plan | None = None
) -> Extraction:
    """The Extraction of the document `text` by `schema`. `request` carries the model and settings to ask with.

    Raises what the first `ask` about a piece raises. An answer that never fits the schema gives status "failed" with the
    faults, not an exception; an error on the way to a better answer stands in `errors`, and what was answered is kept.
    """
    plan = plan or Plan()
    job = _Job(ask, schema, request, source, plan)
    return await settle(ask, schema, plan, request, await job.read(text))


class _Job:
    """The asking about one document."""

    def __init__(self, ask: Ask, schema: Schema, request: Request, source: str, plan: Plan) -> None:
        self._ask = ask
        self._schema = schema
        self._source = source
        self._plan = plan
        self._wanted = nullable(schema.schema)
        asked_for = closed(blankable(self._wanted))
        self._behind = field_question(asked_for) if plan.is_blind and plan.form != "prompt" else ""
        heading = NAMED if self._behind else ASKED
        self._question = first_question(
            request, schema, asked_for, form=plan.form, examples=plan.examples, heading=heading
        )
        self._room = asyncio.Semaphore(plan.concurrency)

    async def read(self, text: str) -> Read:
        """What all pieces of the document hold together."""
        pieces = cut(text, self._plan.piece_chars, self._plan.overlap)
        names = [""] if len(pieces) == 1 else [f"#{number}" for number in range(1, len(pieces) + 1)]
        several = await _together(self._parts(piece, name) for piece, name in zip(pieces, names, strict=True))
        parts = [part for those in several for part in those]
        data, fields = merge([(data, fields) for data, fields, _ in parts]) if len(parts) > 1 else parts[0][:2]
        answered = tuple(one for _, _, several in parts for one in several)
        data = complete(data, self._schema.schema)
        return Read(text=text, source=self._source, data=data, fields=fields, answered=answered)

    async def _parts(self, piece: Piece, name: str) -> list[Part]:
        """What one piece holds; where it is more than the model's window takes, what its halves hold."""
        try:
            return [await self._piece(piece, name)]
        except ContextLengthExceeded:
            halves = halve(piece, self._plan.overlap)
            if len(halves) == 1:
                raise
        several = await _together(self._parts(half, f"{name}.{number}") for number, half in enumerate(halves, 1))
        return [part for those in several for part in those]

    async def _piece(self, piece: Piece, name: str) -> Part:
        """What one piece holds, its evidence placed in the whole document."""
        question = with_document(self._question, piece.text, self._source, suffix=name, question=self._behind)
        answered = await self._samples(question)
        usable = [one for one in answered if not one.is_failed] or answered
        datas, said = zip(*(self._data(one, piece.text) for one in usable), strict=True)
        best, shares = vote(datas)
        response = usable[best].responses[-1]
        fields = rule_fields(response)
        if fields is None:
            signals = {"logprob": _probabilities(usable[best], datas[best])}
            if len(usable) > 1:
                signals["agreement"] = shares
            fields = Finder(piece.text, has_evidence=self._plan.has_evidence).fields(datas[best], signals)
            fields |= {path: _said_nothing(fields[path], word) for path, word in said[best].items() if path in fields}
        return datas[best], {path: shift(field, piece.start) for path, field in fields.items()}, answered

    def _data(self, answered: Answered, text: str) -> tuple[dict[str, Any], dict[str, str]]:
        """The whole object of an answer; a model's without the words that only say that there is no value, and these by path."""
        data = complete(answered.reading.data, self._schema.schema)
        if rule_fields(answered.responses[-1]) is not None:
            return data, {}
        return without_fillers(data, self._schema.schema, text)

    async def _samples(self, question: Request) -> list[Answered]:
        """The answers to one question. A degraded one is not asked for again, because it would be the same."""
        first = await self._answer(question)
        if self._plan.samples <= 1 or first.responses[-1].provenance.degraded:
            return [first]
        warm = self._plan.sample_temperature
        temperature = question.temperature if warm is None else max(question.temperature or 0.0, warm)
        numbers = range(2, self._plan.samples + 1)
        others = (
            msgspec.structs.replace(question, temperature=temperature, id=f"{question.id}{SAMPLE}{number}")
            for number in numbers
        )
        return [first, *await _together(self._answer(other) for other in others)]

    async def _answer(self, question: Request) -> Answered:
        """Ask until an answer fits, the number of asks is used up, or asking again cannot help."""
        async with self._room:
            asked = question
            responses: list[Response] = [await self._ask(asked)]
            while True:
                last = responses[-1]
                reading = read_answer(last, self._wanted)
                is_final = reading.trouble in ("none", "refused") or len(responses) >= self._plan.max_asks
                if is_final or last.provenance.degraded:
                    return Answered(reading=reading, responses=tuple(responses))
                asked = longer(asked) if reading.trouble == "cut" else corrected(asked, last, reading.faults)
                try:
                    responses.append(await self._ask(asked))
                except LLMError as error:  # what was paid for is kept; the error stands in the extraction
                    return Answered(reading=reading, responses=tuple(responses), error=error)


def _said_nothing(field: Field, word: str) -> Field:
    return msgspec.structs.replace(
        field, reason=f"the answer says {word!r}, which the document does not print as a value"
    )


def _probabilities(answered: Answered, kept: dict[str, Any]) -> dict[str, float]:
    """The log-probabilities of those values of the last answer that were `kept`, where the provider gave any for a text."""
    response = answered.responses[-1]
    answer = answer_of(response)
    if response.logprobs is None or not isinstance(answer, str):
        return {}
    found = value_probabilities(answered.reading.data, answer, response.logprobs)
    now, before = dict(leaves(kept)), dict(leaves(answered.reading.data))
    return {path: one for path, one in found.items() if path in now and now[path] == before[path]}


async def _together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of all, in order. The first error ends the others and is raised as it is."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
