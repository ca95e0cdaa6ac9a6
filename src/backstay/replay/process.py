"""Process: the run of a whole process, which the environment names: recorded or replayed without a change of the program."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from backstay.errors import ConfigurationError, LLMError
from backstay.replay.current import RECORD, REPLAY, REPLAY_LIVE, REPLAY_MODE
from backstay.replay.recording import Recording
from backstay.replay.replaying import Replaying

REPORT = "BACKSTAY_REPLAY_REPORT"
"""A file in which the process leaves what its run came to, for the command that started it."""

log = logging.getLogger("backstay")


def begin(environ: Mapping[str, str]) -> Recording | Replaying:
    """The run that `environ` names, begun; it ends with the process. Raises ConfigurationError, JournalDamaged."""
    if environ.get(RECORD) and environ.get(REPLAY):
        raise ConfigurationError(f"{RECORD} and {REPLAY} are both set: a process does one of the two")
    run: Recording | Replaying
    if environ.get(RECORD):
        run = Recording(environ[RECORD])
    else:
        live = [task.strip() for task in environ.get(REPLAY_LIVE, "").split(",") if task.strip()]
        mode = environ.get(REPLAY_MODE) or ("hybrid" if live else "strict")
        run = Replaying(environ[REPLAY], mode=cast(Any, mode), live_tasks=live)
    atexit.register(_finish, run, environ.get(REPORT))
    return run.begin()


def _finish(run: Recording | Replaying, report: str | None) -> None:
    """Exit codes are settled when this runs, so the fault goes to the log, and to the report where one is asked for."""
    fault = None
    try:
        run.finish()
    except LLMError as error:
        fault = f"{type(error).__name__}: {error}"
        log.error("%s", fault)
    if report is not None:
        Path(report).write_bytes(msgspec.json.encode({"fault": fault}))
