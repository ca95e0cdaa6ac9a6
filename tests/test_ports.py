"""The ports' own adapters: what the machine's world promises."""

from __future__ import annotations

import functools
import operator
import uuid

from backstay.ports import RANDOM_BITS, TimeOrderedIds

DRAWN = 74
"""The random bits of a UUID of version 7 (RFC 9562 section 5.7)."""


def test_ids_are_uuids_of_version_7_with_all_their_random_bits() -> None:
    """2,000 of them: version and variant as the RFC says, each of the 74 bits seen as 0 and as 1, and no two alike."""
    ids = [uuid.UUID(TimeOrderedIds().new()) for _ in range(2000)]
    assert {(one.version, one.variant) for one in ids} == {(7, uuid.RFC_4122)}
    assert len(set(ids)) == len(ids)
    numbers = [one.int for one in ids]
    ever, always = functools.reduce(operator.or_, numbers), functools.reduce(operator.and_, numbers)
    assert (ever & ~always) & RANDOM_BITS == RANDOM_BITS
    assert RANDOM_BITS.bit_count() == DRAWN


def test_ids_sort_by_time() -> None:
    """The milliseconds come first."""
    one = TimeOrderedIds().new()
    stamp = int(one[:12], 16)
    assert uuid.UUID(one).int >> 80 == stamp
    assert int(TimeOrderedIds().new()[:12], 16) >= stamp
