"""CacheStore: where answers are kept for a while; the protocol of its backends, and the entry that they keep.

A store keeps bytes under a key and a tenant and knows nothing of what they mean. It never revives objects: an `Entry` is data
only, and what a backend writes to a medium is `pack(entry)`, which `unpack` reads back or refuses. Three checks stand between
a medium and a caller, in `Entry.is_sound`: the checksum over all of the entry, the key, and the tenant. A store that mixes up
its rows, or loses a bit, gives a miss and never another's answer.

Time is an argument (`now_ns`, Unix time in nanoseconds), because the wall clock is a port. An entry lives until `expires_ns`.
One that was made in the future by more than a minute is dead too: the clock was set back, and nobody knows its age.
"""

from __future__ import annotations

import hashlib
from typing import Final, Protocol

import msgspec

from backstay.errors import LLMError

MAX_SKEW_NS: Final = 60 * 10**9
"""How far the clocks of machines that share a store may be apart."""

OVERHEAD: Final = 256
"""What an entry is counted for beside its payload: key, tenant, times, and its place in an index."""

CHECKSUM_BYTES: Final = 16


class CacheFailed(LLMError):
    """A store could not be read or written. A cache layer takes it for a miss; it is for those who use a store directly."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """Bytes that are kept: under which key, for whom, since when and until when. Made by `entry_of`.

    `fresh_ns` is when it becomes stale; between then and `expires_ns` it is kept for the case that nothing newer can be had.
    """

    key: str
    tenant: str | None
    payload: bytes
    created_ns: int
    fresh_ns: int
    expires_ns: int
    checksum: bytes = b""

    @property
    def size(self) -> int:
        """The bytes that it counts for."""
        return len(self.payload) + OVERHEAD

    def is_alive(self, now_ns: int) -> bool:
        """True while it may be kept."""
        return self.created_ns - MAX_SKEW_NS <= now_ns < self.expires_ns

    def is_fresh(self, now_ns: int) -> bool:
        """True while it may be handed out as good."""
        return self.created_ns - MAX_SKEW_NS <= now_ns < self.fresh_ns

    def is_sound(self, key: str, tenant: str | None) -> bool:
        """True when nothing in it has changed since it was made, and it is what was asked for: this key, of this tenant."""
        if self.key != key or self.tenant != tenant:
            return False
        return self.checksum == _checksum(key, tenant, self.payload, self.created_ns, self.fresh_ns, self.expires_ns)


def entry_of(key: str, payload: bytes, *, tenant: str | None, now_ns: int, ttl_ns: int, stale_ttl_ns: int = 0) -> Entry:
    """An entry that is fresh for `ttl_ns` and kept for `stale_ttl_ns` more, with its checksum."""
    fresh_ns = now_ns + ttl_ns
    expires_ns = fresh_ns + stale_ttl_ns
    return Entry(
        key=key,
        tenant=tenant,
        payload=payload,
        created_ns=now_ns,
        fresh_ns=fresh_ns,
        expires_ns=expires_ns,
        checksum=_checksum(key, tenant, payload, now_ns, fresh_ns, expires_ns),
    )


_EMPTY: Final = hashlib.blake2b(digest_size=CHECKSUM_BYTES)
"""Never fed, only copied: that is faster than to make one."""


def _checksum(key: str, tenant: str | None, payload: bytes, created: int, fresh: int, expires: int) -> bytes:
    """BLAKE2b over every field, the texts with their lengths; whose, until when and what cannot be exchanged."""
    owner = -1 if tenant is None else len(tenant)
    head = f"{len(key)}:{key}{owner}:{tenant}{created}:{fresh}:{expires}:"
    whole = _EMPTY.copy()
    whole.update(head.encode("utf-8", "surrogatepass") + payload)
    return whole.digest()


_pack = msgspec.msgpack.Encoder()
_unpack = msgspec.msgpack.Decoder(Entry)


def pack(entry: Entry) -> bytes:
    """`entry` as bytes, for a medium."""
    return _pack.encode(entry)


def unpack(data: bytes) -> Entry | None:
    """The entry that `pack` made of `data`, None where it is none. Damage inside its fields is what `is_sound` finds."""
    try:
        return _unpack.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class StoreStats(msgspec.Struct, frozen=True, kw_only=True):
    """What a store holds, and what it threw out since it was opened: for want of room, and because its time was over.

    A store that is shared counts what this opening of it threw out; `entries` and `bytes` are those of all, and None where
    the backend cannot tell.
    """

    entries: int | None = 0
    bytes: int | None = 0
    evictions: int = 0
    expired: int = 0


class CacheStore(Protocol):
    """Keeps entries. A backend may lose any of them at any time; it may not change one, nor give one to another tenant.

    Every method raises CacheFailed where the backend is not to be had, within a time of the backend's own that is short. The
    same key of two tenants are two entries. One list of tests, `tests/stores/cache_conformance.py`, runs on every backend.
    """

    async def get(self, key: str, *, tenant: str | None, now_ns: int) -> Entry | None:
        """The living entry, or None. It becomes the most recently used."""
        ...

    async def put(self, entry: Entry, *, now_ns: int) -> None:
        """Keep `entry` in the place of what was there; throw out the least recently used until all fits.

        An entry that is larger than the whole store is not kept, and the older one under its key is gone.
        """
        ...

    async def delete(self, key: str, *, tenant: str | None) -> None:
        """Forget one entry; nothing where there is none."""
        ...

    async def clear(self) -> None:
        """Forget all entries of all tenants."""
        ...

    async def sweep(self, *, now_ns: int) -> int:
        """Throw out what is not alive; how many were."""
        ...

    async def stats(self) -> StoreStats:
        """What is held now, and what was thrown out."""
        ...

    async def aclose(self) -> None:
        """Write what is in line and release the backend. Idempotent; after it every other method raises CacheFailed."""
        ...
