"""What a model is asked about an invoice: the shipped prompts, each once, with the layout's fields and examples in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backstay import Client, Scripted
from backstay.config import load
from backstay.document.document import Document
from backstay.errors import BudgetExceeded, ConfigurationError, ContextLengthExceeded, ServerFault
from backstay.kits.invoices.detect import detect, in_doubt
from backstay.kits.invoices.layout import Layout, load_layouts
from backstay.kits.invoices.learn import read_labels
from backstay.kits.invoices.record import Record
from backstay.kits.invoices.setting import Settings
from backstay.kits.invoices.workflow import process
from backstay.ledger.memory import MemoryLedger
from backstay.types import Request

LAYOUTS = Path(__file__).resolve().parents[3] / "examples" / "layouts"
TEXT = (LAYOUTS / "labelled" / "kontor-nord-3.txt").read_text(encoding="utf-8")
RIGHT = read_labels(LAYOUTS / "labels.json")["kontor-nord-3.txt"]
DOUBTFUL = "\n".join(TEXT.splitlines()[:-2]).replace("Vorgang ", "Beleg   ").replace("Warenwert", "Summe    ")
"""A letterhead of the vendor's on another form: some marks, not all."""

FACTS = {name: value for name, value in RIGHT.items() if name != "cost_centre"} | {"lines": []}
LAYOUT, EXTRACTION, VALIDATION = "invoice_layout", "extract:invoice", "invoice_validation"


class Model:
    """A scripted model: an answer by task, and every request that it was asked."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers
        self.asked: list[Request] = []

    def __call__(self, request: Request) -> Any:
        self.asked.append(request)
        task = request.metadata.task or ""
        answer = self._answers[{LAYOUT: "layout", EXTRACTION: "facts", VALIDATION: "verdict"}[task]]
        answer = answer(request) if callable(answer) else answer
        return answer if isinstance(answer, Exception) else json.dumps(answer)

    @property
    def tasks(self) -> list[str | None]:
        return [request.metadata.task for request in self.asked]

    def text(self, task: str) -> str:
        """Everything that the one question of this task says."""
        (request,) = [one for one in self.asked if one.metadata.task == task]
        return words(request)


def words(request: Request) -> str:
    """Everything that a request says."""
    given = request.system
    system = given if isinstance(given, str) else "".join(one.text for one in given or ())
    parts = [getattr(part, "text", "") or "" for message in request.messages for part in message.parts]
    return "\n".join([system, *parts])


def stated(confidence: float, **changes: Any) -> Callable[[Request], Any]:
    """A validation that says the same of every value, and something else of the fields in `changes`."""

    def answer(_: Request) -> Any:
        paths = [name for name, value in RIGHT.items() if value]
        return {
            "fields": [
                {
                    "path": path,
                    "is_in_text": changes.get(path, True),
                    "is_well_formed": True,
                    "confidence": confidence,
                }
                for path in paths
            ]
        }

    return answer


NAMED = {"layout": "kontor-nord", "confidence": 0.9, "reasoning": "The letterhead is KONTOR NORD's."}


def known() -> list[Layout]:
    return load_layouts(LAYOUTS)


async def ask(text: str, model: Model, *, settings: Settings | None = None, **arguments: Any) -> Record:
    given = {"model": "scripted:m", "retry.max_attempts": 1, **arguments}
    loaded = load(environ={}, arguments=given, services=("scripted",))
    script = Scripted(model, is_endless=True)
    async with Client(loaded=loaded, services={"scripted": script}, ledger=MemoryLedger()) as client:
        document = Document(source="one.txt", text=text, media_type="text/plain")
        return await process(client, document, layouts=known(), settings=settings)


async def test_each_prompt_goes_out_once_with_the_layouts_fields_and_examples() -> None:
    """In doubt the layout is asked for, then the facts by its fields and examples, then whether they are right."""
    model = Model(layout=NAMED, facts=FACTS, verdict=stated(0.98))
    record = await ask(DOUBTFUL, model)
    assert model.tasks == [LAYOUT, EXTRACTION, VALIDATION]
    assert "Genossenschaftsregister" in model.text(LAYOUT)
    assert "Bad Schwartau" not in model.text(LAYOUT)
    facts = model.text(EXTRACTION)
    assert "The form: kontor-nord" in facts
    assert "behind 'Vorgang' on its line" in facts
    assert "Praxis Dr. Wiebe" in facts
    assert "A wrong fact costs money" in facts
    assert "Volkshochschule Ostsee" in facts
    assert '"grand_total":"89.25"' in model.text(VALIDATION)
    assert (record.layout, record.layout_confidence, record.is_validated) == ("kontor-nord", 0.9, True)
    assert record.layout_reasoning == "The letterhead is KONTOR NORD's."


async def test_marks_that_are_clear_ask_nobody() -> None:
    """All of a layout's marks, or none of any: no question about the layout goes out."""
    model = Model(facts=FACTS, verdict=stated(0.98))
    record = await ask(TEXT, model)
    assert LAYOUT not in model.tasks
    assert (record.layout, record.layout_confidence) == ("kontor-nord", 1.0)
    assert in_doubt("Dear Ann, see you by the sea.", known(), detect("Dear Ann, see you by the sea.", known())) == []


