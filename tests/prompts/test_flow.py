"""A flow does its steps in order, as its conditions say, ends with a reason, and is checked before anything runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from backstay.errors import ConfigurationError, LLMError, RateLimited, ToolFailed
from backstay.prompts import PromptLibrary, Rendered, Template, Variable
from backstay.prompts.flow import Flow, Step, load_flow, read_flow
from backstay.prompts.flow_run import FlowRun, asker, run_flow

from .conftest import Make

TRIAGE = """
flow: triage
inputs: [letter]
until: given(facts) and facts.confidence >= 0.8
max_iterations: 3
steps:
  - {name: facts, prompt: read_letter}
  - {name: rules, tool: find_rules, values: {code: facts.code, limit: "3"}, when: given(facts.code)}
  - {name: advice, prompt: advise, values: {plan: "{'facts': facts, 'rules': rules}"}, when: given(rules)}
"""
LIBRARY = PromptLibrary(
    templates=[
        Template(name="read_letter", user="{{ letter }}", variables={"letter": Variable()}, schema={"type": "object"}),
        Template(name="advise", user="{{ plan }}", variables={"plan": Variable(kind="json")}),
    ],
    with_shipped=False,
)


class Model:
    """Gives the answers of a script by prompt; `asked` are the renderings."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.asked: list[Rendered] = []

    async def __call__(self, prompt: Rendered, step: Step) -> Any:
        self.asked.append(prompt)
        answer = self.answers[prompt.name].pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


async def find_rules(name: str, arguments: dict[str, Any]) -> Any:
    return [f"{name} {arguments['code']} {arguments['limit']}"]


async def run(flow: Flow, model: Model, **inputs: Any) -> FlowRun:
    return await run_flow(flow, inputs, library=LIBRARY, ask=model, use=find_rules, tools=["find_rules"])


def statuses(done: FlowRun) -> list[tuple[int, str, str]]:
    return [(ran.iteration, ran.step, ran.status) for ran in done.trace]


async def test_steps_run_as_their_conditions_say_until_the_flow_is_complete() -> None:
    """A step whose condition does not hold is passed over; the state carries over; the end has a reason."""
    model = Model(
        read_letter=[{"confidence": 0.5}, {"confidence": 0.9, "code": "CO-50"}],
        advise=["Appeal."],
    )
    done = await run(read_flow(TRIAGE), model, letter="Dear member")
    assert statuses(done) == [
        (1, "facts", "ran"),
        (1, "rules", "skipped"),
        (1, "advice", "skipped"),
        (2, "facts", "ran"),
        (2, "rules", "ran"),
        (2, "advice", "ran"),
    ]
    assert (done.stopped, done.iterations, done.is_complete) == ("complete", 2, True)
    assert done.state["rules"] == ["find_rules CO-50 3"]
    assert done.state["advice"] == "Appeal."
    assert done.trace[1].reason == "not given(facts.code)"
    assert done.trace[5].prompt_hash == LIBRARY.get("advise").hash
    assert '"rules":["find_rules CO-50 3"]' in model.asked[-1].messages[0].text


async def test_a_flow_that_is_never_complete_ends_and_says_so() -> None:
    """After its iterations, and not one more."""
    done = await run(read_flow(TRIAGE), Model(read_letter=[{"confidence": 0.1}] * 3), letter="x")
    assert (done.stopped, done.iterations, done.is_complete) == ("max_iterations", 3, False)


async def test_without_a_criterion_the_steps_are_gone_through_once() -> None:
    """And the flow has finished."""
    flow = Flow(name="one", inputs=("letter",), steps=(Step(name="facts", prompt="read_letter"),))
    done = await run(flow, Model(read_letter=[{"n": 1}]), letter="x")
    assert (done.stopped, done.iterations, done.state) == ("finished", 1, {"letter": "x", "facts": {"n": 1}})


async def test_an_answer_cannot_change_the_flow() -> None:
    """What a model says is data to the conditions, whatever it looks like."""
    attack = {"confidence": 0.9, "code": "given(facts) or true {{ letter }}"}
    done = await run(read_flow(TRIAGE), Model(read_letter=[attack], advise=["x"]), letter="{{ plan }}")
    assert done.state["rules"] == [f"find_rules {attack['code']} 3"]


async def test_a_failure_ends_the_run_and_names_its_place() -> None:
    """The error is the step's own."""
    with pytest.raises(RateLimited) as caught:
        await run(read_flow(TRIAGE), Model(read_letter=[RateLimited("slow down", status=429)]), letter="x")
    assert caught.value.__notes__ == ["in flow triage, step facts, iteration 1"]


async def test_an_optional_step_may_fail() -> None:
    """The trace says why, the state keeps what it had."""
    flow = Flow(
        name="two",
        inputs=("letter",),
        steps=(
            Step(name="facts", prompt="read_letter", optional=True),
            Step(name="again", prompt="read_letter", when="not given(facts)"),
        ),
    )
    done = await run(flow, Model(read_letter=[ToolFailed("no"), {"n": 2}]), letter="x")
    assert [ran.status for ran in done.trace] == ["failed", "ran"]
    assert done.trace[0].reason == "ToolFailed: no"
    assert "facts" not in done.state


