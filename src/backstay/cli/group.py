"""A command with commands below it, whose list says the whole first sentence of each; click would cut it at 45 characters."""

from __future__ import annotations

import inspect

import click


class Group(click.Group):
    """Lists its commands with their first sentence, wrapped and never cut."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, first_sentence(one)) for name, one in found if one is not None and not one.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def first_sentence(command: click.Command) -> str:
    """The first sentence of a command's help, on one line."""
    paragraph = inspect.cleandoc(command.help or "").split("\n\n")[0].replace("\n", " ")
    head, stop, _ = paragraph.partition(". ")
    return head + stop.strip()
