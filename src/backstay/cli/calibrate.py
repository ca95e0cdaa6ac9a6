"""`backstay calibrate`: from labelled answers to what a stated confidence is worth."""

from __future__ import annotations

import datetime as dt
import warnings
from pathlib import Path
from typing import Any

import click

from backstay.cli.choice import OutputFile

METHODS = ("auto", "isotonic", "platt", "beta", "temperature", "histogram", "identity")
FOLDS = 5


@click.command()
@click.argument("labels", type=click.Path(dir_okay=False))
@click.option("-m", "--method", type=click.Choice(METHODS), default="auto", show_default=True, help="How to fit.")
@click.option(
    "-o",
    "--out",
    type=OutputFile(is_replaced=True),
    help="Write the calibration here; by default LABELS.calibration.json.",
)
@click.option("-p", "--plot", type=OutputFile(), help="Draw the reliability diagram: a .svg or .png file.")
@click.option(
    "--max-error",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Find the confidence from which at most this share is wrong.",
)
@click.option(
    "--bins", type=click.IntRange(2, 100), default=15, show_default=True, help="Bins of the ECE and the diagram."
)
@click.option("--json", "as_json", is_flag=True, help="Print the measures as JSON.")
def command(labels: str, method: str, out: str | None, plot: str | None, **options: Any) -> None:
    """Fit a calibration to LABELS, a CSV file with the columns confidence (0 to 1) and correct (1 or 0), and maybe task and
    kind for maps of their own, and grounded, logprob, agreement, stated, valid for the weights of these signals.

    Prints the expected calibration error with its 95 % interval, the Brier score, the log loss and the accuracy at each
    threshold, before and after. "After" is cross-validated: each label is judged by a map that was fitted without it.

    Exit codes: 0 fitted; 2 the file could not be read. Fewer than 10 labels change nothing, with a warning.
    """
    import msgspec

    from backstay.extract.calibrate import load
    from backstay.extract.calibrate.history import confidences, fit_history, read_labels

    if plot is not None and Path(plot).suffix.lower() not in (".svg", ".png"):
        raise click.UsageError(f"--plot {plot}: must end in .svg or .png")
    found = read_labels(labels)
    if not found:
        raise click.UsageError(f"{labels}: holds no label; a row is a stated confidence and whether it was right")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        calibrator = fit_history(found, method, name=Path(labels).stem)
    for warning in caught:
        click.echo(f"warning: {warning.message}", err=True)
    target = Path(out) if out is not None else Path(labels).with_suffix(".calibration.json")
    version = load(target).version + 1 if target.exists() else 1
    calibrator = msgspec.structs.replace(calibrator, version=version, made_at=_now())
    stated = confidences(found, calibrator.weights)
    right = [label.correct for label in found]
    measures = _measure(calibrator, stated, right, bins=options["bins"], max_error=options["max_error"])
    try:
        calibrator.save(target)
        if plot is not None:
            _draw(Path(plot), measures["diagram"], Path(labels).name)
    except OSError as error:
        raise click.UsageError(f"{error.filename}: cannot be written ({error.strerror})") from error
    _print(measures, calibrator, target, as_json=options["as_json"])


def _now() -> str:
    from backstay.ports import World

    return dt.datetime.fromtimestamp(World.real().clock.wall_ns() // 10**9, dt.UTC).isoformat()


def _measure(calibrator: Any, stated: Any, right: list[int], *, bins: int, max_error: float | None) -> dict[str, Any]:
    """Everything that is printed and drawn, before and after."""
    from backstay.extract.calibrate import accept_threshold, brier, ece, ece_interval, log_loss, reliability
    from backstay.extract.calibrate.calibrator import cross_fitted
    from backstay.extract.calibrate.score import acceptances

    fitted = cross_fitted(stated, right, calibrator.method, FOLDS)
    measures: dict[str, Any] = {}
    diagram = []
    for name, values in (("before", stated), ("after", fitted)):
        measures[name] = {
            "ece": ece(values, right, bins),
            "ece_interval": ece_interval(values, right, bins=bins) if len(right) else (0.0, 0.0),
            "brier": brier(values, right),
            "log_loss": log_loss(values, right),
            "acceptances": acceptances(values, right),
        }
        diagram.append((name, reliability(values, right, bins)))
    threshold = None if max_error is None else accept_threshold(fitted, right, max_error)
    return {**measures, "diagram": diagram, "max_error": max_error, "threshold": threshold}


def _draw(path: Path, diagram: Any, title: str) -> None:
    from backstay.extract.calibrate.reliability import to_png, to_svg

    if path.suffix.lower() == ".svg":
        path.write_text(to_svg(diagram, title=title), encoding="utf-8")
    else:
        path.write_bytes(to_png(diagram, title=title))


def _print(measures: dict[str, Any], calibrator: Any, target: Path, *, as_json: bool) -> None:
    import msgspec

    from backstay.cli.table import print_table
    from backstay.extract.calibrate.reliability import to_text

    if as_json:
        kept = {name: value for name, value in measures.items() if name != "diagram"}
        facts = {"method": calibrator.method, "labels": calibrator.count, "file": str(target), **kept}
        click.echo(msgspec.json.format(msgspec.json.encode(facts), indent=2).decode())
        return
    click.echo(f"{calibrator.count} labels, method {calibrator.method}, version {calibrator.version}: {target}\n")
    before, after = measures["before"], measures["after"]
    rows = [
        [name, f"{before[key]:.4f}", f"{after[key]:.4f}"]
        for name, key in (("ECE", "ece"), ("Brier score", "brier"), ("log loss", "log_loss"))
    ]
    spans = ["{:.4f} to {:.4f}".format(*one["ece_interval"]) for one in (before, after)]
    print_table(
        ["", "before", "after"], [rows[0], ["  95 % of resamplings", *spans], *rows[1:]], figures=("before", "after")
    )
    click.echo()
    table = [
        [f"{one.threshold:g}", *(_accepted(each) for each in (one, other))]
        for one, other in zip(before["acceptances"], after["acceptances"], strict=True)
    ]
    print_table(["accept from", "before", "after"], table)
    for name, group in calibrator.groups.items():
        click.echo(f"\n{name}: {group.count} labels, method {group.method}", nl=False)
    click.echo("\n\n" + to_text(measures["diagram"]))
    if measures["max_error"] is not None:
        found = measures["threshold"]
        wanted = f"at most {measures['max_error']:.1%} wrong"
        click.echo(f"{wanted}: " + ("no threshold keeps that" if found is None else f"accept from {found:.4f}"))


def _accepted(one: Any) -> str:
    if one.accuracy is None:
        return "none"
    return f"{one.share:.0%} accepted, {one.accuracy:.1%} of them right"
