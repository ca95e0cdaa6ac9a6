"""`backstay patterns`: events in, patterns mined, reviewed and put to use, over one store on disk or in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import click

from backstay.cli.group import Group

ROLES = ("admin", "expert", "standard", "trainee")
RESULTS = ("correct", "partial", "incorrect")
TYPES = ("preference", "procedural", "outcome", "behavioral", "temporal", "contextual", "anomaly")
SOURCES = ("official", "journalism", "academic", "practitioner", "social", "internal")

store_option = click.option(
    "--store",
    "place",
    default="patterns.db",
    show_default=True,
    envvar="BACKSTAY_PATTERNS_STORE",
    show_envvar=True,
    help="A file, or a postgresql:// address (better from the environment, with its password in ~/.pgpass).",
)
json_option = click.option("--json", "is_json", is_flag=True, help="As JSON.")


@click.group(cls=Group)
def command() -> None:
    """Mine an append-only store of events for patterns: counted, reviewed by people, weighed, and put to the test.

    Works by counting, with no model; a configured model proposes besides, and its figures are counted, too.
    """


@command.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@store_option
@click.option("--source", help="The source's id; by default the file's name.")
@click.option("--source-type", type=click.Choice(SOURCES), default="internal", show_default=True)
@click.option(
    "--domain", default="general", show_default=True, help="Thresholds are by domain: judicial, market, compliance."
)
@click.option("--form", type=click.Choice(["auto", "csv", "jsonl", "log"]), default="auto", show_default=True)
@click.option("--ignore", multiple=True, metavar="COLUMN", help="Leave a column out.")
@click.option("--case", metavar="REGEX", help="What a log line is about; its first group is the case.")
@click.option("--year", type=int, help="The year of log lines that tell none; by default this one.")
def ingest(files: tuple[str, ...], place: str, source: str | None, source_type: Any, domain: str, **how: Any) -> None:
    """Add the events of FILES (CSV, JSON Lines, XES-like, log lines). What the store has already is left as it is."""
    from backstay.kits.patterns import Source, open_store
    from backstay.kits.patterns.event import moment
    from backstay.kits.patterns.ingest import Reading, read_events

    with open_store(place) as store:
        this_year = moment(store.stamp())
        year = how["year"] or (this_year.year if this_year else 1970)
        for file in files:
            name = source or Path(file).stem
            reading = Reading(source_id=name, domain=domain, ignore=how["ignore"], case=how["case"], year=year)
            events = read_events(file, form=how["form"], reading=reading)
            for known in {event.source_id for event in events} - store.sources().keys():
                store.add_source(Source(source_id=known, source_type=source_type))
            added = store.add_events(events)
            click.echo(f"{file}: {added.new} events added, {added.doubles} known already")


@command.command()
@store_option
@click.option("--domain", help="Only the events of this domain.")
@click.option("--type", "types", type=click.Choice(TYPES), multiple=True, help="Only these types.")
@click.option(
    "-m", "--model", help="Ask this model besides: provider:model. By default the configured one, if there is one."
)
@click.option("--rules-only", is_flag=True, help="Ask no model.")
@click.option("--high-stakes", is_flag=True, help="Every threshold of the gate is 0.1 higher.")
@click.option(
    "--position", type=click.FloatRange(0), default=0.0, help="Money at risk; above 100,000 an expert decides."
)
@click.option("--legacy-calibration", is_flag=True, help="The multiplicative factor, for comparison.")
@click.option("--config", "config_path", type=click.Path(dir_okay=False), help="The settings file to read.")
@json_option
def mine(place: str, is_json: bool, **options: Any) -> None:
    """Find patterns, count them over all events, and put the new ones to the gate."""
    import msgspec

    from backstay.kits.patterns import open_store

    with open_store(place, is_made=False) as store:
        mined = asyncio.run(_mine(store, options))
    if is_json:
        click.echo(msgspec.json.format(msgspec.json.encode(mined), indent=2).decode())
        return
    _print_mined(mined)


async def _mine(store: Any, options: dict[str, Any]) -> Any:
    from backstay.cli.choice import is_fallback
    from backstay.client import Client
    from backstay.config import load
    from backstay.kits.patterns.gate import Stakes
    from backstay.kits.patterns.rules import RULES
    from backstay.kits.patterns.workflow import mine_store
    from backstay.offline.provider import Offline
    from backstay.offline.rules import SHIPPED

    settings: dict[str, Any] = {
        "domain": options["domain"],
        "types": options["types"] or TYPES,
        "stakes": Stakes(is_high=options["high_stakes"], position=options["position"]),
        "method": "legacy" if options["legacy_calibration"] else "auto",
    }
    loaded = load(options["config_path"], arguments={"model": options["model"]})
    if options["rules_only"] or is_fallback(loaded):
        return await mine_store(store, **settings)
    async with Client(loaded=loaded, services={"offline": Offline((*SHIPPED, *RULES))}) as client:
        return await mine_store(store, client=client, **settings)


def _print_mined(mined: Any) -> None:
    from backstay.cli.table import print_table

    counts = Counter((one.pattern_type, one.extraction_source) for one in mined.patterns)
    first = {kind: next((one.description for one in mined.patterns if one.pattern_type == kind), "") for kind in TYPES}
    rows = [[kind, str(counts[kind, "rule"]), str(counts[kind, "llm_auto"]), first[kind]] for kind in TYPES]
    print_table(["type", "by rules", "by model", "the surest"], rows, figures=("by rules", "by model"))
    decided = Counter(one.decision for one in mined.rulings)
    told = ", ".join(f"{count} {word}" for word, count in sorted(decided.items())) or "nothing new"
    click.echo(
        f"\n{len(mined.patterns)} patterns, {mined.added.new} new; the gate: {told} (calibration: {mined.calibration})"
    )
    if mined.model is None:
        click.echo("no model was asked: all patterns are counted by rules")
        return
    kind = "offline rules (degraded)" if mined.model.is_degraded else "a model"
    click.echo(f"asked besides: {', '.join(mined.model.targets)}, {kind}, {mined.model.batches} batches")
    for line in (
        *(f"dropped: {one}" for one in mined.model.dropped),
        *(f"failed: {one}" for one in mined.model.errors),
    ):
        click.echo(line, err=True)


@command.command()
@click.argument("pattern", required=False)
@store_option
@click.option("--as", "result", type=click.Choice(RESULTS), help="What the pattern is.")
@click.option("--by", default="", help="Who decides.")
@click.option("--role", type=click.Choice(ROLES), default="standard", show_default=True)
@click.option("--reason", default="", help="Why.")
@click.option("--correction", help="What would be right.")
@click.option("--weight", type=click.FloatRange(0, 1), help="Set the pattern's weight by hand.")
@click.option("--release", is_flag=True, help="Take a weight that was set by hand back.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Lines of the queue.")
@json_option
def review(pattern: str | None, place: str, result: Any, is_json: bool, limit: int, **options: Any) -> None:
    """The queue of patterns that wait for a person; with PATTERN all about it, and with --as a decision on it."""
    from backstay.kits.patterns import open_store
    from backstay.kits.patterns.gate import decide
    from backstay.kits.patterns.report import standing

    with open_store(place, is_made=False) as store:
        if pattern is None:
            _print_queue(store, limit, is_json)
            return
        about = {name: options[name] for name in ("by", "role", "reason")}
        if options["weight"] is not None or options["release"]:
            _set_weight(store, pattern, options)
        if result is not None:
            ruling = decide(store, pattern, result, correction=options["correction"], **about)
            word = "noted as an opinion" if options["role"] == "trainee" else "decided"
            click.echo(f"{pattern}: {word}, {result}; stands at: {standing([ruling])}")
        elif options["weight"] is None and not options["release"]:
            _print_pattern(store, pattern)


def _set_weight(store: Any, pattern: str, options: dict[str, Any]) -> None:
    if options["role"] not in ("expert", "admin") or not options["by"]:
        raise click.UsageError("a weight is set by an expert or an admin: --role expert --by NAME")
    if pattern not in store.patterns():
        raise click.UsageError(f"pattern {pattern}: there is none")
    value = None if options["release"] else options["weight"]
    store.override(pattern, value, by=options["by"], reason=options["reason"])
    click.echo(f"{pattern}: weight {'as the evidence has it' if value is None else f'{value:g}, by hand'}")


def _print_queue(store: Any, limit: int, is_json: bool) -> None:
    import msgspec

    from backstay.cli.table import print_table
    from backstay.kits.patterns.gate import queue

    waiting = queue(store)
    if is_json:
        click.echo(msgspec.json.encode([{"ruling": one, "pattern": about} for one, about in waiting]).decode())
        return
    rows = [
        [one.decision, f"{one.confidence or 0:.2f}", about.pattern_id, about.pattern_type, about.description]
        for one, about in waiting[:limit]
    ]
    print_table(["decision", "calibrated", "id", "type", "pattern"], rows, figures=("calibrated",), spare=("type",))
    click.echo(f"{len(waiting)} wait" + (f", {limit} are shown" if len(waiting) > limit else ""))


def _print_pattern(store: Any, pattern: str) -> None:
    import msgspec

    found = store.patterns().get(pattern)
    if found is None:
        raise click.UsageError(f"pattern {pattern}: there is none; `backstay patterns review` lists those that wait")
    facts = {"pattern_id": pattern, **msgspec.to_builtins(found), "rulings": store.rulings().get(pattern, [])}
    click.echo(msgspec.json.format(msgspec.json.encode(facts), indent=2).decode())


@command.command()
@store_option
@click.option("--given", multiple=True, metavar="FACT=VALUE", help="What is known, such as what='Check order'.")
@click.option("--then", metavar="FACT=VALUE", help="What is asked, such as next.what='Ship order'.")
@click.option("--resolve", metavar="ID", help="Tell what came of a prediction.")
@click.option("--outcome", type=click.Choice(["yes", "no"]), help="Whether it came true.")
@click.option("--by", default="", help="Who tells.")
@json_option
def predict(place: str, given: tuple[str, ...], then: str | None, is_json: bool, **options: Any) -> None:
    """The probability of a fact by the accepted patterns; or, with --resolve, what came of one. Alone, how good they were.

    Exit codes: 0 predicted; 1 no accepted pattern speaks of it.
    """
    from backstay.kits.patterns import open_store
    from backstay.kits.patterns.predict import measure, settle

    with open_store(place, is_made=False) as store:
        if options["resolve"]:
            if options["outcome"] is None:
                raise click.UsageError("--resolve needs --outcome yes or no")
            settle(store, options["resolve"], outcome=options["outcome"] == "yes", by=options["by"])
            click.echo(f"{options['resolve']}: {options['outcome']}")
        elif then is not None:
            _predict(store, dict(map(_fact, given)), _fact(then), is_json)
        else:
            _print_json(measure(store.predictions()))


def _fact(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not (name and mark and value):
        raise click.UsageError(f"{text!r}: must be FACT=VALUE")
    return name, value


def _predict(store: Any, given: dict[str, str], then: tuple[str, str], is_json: bool) -> None:
    from backstay.kits.patterns import Settings
    from backstay.kits.patterns.predict import predict as forecast
    from backstay.kits.patterns.weight import pattern_base
    from backstay.kits.patterns.workflow import calibrated

    base = pattern_base(store, Settings(), calibrated(store))
    found = forecast(base, given, then, resolved=store.predictions())
    if found is None:
        click.echo(f"no accepted pattern speaks of {then[0]}={then[1]} here; `backstay patterns review` may", err=True)
        raise SystemExit(1)
    kept = store.predict(found)
    if is_json:
        _print_json(kept)
        return
    patterns = store.patterns()
    click.echo(f"{kept.probability:.3f}  {then[0]} = {then[1]}  ({kept.prediction_id})")
    for pattern_id in kept.pattern_ids:
        click.echo(f"  {pattern_id}  {patterns[pattern_id].description}")


def _print_json(value: Any) -> None:
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


@command.command()
@store_option
@click.option(
    "-o", "--out", default="patterns.html", show_default=True, help="A .html file, or .md with its plots beside."
)
@click.option("--title", default="Patterns", show_default=True)
def report(place: str, out: str, title: str) -> None:
    """Write a page with the events, the patterns, the queue, the base, calibration, drift and predictions."""
    from backstay.kits.patterns import open_store
    from backstay.kits.patterns.report import build, write

    with open_store(place, is_made=False) as store:
        for path in write(build(store), out, title=title):
            click.echo(str(path))
