"""Every error that a call can end in: one tree, read by type, never by message.

    LLMError                     .retryable .retry_after .call_id .attempts .limits
      ConfigurationError         unknown model, missing key, bad stack order, bad settings    .faults
        InvalidRequest           the provider would refuse this request: refused here, all faults in one
      TransportError             no HTTP answer                          .sent
        ConnectFailed            refused, unreachable, DNS, TLS: nothing was sent
        ReadFailed               the connection broke after bytes were sent
        TimedOut                 .phase: connect, first_event, between_events, total
      StatusError                the provider answered with an error     .status .code .request_id
        BadRequest               400, 413, 422
          ContextLengthExceeded
          ContentFiltered
        AuthenticationFailed     401
        PermissionDenied         402, 403
        NotFound                 404
        RateLimited              429, retryable
          QuotaExhausted         429 that no waiting cures
        ServerFault              5xx, 408, 409
          Overloaded             529, 503 with an overload code
      ProtocolError              an answer that is not what the wire format says
        StreamInterrupted        .partial: what had arrived
      Refused                    one of our own layers said no, before anything was sent
        CircuitOpen  LimitReached(.limit)  QueueFull (QueueTimedOut)  BudgetExceeded  DeadlineExceeded  ReplayMiss
      AllTargetsFailed           .errors, in the order tried
      OutputError                the model answered, but not what was asked for
        RecoveryFailed  SchemaMismatch(.tries .faults)  ToolFailed

Status decides first, then a structured code; message text is read only inside a dialect's `decode_error`.
`retryable` says whether the same request may succeed later; `retry_after` is the provider's own floor in seconds, and
`limits` what its answer told of its rate limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from backstay.types import Attempt, Limit, Response


class LLMError(Exception):
    """The root. `retryable` is a class fact that an instance may override with what the provider said."""

    retryable: bool = False

    def __init__(self, message: str, *, retryable: bool | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        if retryable is not None:
            self.retryable = retryable
        self.retry_after = retry_after
        self.call_id: str | None = None
        self.attempts: tuple[Attempt, ...] = ()
        self.limits: tuple[Limit, ...] = ()

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors cross process borders (Ray, multiprocessing) with all their facts."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[LLMError], args: tuple[Any, ...], facts: dict[str, Any]) -> LLMError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(facts)
    return error


class ConfigurationError(LLMError):
    """A setting is wrong. `faults` lists all of them, each with its place and remedy; the message joins them."""

    def __init__(self, *faults: str) -> None:
        super().__init__(faults[0] if len(faults) == 1 else "\n".join(f"- {fault}" for fault in faults))
        self.faults = faults


class InvalidRequest(ConfigurationError):
    """A request that the provider would refuse, refused here before it costs anything. `faults` lists all reasons."""


class TransportError(LLMError):
    """No HTTP answer. `sent` says whether request bytes may have reached the provider (and so may be billed)."""

    retryable = True

    def __init__(self, message: str, *, sent: bool, retryable: bool | None = None) -> None:
        super().__init__(message, retryable=retryable)
        self.sent = sent


class ConnectFailed(TransportError):
    """No connection: refused, unreachable, name not found, TLS handshake failed. Nothing was sent."""

    def __init__(self, message: str, *, retryable: bool | None = None) -> None:
        super().__init__(message, sent=False, retryable=retryable)


class ReadFailed(TransportError):
    """The connection broke after the request, or part of it, had been sent."""

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message, sent=sent)


class TimedOut(TransportError):
    """A time-out of ours passed. `phase` is "connect", "first_event", "between_events" or "total"."""

    def __init__(self, message: str, *, phase: str, sent: bool) -> None:
        super().__init__(message, sent=sent, retryable=phase != "total")
        self.phase = phase


class StatusError(LLMError):
    """The provider answered with an error. `status` is the HTTP status (or the one that an in-stream error stands for)."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        request_id: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, retryable=retryable, retry_after=retry_after)
        self.status = status
        self.code = code
        self.request_id = request_id


class BadRequest(StatusError):
    """The provider refuses this request as it stands (400, 413, 422)."""


