"""Patterns: what an append-only store of events shows again and again, proposed, counted, reviewed, weighed and put to the
test.

The way of a fact: events from sources (`store.py`) -> patterns proposed by rules (`mine.py`) or by a model (`propose.py`),
their figures counted over the store -> calibrated (`calibration.py`) -> the review gate (`gate.py`) -> the pattern base with
its weights (`weight.py`) -> predictions with outcomes (`predict.py`) -> drift (`drift.py`) and calibration anew. No model, no
network and no key is needed; a model finds what has no column.
"""

from backstay.kits.patterns.event import Event, Source
from backstay.kits.patterns.pattern import ExtractedPattern
from backstay.kits.patterns.setting import Settings
from backstay.kits.patterns.store import PatternStore, open_store

__all__ = ["Event", "ExtractedPattern", "PatternStore", "Settings", "Source", "open_store"]