async def test_a_window_without_room_for_examples_is_asked_without_them() -> None:
    """The fields still stand in the question, and the document is read."""

    def facts(request: Request) -> Any:
        is_long = "Praxis Dr. Wiebe" in words(request)
        return ContextLengthExceeded("too long", status=400) if is_long else FACTS

    model = Model(facts=facts, verdict=stated(0.98))
    record = await ask(TEXT, model)
    last = [request for request in model.asked if request.metadata.task == EXTRACTION][-1]
    assert "behind 'Vorgang' on its line" in words(last)
    assert "Praxis Dr. Wiebe" not in words(last)
    assert record.data["number"] == "88-5007"


async def test_a_layouts_own_field_is_asked_for() -> None:
    """What only this vendor prints is a field of the question and of the record."""
    model = Model(facts={**FACTS, "cost_centre": "VHS-2"}, verdict=stated(0.98))
    record = await ask(TEXT, model)
    (request,) = [one for one in model.asked if one.metadata.task == EXTRACTION]
    assert request.response_format is not None
    assert "cost_centre" in (request.response_format.schema or {})["properties"]
    assert record.data["cost_centre"] == "VHS-2"
    assert record.fields["cost_centre"].grounded


@pytest.mark.parametrize(
    ("said", "layout"),
    [
        ({**NAMED, "confidence": 0.4}, "generic"),
        ({**NAMED, "layout": "generic"}, "generic"),
        ({**NAMED, "layout": "kontor-sued"}, "kontor-nord"),
        (ServerFault("down", status=500), "kontor-nord"),
        ({"no": "answer"}, "kontor-nord"),
    ],
)
async def test_a_layout_is_taken_only_from_the_list_and_only_surely(said: Any, layout: str) -> None:
    """Unsure is generic; a name of nothing, no answer and a failure leave it to the marks, and the document is read."""
    model = Model(layout=said, facts=FACTS, verdict=stated(0.98))
    record = await ask(DOUBTFUL, model)
    assert record.layout == layout
    assert record.data["grand_total"] == "89.25"
    assert bool(record.notes) == (isinstance(said, Exception) or "no" in said)


async def test_a_validated_record_is_accepted_from_its_own_threshold_on() -> None:
    """0.95 for what was validated, as the kit's settings say, and not 0.90 and not those of [extract]."""
    sure = await ask(TEXT, Model(facts=FACTS, verdict=stated(0.98)), settings=Settings(validate_below=1.0))
    assert (sure.decision, sure.is_validated) == ("accepted", True)
    assert sure.confidence >= 0.95
    unsure = await ask(TEXT, Model(facts=FACTS, verdict=stated(0.8)), settings=Settings(validate_below=1.0))
    assert 0.90 <= unsure.confidence < 0.95
    assert unsure.decision == "review"
    assert any("under 0.95" in reason for reason in unsure.reasons)
    lower = Settings(validate_below=1.0, auto_validate_at=0.9)
    assert (await ask(TEXT, Model(facts=FACTS, verdict=stated(0.8)), settings=lower)).decision == "accepted"


