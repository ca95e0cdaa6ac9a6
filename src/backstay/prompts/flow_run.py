"""FlowRun: a flow, carried out, with a trace of every step that ran, was passed over or failed.

Who asks the model and who runs the tools is given: `ask(rendered, step)` gives the value of a prompt, `use(name, arguments)`
that of a tool. `asker(client)` is the usual `ask`. A failure ends the run with the error, to which the place is noted, unless
the step is optional; a cancellation is never caught.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from backstay.errors import ConfigurationError, LLMError
from backstay.prompts.expression import parse_expression
from backstay.prompts.flow import Flow, Step, values_of
from backstay.prompts.library import PromptLibrary
from backstay.prompts.rendered import Rendered
from backstay.types import Request

Ask: TypeAlias = Callable[[Rendered, Step], Awaitable[Any]]
Use: TypeAlias = Callable[[str, dict[str, Any]], Awaitable[Any]]
Stopped: TypeAlias = Literal["finished", "complete", "max_iterations"]
"""Why a run ended: its steps were gone through and nothing says when it is complete; `until` holds; it never did."""


class Asks(Protocol):
    """What `asker` needs of a client."""

    async def generate(self, prompt: Request, /) -> Any: ...
    async def generate_json(self, prompt: Request, /) -> Any: ...


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """One step of one iteration. `prompt_hash` is that of the template; `reason` says why it was skipped or failed."""

    step: str
    iteration: int
    status: Literal["ran", "skipped", "failed"]
    prompt: str | None = None
    prompt_version: str | None = None
    prompt_hash: str | None = None
    tool: str | None = None
    value: Any = None
    reason: str = ""


class FlowRun(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome: the `state` at the end, why the run `stopped`, the iterations that were begun, and the trace."""

    flow: str
    state: dict[str, Any]
    stopped: Stopped
    iterations: int
    trace: tuple[Ran, ...]

    @property
    def is_complete(self) -> bool:
        """True unless `until` never held."""
        return self.stopped != "max_iterations"


def asker(client: Asks) -> Ask:
    """Asks `client`: a prompt with a schema gives its JSON value, one without its text. A step with tools is refused."""

    async def ask(prompt: Rendered, step: Step) -> Any:
        if step.tools:
            raise ConfigurationError(f"step {step.name}: its tools need an `ask` that runs an agent")
        if prompt.schema is None:
            return (await client.generate(prompt.request())).text
        return (await client.generate_json(prompt.request())).value

    return ask


async def run_flow(
    flow: Flow,
    inputs: Mapping[str, Any],
    *,
    library: PromptLibrary,
    ask: Ask,
    use: Use | None = None,
    tools: Collection[str] = (),
) -> FlowRun:
    """Carry `flow` out over `inputs`. Raises ConfigurationError with every fault of the flow and its inputs before anything
    runs, and whatever a step that is not optional raises."""
    faults = flow.faults(library, tools)
    faults += [f"flow {flow.name}: input {name} is missing" for name in flow.inputs if name not in inputs]
    faults += [f"flow {flow.name}: there is no input {name}" for name in sorted(inputs.keys() - set(flow.inputs))]
    if use is None and any(step.tool for step in flow.steps):
        faults.append(f"flow {flow.name}: has steps that use tools; give `use`")
    if faults:
        raise ConfigurationError(*faults)
    run = _Run(flow, _plain(dict(inputs)), library, ask, use)
    return await run.run()


def _plain(value: Any) -> Any:
    """`value` as JSON data, so that an expression finds nothing but data."""
    return msgspec.json.decode(msgspec.json.encode(value))


class _Run:
    def __init__(self, flow: Flow, state: dict[str, Any], library: PromptLibrary, ask: Ask, use: Use | None) -> None:
        self._flow = flow
        self._state = state
        self._library = library
        self._ask = ask
        self._use = use
        self._trace: list[Ran] = []

    async def run(self) -> FlowRun:
        until = parse_expression(self._flow.until) if self._flow.until else None
        stopped: Stopped = "finished" if until is None else "max_iterations"
        iteration = 0
        for iteration in range(1, 2 if until is None else self._flow.max_iterations + 1):
            for step in self._flow.steps:
                self._trace.append(await self._run(step, iteration))
            if until is not None and until.is_true(self._state):
                stopped = "complete"
                break
        return FlowRun(
            flow=self._flow.name,
            state=self._state,
            stopped=stopped,
            iterations=iteration,
            trace=tuple(self._trace),
        )

    async def _run(self, step: Step, iteration: int) -> Ran:
        if step.when and not parse_expression(step.when).is_true(self._state):
            return Ran(step=step.name, iteration=iteration, status="skipped", reason=f"not {step.when}")
        facts: dict[str, Any] = {"step": step.name, "iteration": iteration, "tool": step.tool}
        try:
            value = await (self._used(step) if step.tool is not None else self._asked(step, facts))
        except LLMError as error:
            error.add_note(f"in flow {self._flow.name}, step {step.name}, iteration {iteration}")
            if not step.optional:
                raise
            return Ran(**facts, status="failed", reason=f"{type(error).__name__}: {error}")
        self._state[step.name] = _plain(value)
        return Ran(**facts, status="ran", value=self._state[step.name])

    async def _used(self, step: Step) -> Any:
        if self._use is None or step.tool is None:
            raise ConfigurationError(f"step {step.name}: nothing uses tools here")
        return await self._use(step.tool, values_of(step, self._state))

    async def _asked(self, step: Step, facts: dict[str, Any]) -> Any:
        template = self._library.get(step.prompt or "", step.version)
        values = values_of(step, self._state, template.variables)
        rendered = self._library.render(template.name, template.version, **values)
        facts |= {"prompt": rendered.name, "prompt_version": rendered.version, "prompt_hash": rendered.hash}
        return await self._ask(rendered, step)
