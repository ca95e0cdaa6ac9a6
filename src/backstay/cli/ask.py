"""`backstay ask`: one question, its answer streamed to the terminal."""

from __future__ import annotations

import sys

import click
import msgspec

from backstay.cli import FAILED


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

    What the answer cost, which model gave it and whether it is degraded is said on standard error.
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
            return
        with client.stream(question, task="ask", **given) as answer:  # type: ignore[arg-type]
            for text in answer.texts():
                click.echo(text, nl=False)
                sys.stdout.flush()
            click.echo()
            response = answer.response()
    click.echo(summary(response), err=True)
    if response.finish_reason in ("content_filter", "refusal", "error"):
        sys.exit(FAILED)


def summary(response: object) -> str:
    """One line on how an answer came about."""
    from backstay.types import Response

    assert isinstance(response, Response)
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
