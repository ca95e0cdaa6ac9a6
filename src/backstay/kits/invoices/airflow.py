"""Airflow: the invoices kit as task-flow tasks, conditions and a ready DAG, for Airflow 3 (`pip install 'backstay[airflow]'`).

    list_documents > read_invoices, mapped over batches > gate > write_accepted, write_review, write_rejected

A condition looks at the records among the arguments of the task that it guards, and means what its name says:
`@task.run_if(is_accepted)` runs for what was accepted, `@task.skip_if(needs_review)` skips what a person has to see. A DAG's file
is parsed often, so what reads documents is imported when a task runs. Between tasks goes plain JSON and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypedDict

import msgspec
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowFailException

if TYPE_CHECKING:
    from backstay.kits.invoices.setting import Settings

Row: TypeAlias = dict[str, Any]
"""A Record as plain JSON."""

VERDICTS: Final = ("accepted", "review", "rejected")
BATCH: Final = 16
"""Documents a mapped task: a task costs a process and seconds, and what fails is done again as a whole."""
DEFAULTS: Final[dict[str, Any]] = {"dag_id": "invoices", "schedule": None, "catchup": False, "max_active_runs": 1}


class Reading(TypedDict, total=False):
    """How documents are read: `model` ("provider:model"), `config` (a settings file), `layouts` (a folder), `settings` (of the
    kit, by name)."""

    model: str | None
    config: str | None
    layouts: str | None
    settings: dict[str, Any] | None


def needs_review(context: Mapping[str, Any]) -> bool:
    """Whether any record given to the task waits for a person."""
    return "review" in _verdicts(context)


def is_accepted(context: Mapping[str, Any]) -> bool:
    """Whether the record given to the task was accepted; of several, all of them; of none, no."""
    return _verdicts(context) == {"accepted"}


def is_rejected(context: Mapping[str, Any]) -> bool:
    """Whether the record given to the task was rejected; of several, all of them; of none, no."""
    return _verdicts(context) == {"rejected"}


def _verdicts(context: Mapping[str, Any]) -> set[str]:
    """The decisions among the task's arguments. Raises TypeError where it takes no records: it would be skipped for ever."""
    called = context["task"]
    values = [value for value in (*called.op_args, *called.op_kwargs.values()) if _is_row(value) or _is_list(value)]
    if not values:
        raise TypeError(f"the task {called.task_id} is given no record of an invoice, so there is nothing to decide by")
    return {row["decision"] for value in values for row in _rows(value)}


def _is_row(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("decision") in VERDICTS


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _rows(value: Any) -> Iterator[Row]:
    if _is_row(value):
        yield value
    elif _is_list(value):
        for one in value:
            yield from _rows(one)


def _list_documents(folder: str, batch: int = BATCH) -> list[list[str]]:
    """The documents of `folder`, or the one that it names, in batches of `batch`."""
    from backstay.document.read import expand
    from backstay.kits.invoices.source import parts_of

    listed = [str(path.absolute()) for path in expand([folder])]
    parts = parts_of(listed)
    paths = [path for path in listed if path not in parts]
    return [paths[start : start + batch] for start in range(0, len(paths), batch)]


def _read_invoices(
    paths: list[str],
    model: str | None = None,
    config: str | None = None,
    layouts: str | None = None,
    settings: dict[str, Any] | None = None,
) -> list[Row]:
    """The records of `paths`, in their order. A document that cannot be read is a rejected record. A wrong setting or key fails
    the task at once, because a retry would meet it too; a spent budget leaves it to the DAG's retries."""
    from backstay.config import load
    from backstay.errors import AuthenticationFailed, ConfigurationError
    from backstay.kits.invoices.layout import load_layouts
    from backstay.kits.invoices.workflow import process_paths

    try:
        records = process_paths(
            paths,
            layouts=() if layouts is None else load_layouts(layouts),
            settings=_settings(settings or {}),
            loaded=load(config, arguments={"model": model}),
        )
    except (ConfigurationError, AuthenticationFailed) as error:
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error
    return [msgspec.json.decode(msgspec.json.encode(record)) for record in records]


def _settings(given: Mapping[str, Any]) -> Settings:
    """The kit's settings with those that are `given`. Raises ConfigurationError for a name or value that it does not take."""
    from backstay.errors import ConfigurationError
    from backstay.kits.invoices.setting import Settings

    unknown = sorted(set(given) - set(Settings.__struct_fields__))
    if unknown:
        raise ConfigurationError(*(f"the invoices kit has no setting {name}" for name in unknown))
    try:
        return msgspec.convert(given, Settings)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"the settings of the invoices kit: {error}") from error


def _gate(batches: Iterable[list[Row]] | None, out: str) -> dict[str, list[Row]]:
    """The records of all batches by their decision. What an earlier run left in `out` is removed, so that a file that this run
    has nothing for is not taken for its own."""
    parts: dict[str, list[Row]] = {name: [] for name in VERDICTS}
    for row in chain.from_iterable(batches or ()):
        parts[row["decision"]].append(row)
    for name in VERDICTS:
        _file(out, name).unlink(missing_ok=True)
    return parts


def _write(records: list[Row], out: str, verdict: str) -> str:
    """The path of a JSON Lines file of `records` in the folder `out`; it is there whole or not at all."""
    path = _file(out, verdict)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
    os.replace(part, path)
    return str(path)


def _file(out: str, verdict: str) -> Path:
    return Path(out) / f"{verdict}.jsonl"


list_documents = task(_list_documents, task_id="list_documents")
read_invoices = task(_read_invoices, task_id="read_invoices")
gate = task(_gate, task_id="gate", multiple_outputs=True, trigger_rule="none_failed")
"""An empty folder skips the reading; the gate runs all the same, so that no old file stays."""
write_accepted = task.run_if(is_accepted, "nothing was accepted")(task(_write, task_id="write_accepted"))
write_review = task.run_if(needs_review, "nothing to review")(task(_write, task_id="write_review"))
write_rejected = task.run_if(is_rejected, "nothing was rejected")(task(_write, task_id="write_rejected"))


def invoices_dag(folder: str, out: str, *, batch: int = BATCH, read: Reading | None = None, **options: Any) -> Any:
    """A DAG from the documents in `folder` to accepted.jsonl, review.jsonl and rejected.jsonl in `out`; one that there is nothing
    for is not written.

    `folder` and `out` may be templates ("/data/{{ run_id }}"), and all workers must see them. `read` says how documents are read,
    `options` go to the DAG (`dag_id`, "invoices" unless given; `schedule`, `default_args`, `tags`, ...).
    """
    with DAG(**{**DEFAULTS, **options}) as built:
        read_all = read_invoices.partial(**(read or {})).expand(paths=list_documents(folder, batch))
        parts = gate(read_all, out)
        write_accepted(parts["accepted"], out, "accepted")
        write_review(parts["review"], out, "review")
        write_rejected(parts["rejected"], out, "rejected")
    return built
