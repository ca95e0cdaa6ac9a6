"""The command line: one file per command, imported when that command runs.

Exit codes, the same for every command: 0 all went well; 1 it ran, and something in it failed (a document, a check); 2 the
command, the configuration or the input was wrong and nothing was done; 130 interrupted.
"""

from __future__ import annotations

import codecs
import importlib
import io
import os
import sys

import click

COMMANDS = {
    "agent": "Work on an objective with the tools of a module.",
    "ask": "Ask a model; the answer streams to the terminal.",
    "calibrate": "Learn from labelled answers what a stated confidence is worth.",
    "config": "Show, check and save the configuration.",
    "denial": "A denial letter to facts, a plan and documents.",
    "doctor": "What is configured, reachable and missing, and how to mend it.",
    "extract": "Read documents into typed records.",
    "narrate": "A village through its year: play it, run it, replay it.",
    "ground": "Find what a text states that its sources do not.",
    "invoice": "Invoices and receipts: read, checked, and accepted or not.",
    "kits": "The applications that ship, each with a line to try it.",
    "limits": "Limits, budgets, waits and targets as they stand now.",
    "models": "Models, their limits and prices.",
    "operations": "Look after a running system; simulate, replay and compare policies.",
    "patterns": "Mine events for patterns: counted, reviewed, weighed, put to the test.",
    "prompts": "Prompts: list, show, render, compare and check them.",
    "record": "Run a program and note every call that it makes to a model.",
    "recover": "Recover JSON from a model's text.",
    "simulate": "What traffic would cost and how it would fare, in virtual time.",
    "replay": "Check, read, compare and run recorded journals.",
    "usage": "Calls, tokens and cost by day, model, task or tenant.",
}
"""Each name is a module of this package with a click command `command`; the words stand in the list of commands."""

MODULES = {"record": "record_run"}
"""Commands whose module has another name."""

FAILED, WRONG, INTERRUPTED = 1, 2, 130


class Commands(click.Group):
    """A group whose commands are imported when they are used, so that `backstay --help` stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"backstay.cli.{MODULES.get(cmd_name, cmd_name)}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" There is: {', '.join(sorted(COMMANDS))}."
            ctx.fail(f"no command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="backstay", prog_name="backstay")
def cli() -> None:
    """One dependable layer between a program and language models.

    Works with no key and no network; a provider's key in the environment, or a local server, makes it better.
    """


def lowered(error: click.ClickException) -> str:
    """The message of an error of click's on one line, in the form of our own: no capital, no full stop, no broken list."""
    text = " ".join(error.format_message().split()).rstrip(".")
    return text[:1].lower() + text[1:]


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """The letters that cannot be encoded as \\uXXXX, so that JSON stays JSON."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in zip(units[::2], units[1::2], strict=True)), error.end


def _escape_what_the_output_lacks() -> None:
    """A letter that the output's encoding lacks (a terminal of ASCII, say) is written as JSON escapes it, and ends nothing."""
    codecs.register_error("backstay.escape", _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backstay.escape")


def main() -> None:
    """Run the command line; turn errors into one clear line and an exit code."""
    from backstay.errors import ConfigurationError, LLMError

    _escape_what_the_output_lacks()
    try:
        code = cli.main(prog_name="backstay", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        code = INTERRUPTED
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx is not None else "backstay"
        click.echo(f"error: {lowered(error)} ({where} --help says more)", err=True)
        code = WRONG
    except click.ClickException as error:
        click.echo(f"error: {lowered(error)}", err=True)
        code = error.exit_code
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        code = INTERRUPTED
    except ConfigurationError as error:
        click.echo(f"error: {error}", err=True)
        code = WRONG
    except LLMError as error:
        click.echo(f"error: {type(error).__name__}: {error}", err=True)
        code = FAILED
    except BrokenPipeError:  # whoever read the output has enough of it, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILED
    except OSError as error:
        click.echo(f"error: {error.filename or 'output'}: {error.strerror or error}", err=True)
        code = FAILED
    sys.exit(code if isinstance(code, int) else 0)