class ContextLengthExceeded(BadRequest):
    """Input and output together do not fit the model's context window."""


class ContentFiltered(BadRequest):
    """The provider's content filter blocked the prompt."""


class AuthenticationFailed(StatusError):
    """The key is missing, wrong or expired (401)."""


class PermissionDenied(StatusError):
    """The key is good but may not do this (403), or the account may not pay for it (402)."""


class NotFound(StatusError):
    """No such model, deployment or path (404)."""


class RateLimited(StatusError):
    """Too many requests or tokens (429); later it may work."""

    retryable = True


class QuotaExhausted(RateLimited):
    """A 429 that waiting does not cure: billing, credits, a daily or lifetime quota."""

    retryable = False


class ServerFault(StatusError):
    """The provider failed (5xx, 408, 409)."""

    retryable = True


class Overloaded(ServerFault):
    """The provider is up but has no capacity (529, 503 with an overload code)."""


class ProtocolError(LLMError):
    """The answer is not what the wire format says: undecodable, cut short, or over a bound of ours."""

    retryable = True


class StreamInterrupted(ProtocolError):
    """A stream ended without its end. `partial` is the Response of what had arrived before; never retried silently."""

    retryable = False

    def __init__(self, message: str, *, partial: Response | None = None) -> None:
        super().__init__(message)
        self.partial = partial


class Refused(LLMError):
    """One of our own layers refused before anything was sent."""


class CircuitOpen(Refused):
    """The target failed too often lately; `retry_after` tells when a probe will be let through."""


class LimitReached(Refused):
    """A local limit has no room. `limit` names it, `retry_after` says when there will be."""

    def __init__(self, message: str, *, limit: str, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.limit = limit


class QueueFull(Refused):
    """The priority class of this request has no place left."""


class QueueTimedOut(QueueFull):
    """The call's time in line was over before a place to run came free."""


class BudgetExceeded(Refused):
    """The money is spent or reserved."""


class DeadlineExceeded(Refused):
    """The caller's deadline passed, or would pass before the next step could begin."""


class ReplayMiss(Refused):
    """A replayed program asked for something that was not recorded."""


class AllTargetsFailed(LLMError):
    """Every target of the chain failed; `errors` holds each failure in the order tried."""

    def __init__(self, message: str, *, errors: Sequence[BaseException] = ()) -> None:
        super().__init__(message)
        self.errors = tuple(errors)


class OutputError(LLMError):
    """The model answered, but not with what was asked for."""


class RecoveryFailed(OutputError):
    """No JSON could be recovered from the answer; `text` is that answer."""

    def __init__(self, message: str, *, text: str = "") -> None:
        super().__init__(message)
        self.text = text


class SchemaMismatch(OutputError):
    """The answer does not fit the schema. `tries` counts the answers asked for, `faults` lists errors by path."""

    def __init__(self, message: str, *, tries: int = 1, faults: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.tries = tries
        self.faults = tuple(faults)


class ToolFailed(OutputError):
    """A tool raised, timed out or was refused."""


class StatusTable:
    """HTTP status to error class: the first of the three questions (status, code, text) that `decode_error` asks."""

    exact: ClassVar[dict[int, type[StatusError]]] = {
        400: BadRequest,
        401: AuthenticationFailed,
        402: PermissionDenied,
        403: PermissionDenied,
        404: NotFound,
        408: ServerFault,
        409: ServerFault,
        413: BadRequest,
        422: BadRequest,
        425: ServerFault,
        429: RateLimited,
        529: Overloaded,
    }

    @classmethod
    def lookup(cls, status: int) -> type[StatusError]:
        """The error class of `status`: exact row, else 5xx is a ServerFault and any other 4xx a BadRequest."""
        found = cls.exact.get(status)
        if found is not None:
            return found
        return ServerFault if status >= 500 else BadRequest


def from_status(status: int, message: str, **facts: Any) -> StatusError:
    """The error of an HTTP status, by `StatusTable`; `facts` are StatusError's keyword arguments."""
    return StatusTable.lookup(status)(message, status=status, **facts)
