"""`backstay ask`: one question, its answer streamed to the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click
import msgspec

from backstay.cli import FAILED

if TYPE_CHECKING:
    from backstay.sync import Streaming
    from backstay.types import Response

NO_ANSWER: Final = "explain"
"""The name of the offline rule that has no answer and says how to get one."""


@click.command()
@click.argument("prompt", nargs=-1)
@click.option("-m", "--model", metavar="PROVIDER:MODEL", help="Which model to ask; the configured one by default.")
@click.option("-s", "--system", metavar="TEXT", help="The system prompt.")
@click.option("--max-output-tokens", type=click.IntRange(min=1), help="The longest answer to ask for.")
@click.option("--temperature", type=float, help="0 (default) for the likeliest answer, higher for more variety.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole Response as JSON instead of streaming its text.")
@click.option("--config", "config_path", type=click.Path(dir_okay=False), help="The settings file to read.")
def command(
    prompt: tuple[str, ...],
    model: str | None,
    system: str | None,
    max_output_tokens: int | None,
    temperature: float | None,
    as_json: bool,
    config_path: str | None,
) -> None:
    """Ask a model PROMPT (or what standard input holds) and print the answer as it arrives.

    What the answer cost, which model gave it and whether it is degraded is said on standard error. Exit codes: 0 answered; 1 no
    answer, as where no model is configured (then standard output is empty); 2 a wrong setting.
    """
    from backstay.config import load
    from backstay.sync import Client

    question = " ".join(prompt) or ("" if sys.stdin.isatty() else sys.stdin.read())
    if not question.strip():
        raise click.UsageError("ask something: backstay ask 'Why is the sky blue?' (or pipe a text in)")
    settings = {"system": system, "max_output_tokens": max_output_tokens, "temperature": temperature}
    given = {name: value for name, value in settings.items() if value is not None}
    with Client(loaded=load(config_path, arguments={"model": model})) as client:
        if as_json:
            response = client.generate(question, task="ask", **given)  # type: ignore[arg-type]
            click.echo(msgspec.json.format(msgspec.json.encode(response), indent=2).decode())
        else:
            with client.stream(question, task="ask", **given) as answer:  # type: ignore[arg-type]
                response = _printed(answer)
            click.echo(summary(response), err=True)
    if _is_none(response) or response.finish_reason in ("content_filter", "refusal", "error"):
        sys.exit(FAILED)


def _printed(answer: Streaming) -> Response:
    """Print the answer as it arrives; that there is none is no answer, so it goes to standard error."""
    from backstay.event import Started, TextDelta

    is_held, held = False, ""
    for event in answer:
        if isinstance(event, Started):
            is_held = event.model == NO_ANSWER  # a model could be called so: who spoke is known at the end
        elif isinstance(event, TextDelta) and is_held:
            held += event.text
        elif isinstance(event, TextDelta):
            click.echo(event.text, nl=False)
            sys.stdout.flush()
    response = answer.response()
    if _is_none(response):
        click.echo(held, err=True)
    else:
        click.echo(held)
    return response


def _is_none(response: Response) -> bool:
    """True where the last of the offline rules spoke: the one that says that there is no answer."""
    return response.provenance.degraded and response.provenance.rule == NO_ANSWER


def summary(response: Response) -> str:
    """One line on how an answer came about."""
    usage, cost = response.usage, response.cost
    facts = [
        response.provenance.target or "unknown target",
        f"{_number(usage.input_tokens)} + {_number(usage.output_tokens)} tokens",
        f"${cost.usd:f}" if cost is not None else "cost unknown",
        f"{response.latency:.2f} s" if response.latency is not None else "",
        f"{len(response.provenance.attempts)} attempts" if len(response.provenance.attempts) > 1 else "",
        "cut by the token limit" if response.was_truncated else "",
        "degraded: no model answered" if response.provenance.degraded else "",
        *response.provenance.notes,
    ]
    return "[" + " · ".join(fact for fact in facts if fact) + "]"


def _number(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"
