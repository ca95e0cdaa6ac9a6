"""Pictures that a command writes: `--svg FILE` and `--png FILE`, refused before any work where the name is of another form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from backstay.chart.data import Chart
from backstay.cli.choice import OutputFile

C = TypeVar("C", bound=Callable[..., Any])

FORMS: Final = ("svg", "png")


class PictureFile(OutputFile):
    """A file of one form of picture, which its name must end with."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self._form = form

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = super().convert(value, param, ctx)
        suffix = Path(path).suffix.lower().removeprefix(".")
        if suffix != self._form:
            other = f"--{suffix} writes that form" if suffix in FORMS else f"name it {Path(path).stem}.{self._form}"
            self.fail(f"{path!r} does not end in .{self._form}: {other}", param, ctx)
        return path


def picture_options(command: C) -> C:
    """`--svg` and `--png` for a command."""
    for form, word in (("png", "PNG"), ("svg", "SVG")):
        option = click.option(f"--{form}", type=PictureFile(form), help=f"Write the charts as one {word} picture.")
        command = option(command)
    return command


def write_pictures(charts: Sequence[Chart], *, svg: str | None, png: str | None) -> None:
    """The charts, one below the other, in each file that was asked for; says so on standard error."""
    from backstay.chart import plot, stacked, to_png, to_svg

    if (svg or png) and not charts:
        click.echo("no picture was written: there is nothing to draw", err=True)
        return
    if svg:
        Path(svg).write_text(to_svg(stacked(map(plot, charts))), encoding="utf-8")
    if png:
        Path(png).write_bytes(to_png(stacked(map(plot, charts))))
    for path in filter(None, (svg, png)):
        click.echo(f"the picture was written to {path}", err=True)
