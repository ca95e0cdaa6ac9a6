"""Question: the three things that a model is asked about a document: whose form it is, what stands in it, whether that is right.

Each is a shipped prompt (`invoice_layout`, `invoice_extraction`, `invoice_validation`), which a library of your own may replace.
The extraction goes through the layer's own loop, with the prompt as its instruction, so that a value has evidence, a wrong answer
is asked for again, and the offline rules answer where no model does. What encloses a value in a prompt is marked with a hash of
all that the prompt holds: the same document makes the same question, which is cached, replayed and not paid for twice, and no
document can hold the hash of itself.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from backstay.client import Client
from backstay.document.document import Document
from backstay.errors import AuthenticationFailed, BudgetExceeded, ConfigurationError, ContextLengthExceeded, LLMError
from backstay.extract.extraction import Extraction, Field
from backstay.extract.schema import Schema, built_in
from backstay.kits.invoices.confidence import EMPTY
from backstay.kits.invoices.confirm import after
from backstay.kits.invoices.detect import Detected, answered, detect, in_doubt, shown
from backstay.kits.invoices.kind import Kind
from backstay.kits.invoices.layout import Hint, Layout, Sample
from backstay.prompts.library import PromptLibrary
from backstay.prompts.rendered import Rendered
from backstay.prompts.tier import Tier, model_of
from backstay.types import Cost

LAYOUT: Final = "invoice_layout"
EXTRACTION: Final = "invoice_extraction"
VALIDATION: Final = "invoice_validation"
LAYOUT_TIER: Final[Tier] = "BASIC"
RULES: Final = "offline:"
"""How the name of a model begins that is none."""

FATAL: Final = (ConfigurationError, AuthenticationFailed, BudgetExceeded)
"""Errors that every other document would meet too."""

MOST_EXAMPLES: Final = 3
EXAMPLE_CHARS: Final = 6_000
"""What examples may add to each question, about 2,000 tokens: a local model's window has room for little more."""

FIRST_NAMES: Final = {"seller": "company", "issue_date": "date", "grand_total": "total"}
"""An invoice's names, and what the schema of a receipt calls them."""


class Told(NamedTuple):
    """What a document was taken for, what each question cost (None: unknown), and why a model's answer was not used."""

    found: Detected
    costs: tuple[Cost | None, ...] = ()
    note: str = ""


class Stated(NamedTuple):
    """The fields with what a model states about them; `is_made` where it did; what each question cost; why it was of no use."""

    fields: dict[str, Field]
    is_made: bool = False
    costs: tuple[Cost | None, ...] = ()
    note: str = ""


