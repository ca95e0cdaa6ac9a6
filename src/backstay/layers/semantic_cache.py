"""SemanticCache: a question that means the same as one that was answered gets that answer; off unless it is asked for.

It is a bet, so all that can be made certain is. What is compared is one user message of text alone; all else must be equal and
not alike: tenant, task, model, system prompt, schema, sampling, every field of the canonical request (the scope). Within it the
vectors must agree to `threshold` (cosine), and the marks of the texts exactly (`likeness.py`: numbers, names, negations). A hit
is labelled as cached, with a note of its similarity, so no exact cache above keeps it.

Vectors come from a function that is given: a provider's embeddings, or a model in this process. The index is a numpy matrix for
each scope, in memory, bounded over all; the answers are in a store, behind the checks of every cache.

    complete    stored and put into the index, where it may be kept
    failed      nothing is stored, also where it was the embedding that failed: the call goes on without
    dropped     nothing is stored
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from backstay.canonical import canonical, digest
from backstay.errors import ConfigurationError
from backstay.layers.cache import as_asked, as_cached, is_storable, noted, when_complete
from backstay.layers.likeness import Marks, marks
from backstay.ports import Clock
from backstay.service import Call, Reply, Service
from backstay.stores.answer import decode_answer, encode_answer
from backstay.stores.cache import CacheStore
from backstay.stores.guarded import CacheStats, Guarded
from backstay.types import Request, Response, Text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector: TypeAlias = NDArray[np.float32]

Embed: TypeAlias = Callable[[str], Awaitable[Sequence[float]]]
"""Gives the vector of a text. An error of it is a miss."""

TRIES = 3
"""Neighbours that are looked at: the nearest ones, whose entries may be gone."""


class SemanticPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How alike is alike enough (`threshold`, a cosine), for how long an answer stands (`ttl`, seconds), and how many are known.

    Raises ConfigurationError listing every bad setting at once.
    """

    threshold: float = 0.95
    ttl: float = 300.0
    max_entries: int = 5_000

    def __post_init__(self) -> None:
        if faults := list(self._faults()):
            raise ConfigurationError(*faults)

    def _faults(self) -> Iterator[str]:
        if not 0.5 <= self.threshold <= 1:
            yield f"semantic_cache.threshold = {self.threshold}: must be from 0.5 to 1"
        if not self.ttl > 0:
            yield f"semantic_cache.ttl = {self.ttl}: must be more than 0 seconds"
        if not 1 <= self.max_entries <= 50_000:
            yield f"semantic_cache.max_entries = {self.max_entries}: must be from 1 to 50,000"


class Question(msgspec.Struct, frozen=True):
    """A request as this cache sees it: the scope that must be equal, the text that may be alike, and its marks."""

    scope: str
    text: str
    marks: Marks


def question_of(request: Request, version: str = "") -> Question | None:
    """The question of `request`; None where it is not one user message of plain text without tools, or has no marks."""
    if type(request) is not Request or len(request.messages) != 1 or request.tools:
        return None
    message = request.messages[0]
    if message.role != "user" or not all(type(part) is Text for part in message.parts):
        return None
    found = marks(message.text)
    if found is None or not message.text.strip():
        return None
    try:
        rest = canonical(msgspec.structs.replace(request, messages=(msgspec.structs.replace(message, parts=()),)))
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None
    about = request.metadata
    return Question(digest("semantic", about.tenant, about.task, version, rest), message.text, found)


