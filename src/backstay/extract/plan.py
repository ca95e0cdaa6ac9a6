"""Plan: how an extraction is made, and the settings by which a caller says so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from backstay.ask import Settings
from backstay.config.setting import Extract as Limits
from backstay.extract.confidence import WEIGHTS
from backstay.extract.form import FormName
from backstay.extract.piece import MIN_PIECE
from backstay.extract.question import Example
from backstay.extract.validator import Validator
from backstay.types import Request, Response

if TYPE_CHECKING:
    from backstay.extract.calibrate import Calibrator

Ask: TypeAlias = Callable[[Request], Awaitable[Response]]
Calibrate: TypeAlias = Callable[[str, str, float], float]
"""(task, kind of field, confidence) to the calibrated confidence."""

MAX_PIECE = 60_000
"""Characters that are asked about at once even where more would fit: about 15,000 tokens."""
CHARS_PER_TOKEN = 3
LOCAL_WINDOW = 4096
"""Tokens that a local server is taken to hold where the catalogue does not know its model: what Ollama gives a model by itself,
and of a longer question it drops the beginning without a word."""
SHARE = 0.5
"""The part of a context window that a document may fill; instructions, examples and the answer need the rest."""


class Options(Settings, total=False):
    """The settings of an extraction, beside those of every question.

    `examples`: (text, data) pairs shown before the document. `evidence`: look values up in the document (True). `form`:
    "schema", "tool" or "prompt" instead of the model's strongest. `max_asks`: answers to one question (3). `samples`: how
    often each question is asked for agreement (1). `piece_chars`, `overlap`: how a long document is cut. `validate`: ask
    once more where the gate says so. `validators`: checks of your own. `calibration`: a Calibrator or its file.
    """

    examples: Iterable[tuple[str, Mapping[str, Any]]]
    evidence: bool
    form: FormName
    max_asks: int
    samples: int
    piece_chars: int | None
    overlap: int
    validate: bool
    validators: Iterable[Validator]
    calibration: Calibrator | str | Path | None


OWN = frozenset(Options.__annotations__) - frozenset(Settings.__annotations__)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How an extraction is made. Samples beyond the first are drawn at `sample_temperature` (None: as the first one).

    `is_blind`: who answers is held to a schema that it does not see, so the fields are told in words.

    `piece_chars` is the longest text that is asked about at once (None: any). `weights` and `calibrate` come from labelled
    history; `limits` are the gates' thresholds.
    """

    form: FormName = "schema"
    is_blind: bool = False
    examples: tuple[Example, ...] = ()
    has_evidence: bool = True
    max_asks: int = 3
    samples: int = 1
    sample_temperature: float | None = 0.7
    piece_chars: int | None = None
    overlap: int = 2000
    concurrency: int = 4
    is_validated: bool = False
    validators: tuple[Validator, ...] = ()
    weights: Mapping[str, float] = msgspec.field(default_factory=lambda: WEIGHTS)
    calibrate: Calibrate | None = None
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        for name, least in (("max_asks", 1), ("samples", 1), ("overlap", 0), ("concurrency", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} = {getattr(self, name)}: must be {least} or more")
        if self.piece_chars is not None and self.piece_chars < MIN_PIECE:
            raise ValueError(f"piece_chars = {self.piece_chars}: must be {MIN_PIECE} or more, or None for no limit")


def make_plan(base: Plan, options: Mapping[str, Any]) -> Plan:
    """`base` (what the model takes) with the caller's `options` over it."""
    renamed = {"evidence": "has_evidence", "validate": "is_validated"}
    changes = {renamed.get(name, name): value for name, value in options.items() if name in OWN - {"calibration"}}
    for name in ("examples", "validators"):
        if name in changes:
            changes[name] = tuple(changes[name])
    calibrator = _calibrator(options.get("calibration"))
    if calibrator is not None:
        changes["calibrate"] = calibrator.of
        changes["weights"] = calibrator.weights or base.weights
    return msgspec.structs.replace(base, **changes)


def _calibrator(given: Any) -> Calibrator | None:
    if given is None:
        return None
    from backstay.extract.calibrate import load

    found: Calibrator = load(given) if isinstance(given, (str, Path)) else given
    return found


def piece_size(context_window: int | None) -> int:
    """The longest text to ask about at once, in characters, of a model with this context window (None: unknown)."""
    return MAX_PIECE if context_window is None else min(MAX_PIECE, int(context_window * SHARE * CHARS_PER_TOKEN))