class Questions:
    """Asks a client's models. `library` holds the prompts, the shipped ones unless given."""

    def __init__(self, client: Client, library: PromptLibrary | None = None) -> None:
        self._client = client
        self._marks = _Marks()
        self._library = library

    def model(self, tier: Tier) -> str:
        """The model of `tier`, where the configuration names one; else the client's own."""
        return model_of(tier, self._client.config.tiers) or self._client.model

    async def layout(self, text: str, layouts: Sequence[Layout]) -> Told:
        """The layout of a document: by its marks, and where they leave a doubt and there is a model, by that."""
        by_marks = detect(text, layouts)
        near = in_doubt(text, layouts, by_marks)
        model = self.model(LAYOUT_TIER)
        if not near or model.startswith(RULES):
            return Told(by_marks)
        try:
            answer = await self._client.generate_json(
                self._render(LAYOUT, document=text, layouts=shown(near)).request(model)
            )
        except FATAL:
            raise
        except LLMError as error:
            return Told(by_marks, note=f"the layout was told by marks: {type(error).__name__}: {error}")
        if answer.response.provenance.degraded:
            return Told(by_marks, (answer.response.cost,))
        return Told(answered(answer.value, near, by_marks), (answer.response.cost,))

    async def read(self, kind: Kind, document: Document, found: Detected, tier: Tier) -> Extraction:
        """The facts of a document, by its layout. Where a model's window has no room for the examples, it goes without them."""
        model = self.model(tier)
        if model.startswith(RULES):
            return await self._client.extract(kind, document, model=model)
        examples = [] if found.layout is None else _examples(found.layout)
        try:
            return await self._extract(kind, document, found, model, examples)
        except ContextLengthExceeded:
            if not examples:
                raise
        return await self._extract(kind, document, found, model, [])

    async def _extract(
        self, kind: Kind, document: Document, found: Detected, model: str, examples: Sequence[Sample]
    ) -> Extraction:
        if kind == "receipt":
            shots = [(one.text, receipt_names(one.data)) for one in examples]
            return await self._client.extract(kind, document, model=model, examples=shots)
        return await self._client.extract(self._schema(found, examples), document, model=model)

    async def validate(self, text: str, fields: Mapping[str, Field], tier: Tier) -> Stated:
        """`fields` after a second question to the model about each of them; no value is changed."""
        values = {path: field.value for path, field in fields.items() if field.value not in EMPTY}
        rendered = self._render(VALIDATION, document=text, values=values)
        try:
            answer = await self._client.generate_json(rendered.request(self.model(tier)))
        except FATAL:
            raise
        except LLMError as error:
            return Stated(dict(fields), note=f"the validation could not be made: {type(error).__name__}: {error}")
        if answer.response.provenance.degraded:
            return Stated(dict(fields), costs=(answer.response.cost,), note="no model was there for the validation")
        checked = dict(fields)
        for entry in answer.value["fields"]:
            if entry["path"] in values:
                is_there = entry["is_in_text"] and entry["is_well_formed"]
                stated = min(max(float(entry["confidence"]), 0.0), 1.0) if is_there else 0.0
                checked[entry["path"]] = after(fields[entry["path"]], stated)
        return Stated(checked, True, (answer.response.cost,))

    def _schema(self, found: Detected, examples: Sequence[Sample]) -> Schema:
        """What an invoice of this layout is asked for, and how: the prompt with the layout's fields and examples in it."""
        layout = found.layout
        rendered = self._render(
            EXTRACTION,
            layout=found.name,
            fields={} if layout is None else {hint.name: told(hint) for hint in layout.fields},
            examples=[msgspec.to_builtins(one) for one in examples],
            document="",
        )
        schema = copy.deepcopy(rendered.schema or built_in("invoice").schema)
        schema["description"] = _instruction(rendered)
        for hint in () if layout is None else layout.fields:
            schema["properties"].setdefault(hint.name, {"type": "string", "description": told(hint)})
        return Schema(name="invoice", schema=schema)

    def _render(self, name: str, **values: Any) -> Rendered:
        if self._library is None:
            self._library = PromptLibrary(rng=self._marks)
        self._marks.begin(name, values)
        return self._library.render(name, **values)


def _instruction(rendered: Rendered) -> str:
    """A prompt without its document, which the extraction puts behind it as a part of its own."""
    asked = "\n\n".join(message.text for message in rendered.messages)
    tag = re.escape(f'document id="{rendered.nonce}"')
    return "\n\n".join(filter(None, [rendered.system, re.sub(rf"<{tag}>.*?</{tag}>\n*", "", asked, flags=re.DOTALL)]))


class _Marks:
    """Draws of a prompt's marks from a hash of what it holds."""

    def __init__(self) -> None:
        self._digest = b""
        self._drawn = 0

    def begin(self, name: str, values: Mapping[str, Any]) -> None:
        self._digest = hashlib.sha256(msgspec.json.encode([name, values], order="sorted")).digest()
        self._drawn = 0

    def random(self) -> float:
        self._drawn += 1
        return self._digest[self._drawn % len(self._digest)] / 256


def _examples(layout: Layout) -> list[Sample]:
    """The first examples of a layout that have room: always the same ones, so that a provider's cache knows the beginning."""
    chosen: list[Sample] = []
    room = EXAMPLE_CHARS
    for one in layout.examples:
        room -= len(one.text)
        if room < 0 or len(chosen) == MOST_EXAMPLES:
            break
        chosen.append(one)
    return chosen


def told(hint: Hint) -> str:
    """Where a field stands, in words."""
    if hint.place == "fixed":
        return f"always {hint.value}"
    if hint.place == "pattern":
        return "matches " + " or ".join(hint.patterns)
    return f"behind {hint.label!r} on its line" if hint.place == "right" else f"below {hint.label!r}"


def receipt_names(data: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of an example under the names that the schema of a receipt has."""
    wanted = built_in("receipt").schema["properties"]
    named = {FIRST_NAMES.get(name, name): value for name, value in data.items()}
    return {name: value for name, value in named.items() if name in wanted}