class Index:
    """Unit vectors by scope, at most `max_entries` over all; the one that was put in first goes first."""

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        self._places: OrderedDict[str, str] = OrderedDict()
        self._scopes: dict[str, dict[str, tuple[Marks, Vector]]] = {}
        self._matrices: dict[str, Vector] = {}

    def __len__(self) -> int:
        return len(self._places)

    def add(self, scope: str, key: str, found: Marks, vector: Vector) -> None:
        """Put a vector in, in the place of the one under its key."""
        self.remove(key)
        self._places[key] = scope
        self._scopes.setdefault(scope, {})[key] = (found, vector)
        self._matrices.pop(scope, None)
        while len(self._places) > self._max_entries:
            self.remove(next(iter(self._places)))

    def remove(self, key: str) -> None:
        """Forget a vector; nothing where there is none."""
        scope = self._places.pop(key, None)
        if scope is None:
            return
        del self._scopes[scope][key]
        self._matrices.pop(scope, None)
        if not self._scopes[scope]:
            del self._scopes[scope]

    def nearest(self, scope: str, found: Marks, vector: Vector, threshold: float) -> list[tuple[str, float]]:
        """Keys and similarities in `scope`, nearest first: as near as `threshold` and with the same marks."""
        import numpy as np

        held = self._scopes.get(scope)
        if not held:
            return []
        matrix = self._matrices.get(scope)
        if matrix is None:
            matrix = self._matrices[scope] = np.stack([one for _, one in held.values()])
        nearness = matrix @ vector
        keys = list(held)
        order = [int(place) for place in np.argsort(-nearness) if nearness[place] >= threshold]
        alike = [place for place in order if held[keys[place]][0] == found]
        return [(keys[place], float(nearness[place])) for place in alike[:TRIES]]


class SemanticCache:
    """The layer over one store; it stands inside the exact cache. `version` is as in `Cache`.

    Raises ConfigurationError where numpy is not installed.
    """

    def __init__(
        self, store: CacheStore, embed: Embed, *, clock: Clock, policy: SemanticPolicy | None = None, version: str = ""
    ) -> None:
        try:
            import numpy  # noqa: F401 - asked for here, where there is somebody to tell
        except ImportError as error:
            raise ConfigurationError("the semantic cache needs numpy: pip install 'backstay[semantic]'") from error
        self._guarded = Guarded(store, clock=clock)
        self._tally = self._guarded.tally
        self._embed = embed
        self._clock = clock
        self._policy = policy or SemanticPolicy()
        self._version = version
        self._index = Index(self._policy.max_entries)

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        question = None if call.is_fresh else question_of(call.request, self._version)
        vector = None if question is None else await self._vector(question.text)
        if question is None or vector is None:
            self._tally.bypasses += 1
            return await inner(call)
        tenant = call.request.metadata.tenant
        scope = f"{question.scope}/{len(vector)}"
        started = self._clock.monotonic()
        for key, nearness in self._index.nearest(scope, question.marks, vector, self._policy.threshold):
            answer = await self._found(key, tenant)
            if answer is not None:
                self._tally.hits += 1
                self._tally.saved_nano_usd += 0 if answer.cost is None else answer.cost.nano_usd
                hit = as_cached(answer, self._clock.monotonic() - started)
                return Reply(response=noted(hit, f"semantic, similarity {nearness:.2f}"))
        self._tally.misses += 1
        reply = await inner(call)
        key = digest(scope, question.text)
        when_complete(reply, self._keep, key, tenant, (scope, question.marks, vector))
        return reply

    async def stats(self) -> CacheStats:
        """Hits, misses, calls that it does not look at (`bypasses`), faults of the store and of the embedding."""
        return await self._guarded.stats()

    async def _vector(self, text: str) -> Vector | None:
        """The unit vector of `text`; None where there is none, which is counted."""
        import numpy as np

        try:
            vector: Any = np.asarray(await self._embed(text), dtype=np.float32)
            length = float(np.linalg.norm(vector))
        except Exception as error:  # noqa: BLE001 - the embedding may be anybody's; without it the call goes on
            self._guarded.fault(error)
            return None
        if vector.ndim != 1 or not 0 < length < float("inf"):
            self._guarded.fault(ValueError("a vector without direction"))
            return None
        return vector / length  # type: ignore[no-any-return]

    async def _found(self, key: str, tenant: str | None) -> Response | None:
        entry = await self._guarded.find(key, tenant=tenant)
        if entry is None:
            self._index.remove(key)
            return None
        try:
            return decode_answer(entry.payload)
        except ValueError:
            await self._guarded.spoilt(key, tenant=tenant)
            return None

    async def _keep(self, response: Response, key: str, tenant: str | None, place: tuple[str, Marks, Vector]) -> None:
        try:
            payload = encode_answer(as_asked(response)) if is_storable(response) else None
        except ValueError:
            payload = None
        if payload is None:
            self._tally.refused += 1
            return
        scope, found, vector = place
        await self._guarded.keep(key, payload, tenant=tenant, ttl=self._policy.ttl)
        self._index.add(scope, key, found, vector)