async def test_the_settings_of_extraction_do_not_decide() -> None:
    """A gate of [extract] that would accept anything changes no record."""
    open_gate = {"extract.accept_at": 0.0, "extract.validate_below": 0.0, "extract.validate_fields": 0}
    model = Model(layout=NAMED, facts=FACTS, verdict=stated(0.7))
    record = await ask(DOUBTFUL, model, settings=Settings(validate_below=1.0), **open_gate)
    assert VALIDATION in model.tasks
    assert record.decision == "review"


async def test_what_a_validation_denies_is_for_a_person() -> None:
    """A value that the model does not find in the text loses its confidence, and keeps its value."""
    denied = Model(facts=FACTS, verdict=stated(0.98, grand_total=False))
    record = await ask(TEXT, denied, settings=Settings(validate_below=1.0))
    assert record.decision == "review"
    assert record.data["grand_total"] == "89.25"
    assert any("grand_total" in reason for reason in record.reasons)


async def test_a_validation_that_fails_leaves_the_rest_and_says_so() -> None:
    """The record is there, is not validated, and its note names the error."""
    model = Model(layout=NAMED, facts=FACTS, verdict=ServerFault("down", status=500))
    record = await ask(DOUBTFUL, model, settings=Settings(validate_below=1.0))
    assert not record.is_validated
    assert record.decision == "review"
    assert "the validation could not be made" in record.notes[0]


async def test_a_spent_budget_ends_the_run_whatever_was_asked() -> None:
    """In the layout's question as in the others."""
    with pytest.raises(BudgetExceeded):
        await ask(DOUBTFUL, Model(layout=BudgetExceeded("spent")))


async def test_a_second_reader_that_disagrees_is_a_reason_to_look() -> None:
    """A model's wrong number that stands in the text is held against by the layout's hint; the value is not changed."""
    model = Model(facts={**FACTS, "number": "VHS-2"}, verdict=stated(0.98))
    record = await ask(TEXT, model)
    assert record.data["number"] == "VHS-2"
    assert record.decision == "review"
    assert any("number is 0.50 sure: the layout kontor-nord read 88-5007" in reason for reason in record.reasons)


async def test_one_document_makes_one_question() -> None:
    """The same text is the same prompt to the letter, so that it is cached and replayed."""
    one, other = (Model(layout=NAMED, facts=FACTS, verdict=stated(0.98)) for _ in range(2))
    await ask(DOUBTFUL, one)
    await ask(DOUBTFUL, other)
    assert [one.text(task) for task in (LAYOUT, EXTRACTION, VALIDATION)] == [
        other.text(task) for task in (LAYOUT, EXTRACTION, VALIDATION)
    ]


async def test_each_tier_asks_its_model() -> None:
    """The layout is a simple question, facts and their validation have the document's tier."""
    tiers = {"tiers.BASIC": "scripted:small", "tiers.ADVANCED": "scripted:large"}
    model = Model(layout=NAMED, facts=FACTS, verdict=stated(0.98))
    record = await ask(DOUBTFUL, model, **tiers)
    assert [request.model for request in model.asked] == ["scripted:small", "scripted:large", "scripted:large"]
    assert record.tier == "ADVANCED"


async def test_offline_nobody_is_asked_and_the_layout_still_helps() -> None:
    """Rules do not know this form's number and take the day of payment for that of the invoice; its hints say both."""
    loaded = load(environ={}, arguments={"model": "offline:rules"})
    document = Document(source="one.txt", text=TEXT, media_type="text/plain")
    async with Client(loaded=loaded, ledger=MemoryLedger()) as client:
        alone = await process(client, document)
        helped = await process(client, document, layouts=known())
    assert (alone.data["number"], alone.data["issue_date"]) == (None, "2026-05-19")
    assert {name: helped.data.get(name) for name in RIGHT} == RIGHT
    assert helped.decision == "review"
    assert any("the rules read 2026-05-19" in (field.reason or "") for field in helped.fields.values())


def test_settings_that_cannot_be_are_refused_with_every_fault() -> None:
    """A share above 1, money below 0, and nobody at work."""
    with pytest.raises(ConfigurationError) as caught:
        Settings(auto_validate_at=1.2, usd_per_day=-1.0, concurrency=0)
    assert len(caught.value.faults) == 3