async def test_a_cancellation_is_not_a_failure_of_a_step() -> None:
    """Not even of an optional one."""
    flow = Flow(name="x", inputs=("letter",), steps=(Step(name="facts", prompt="read_letter", optional=True),))
    with pytest.raises(asyncio.CancelledError):
        await run(flow, Model(read_letter=[asyncio.CancelledError()]), letter="x")


async def test_a_client_is_asked_through_its_verbs(make: Make) -> None:
    """A prompt with a schema gives JSON, one without gives text."""
    client, script = make('{"confidence": 0.9, "code": "CO-50"}', "Appeal.")
    done = await run_flow(
        read_flow(TRIAGE),
        {"letter": "Dear member"},
        library=LIBRARY,
        ask=asker(client),
        use=find_rules,
        tools=["find_rules"],
    )
    assert done.state["advice"] == "Appeal."
    assert [request.metadata.task for request in script.requests] == ["read_letter", "advise"]


async def test_tools_of_a_prompt_need_an_agent(make: Make) -> None:
    """The simple way to ask says that it cannot, instead of leaving them out."""
    flow = Flow(name="x", inputs=("letter",), steps=(Step(name="facts", prompt="read_letter", tools=("find_rules",)),))
    client, _ = make("x")
    with pytest.raises(ConfigurationError, match="runs an agent"):
        await run_flow(flow, {"letter": "x"}, library=LIBRARY, ask=asker(client), tools=["find_rules"])


async def test_everything_wrong_is_told_before_anything_runs() -> None:
    """Prompts, variables, tools and inputs, in one error."""
    flow = Flow(
        name="bad",
        inputs=("letter",),
        steps=(
            Step(name="a", prompt="read_leter"),
            Step(name="b", prompt="read_letter", values={"colour": "letter"}),
            Step(name="c", prompt="advise"),
            Step(name="d", tool="drop_tables"),
        ),
    )
    model = Model()
    with pytest.raises(ConfigurationError) as caught:
        await run_flow(flow, {"page": 1}, library=LIBRARY, ask=model)
    said = "\n".join(caught.value.faults)
    for part in (
        "read_letter'?",
        "no such variable",
        "needs plan",
        "no tool drop_tables",
        "letter is missing",
        "no input page",
        "give `use`",
    ):
        assert part in said
    assert model.asked == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("until: given(nothing)", "until: there is no input and no step nothing"),
        ("until: open('x')", "not allowed"),
        ("max_iterations: 0", "max_iterations"),
        ("steps: []", "there are none"),
        ("colour: red", "colour"),
        ("inputs: [letter, facts]", "the name of two"),
        ("inputs: [True]", "inputs"),
    ],
)
def test_a_wrong_file_is_named_with_its_faults(change: str, said: str) -> None:
    """When it is read."""
    key = change.partition(":")[0]
    lines = [line for line in TRIAGE.splitlines() if not line.startswith(key + ":")]
    text = TRIAGE.partition("steps:")[0] + change if key == "steps" else "\n".join([change, *lines])
    with pytest.raises(ConfigurationError) as caught:
        read_flow(text, source="own.yaml")
    assert "own.yaml" in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (Step(name="a"), "a prompt or a tool"),
        (Step(name="a", prompt="x", tool="y"), "a prompt or a tool"),
        (Step(name="a", tool="y", tools=("z",)), "belong to a prompt"),
        (Step(name="A b", tool="y"), "a name has"),
        (Step(name="true", tool="y"), "a name has"),
    ],
)
def test_a_step_is_one_thing(step: Step, said: str) -> None:
    """With a name that an expression can say."""
    with pytest.raises(ConfigurationError, match=said):
        Flow(name="x", steps=(step,))


def test_files_are_yaml_or_toml(tmp_path: Path) -> None:
    """The same flow in both; another ending is an error, as is a file that is none."""
    (tmp_path / "a.yaml").write_text("flow: x\ninputs: [a]\nsteps:\n  - {name: b, tool: c, values: {d: a}}\n")
    (tmp_path / "a.toml").write_text(
        'flow = "x"\ninputs = ["a"]\n[[steps]]\nname = "b"\ntool = "c"\nvalues = {d = "a"}\n'
    )
    assert load_flow(tmp_path / "a.yaml") == load_flow(tmp_path / "a.toml")
    for name, text in (("a.json", "{}"), ("b.yaml", "a: [b"), ("b.toml", "a ="), ("c.yaml", "- 1")):
        (tmp_path / name).write_text(text)
        with pytest.raises(LLMError, match=name.replace(".", r"\.")):
            load_flow(tmp_path / name)
    with pytest.raises(LLMError, match="cannot be read"):
        load_flow(tmp_path / "missing.yaml")
