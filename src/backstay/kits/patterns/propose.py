"""Propose: patterns by a model, batch by batch, and then counted: no figure of a model's stands unchecked.

The whole cases of a batch go into one question (prompt `pattern_extraction`), with short ids in the place of the real ones.
What comes back is taken at its word only where it cannot be counted: a countable claim is counted over the whole log,
whatever the model stated, and dropped where the log does not show it twice; any other needs two events of the batch as its
evidence. What several batches propose is one pattern, with the evidence of all. With few events no confidence is above 0.6.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, Unpack

import msgspec

from backstay.answer import JsonAnswer
from backstay.ask import Prompt
from backstay.ask import Settings as AskSettings
from backstay.errors import ContextLengthExceeded, LLMError
from backstay.kits.patterns.claim import read_claim
from backstay.kits.patterns.event import Event
from backstay.kits.patterns.mine import caveats_of
from backstay.kits.patterns.pattern import ExtractedPattern, strength_of
from backstay.kits.patterns.setting import TYPES, PatternType, Settings
from backstay.kits.patterns.unit import Log
from backstay.prompts import PromptLibrary, shipped

PROMPT: Final = "pattern_extraction"
AT_ONCE: Final = 4
"""Batches that are asked about at the same time; the client's own limits hold besides."""
FEWEST: Final = 2
"""Events of the smallest batch; with fewer there is nothing that repeats itself."""
LONGEST_TEXT: Final = 500
"""Characters of an event's own text that a model is shown."""


class Asks(Protocol):
    """The part of the client that is used."""

    async def generate_json(self, prompt: Prompt, **settings: Unpack[AskSettings]) -> JsonAnswer: ...


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """What a model proposed: the patterns that stand, what was dropped and why, what it would want to know, and who
    answered."""

    patterns: tuple[ExtractedPattern, ...] = ()
    dropped: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    is_degraded: bool = False
    batches: int = 0


class _Answer(msgspec.Struct, frozen=True):
    """One batch with what was answered."""

    ids: Mapping[str, Event]
    value: Mapping[str, Any]
    target: str
    is_degraded: bool


async def propose(
    client: Asks,
    events: Sequence[Event] | Log,
    *,
    settings: Settings | None = None,
    library: PromptLibrary | None = None,
    types: Sequence[PatternType] = TYPES,
    notify: Callable[[int, int], None] | None = None,
) -> Proposed:
    """The patterns that the client's model finds in `events`. Raises the first error where no batch was answered at all.

    A batch that is too long for the model is asked about in halves; one that fails is named in `errors`, and the others stand.
    `notify` hears how many of how many batches are done.
    """
    rules = settings or Settings()
    log = events if isinstance(events, Log) else Log(events, rules.mining)
    prompts = library or shipped()
    parts = list(batches(log, rules.batch))
    asker = _Asker(client, prompts, types, rules, notify, len(parts))
    results = [one for several in await asyncio.gather(*map(asker.ask, parts)) for one in several]
    failures = [one for one in results if isinstance(one, LLMError)]
    answers = [one for one in results if isinstance(one, _Answer)]
    if failures and not answers:
        raise failures[0]
    found, dropped = _gathered(answers, log, rules)
    return Proposed(
        patterns=found,
        dropped=dropped,
        wanted=tuple(
            dict.fromkeys(str(one) for answer in answers for one in answer.value["additional_context_needed"])
        ),
        errors=tuple(f"{type(one).__name__}: {one}" for one in failures),
        targets=tuple(sorted({answer.target for answer in answers})),
        is_degraded=any(answer.is_degraded for answer in answers),
        batches=asker.asked,
    )


class _Asker:
    """Asks about one batch after the other, so many at a time, and tells how far it is."""

    def __init__(
        self,
        client: Asks,
        prompts: PromptLibrary,
        types: Sequence[PatternType],
        rules: Settings,
        notify: Callable[[int, int], None] | None,
        asked: int,
    ) -> None:
        self._client, self._prompts, self._types, self._rules = client, prompts, types, rules
        self._notify = notify
        self._room = asyncio.Semaphore(AT_ONCE)
        self._done = 0
        self.asked = asked

    async def ask(self, part: list[Event]) -> list[_Answer | LLMError]:
        """The answer about `part`; the answers about its halves where it is too long for the model; else the error."""
        ids = {f"e{number}": event for number, event in enumerate(part, 1)}
        shown = [form(name, event) for name, event in ids.items()]
        rendered = self._prompts.render(PROMPT, domain=part[0].domain, events=shown, types=list(self._types))
        try:
            async with self._room:
                answer = await self._client.generate_json(rendered.request(), timeout=self._rules.timeout)
        except ContextLengthExceeded as error:
            if len(part) >= 2 * FEWEST:
                return await self._halved(part)
            return self._told([error])
        except LLMError as error:
            return self._told([error])
        about = answer.response.provenance
        return self._told([_Answer(ids, answer.value, about.target or "", about.degraded)])

    async def _halved(self, part: list[Event]) -> list[_Answer | LLMError]:
        self.asked += 1
        middle = len(part) // 2
        return [*await self.ask(part[:middle]), *await self.ask(part[middle:])]

    def _told(self, found: list[_Answer | LLMError]) -> list[_Answer | LLMError]:
        self._done += 1
        if self._notify is not None:
            self._notify(self._done, self.asked)
        return found


def batches(log: Log, size: int) -> Iterable[list[Event]]:
    """The events in parts of at most `size`, cases whole where they fit, in the order in which cases begin."""
    groups: dict[str, list[Event]] = {}
    for event in log.events:
        groups.setdefault(f"{event.source_id}\0{event.case_id}" if event.case_id else f"\0{event.id}", []).append(event)
    part: list[Event] = []
    for group in groups.values():
        for start in range(0, len(group), size):
            piece = group[start : start + size]
            if part and len(part) + len(piece) > size:
                yield part
                part = []
            part = [*part, *piece]
    if part:
        yield part


def form(name: str, event: Event) -> dict[str, Any]:
    """An event as a model is shown it: without what is empty, and with no id but its short one."""
    facts: dict[str, Any] = {
        "id": name,
        "what": event.what,
        "when": event.when,
        "who": list(event.who),
        "where": event.where,
        "why": event.why,
        "how": event.how,
        "case": event.case_id,
        "type": event.event_type if event.event_type != "event" else "",
        "attributes": event.attributes,
        "text": event.raw_text[:LONGEST_TEXT] if event.raw_text != event.what else "",
        "verified": event.verification_status if event.verification_status != "unverified" else "",
    }
    return {key: value for key, value in facts.items() if value}


def read_form(shown: Mapping[str, Any]) -> Event:
    """The event of a form, whose id is its short one. Raises ValueError where it is none."""
    return Event(
        event_id=str(shown["id"]),
        what=shown["what"],
        when=shown["when"],
        who=tuple(shown.get("who", ())),
        where=shown.get("where", ""),
        why=shown.get("why"),
        how=shown.get("how"),
        case_id=shown.get("case", ""),
        event_type=shown.get("type", "event"),
        attributes=dict(shown.get("attributes", {})),
        raw_text=shown.get("text", ""),
        verification_status=shown.get("verified", "unverified"),
    )


def _gathered(
    answers: Sequence[_Answer], log: Log, rules: Settings
) -> tuple[tuple[ExtractedPattern, ...], tuple[str, ...]]:
    """The proposals of all batches, those of one pattern joined, each counted or dropped."""
    joined: dict[str, list[ExtractedPattern]] = {}
    for answer in answers:
        for item in answer.value["patterns"]:
            pattern = _proposal(item, answer, log)
            joined.setdefault(pattern.pattern_id, []).append(pattern)
    found, dropped = [], []
    for several in joined.values():
        pattern = _counted(several, log, rules)
        if len(pattern.source_event_ids) < 2:
            what = (
                "the events do not show it twice"
                if read_claim(pattern.structured_pattern)
                else "one event is no pattern"
            )
            dropped.append(f"{pattern.description}: {what}")
        else:
            found.append(pattern)
    return tuple(sorted(found, key=lambda one: (TYPES.index(one.pattern_type), -one.llm_confidence))), tuple(dropped)


def _proposal(item: Mapping[str, Any], answer: _Answer, log: Log) -> ExtractedPattern:
    """One pattern of an answer, with real ids for those of the batch; others are no evidence."""
    named = dict.fromkeys(str(one) for one in item.get("evidence", ()))
    caveats = [str(one) for one in item["caveats"]]
    if unknown := [name for name in named if name not in answer.ids]:
        caveats.append(f"names {len(unknown)} event(s) that it was not shown")
    return ExtractedPattern(
        pattern_type=item["pattern_type"],
        subject=item["subject"],
        description=item["description"],
        structured_pattern=dict(item["structured_pattern"]),
        source_event_ids=tuple(answer.ids[name].id for name in named if name in answer.ids),
        extraction_source="rule" if answer.is_degraded else "llm_auto",
        llm_confidence=item["confidence"],
        reasoning=item["reasoning"],
        caveats=tuple(caveats),
        domain=log.events[0].domain,
    )


def _counted(several: Sequence[ExtractedPattern], log: Log, rules: Settings) -> ExtractedPattern:
    """The proposals of one pattern as one: its claim counted over the log, or the evidence of all where it has none."""
    first = several[0]
    claim = read_claim(first.structured_pattern)
    caveats = [caveat for one in several for caveat in one.caveats]
    words = first.description
    confidence = sum(one.llm_confidence for one in several) / len(several)
    if claim is None:
        evidence = tuple(dict.fromkeys(name for one in several for name in one.source_event_ids))
        structured = dict(first.structured_pattern) | {"is_counted": False}
        caveats.append("its figures could not be counted; they are its extractor's own")
    else:
        counted = claim.counted(log)
        evidence = counted.evidence
        structured = claim.form() | counted.figures() | {"is_counted": True}
        stated = "{support} of {total}".format_map({"support": "", "total": ""} | first.structured_pattern)
        words = words.replace(stated, f"{counted.support} of {counted.total}")
        caveats += [*_wrong(several, counted.support, counted.total), *caveats_of(counted, log)]
    if len(evidence) < rules.few:
        confidence = min(confidence, rules.few_confidence)
    return msgspec.structs.replace(
        first,
        description=words,
        structured_pattern=structured,
        source_event_ids=evidence,
        llm_confidence=round(confidence, 4),
        evidence_strength=strength_of(len(evidence)),
        caveats=tuple(dict.fromkeys(caveats)),
    )


def _wrong(several: Sequence[ExtractedPattern], support: int, total: int) -> Iterable[str]:
    """Where one proposal alone spoke of all events and miscounted. Batches count their own events, which is no mistake."""
    stated = several[0].structured_pattern
    if len(several) == 1 and "support" in stated and (stated.get("support"), stated.get("total")) != (support, total):
        yield f"stated as {stated.get('support')} of {stated.get('total')}, counted as {support} of {total}"
