"""Key references: `env:NAME`, `file:/path`, `keyring:service/user`, and what they resolve to, which is a Secret.

Configuration holds references only, so it can be printed, saved, pickled and sent to workers. A reference is resolved where
and when a key is needed, and the plain text goes straight into a Secret: no local variable of a frame that can raise ever
holds it, because tracebacks with locals end up in logs.

A secret file must not be readable by everybody (mode 0600 is usual), as with OpenSSH's keys. Folders where container
platforms mount secrets are exempt: access to them is the platform's business, and their files are world readable.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from backstay.config.environment import Environment
from backstay.errors import ConfigurationError
from backstay.secret import Secret

MAX_FILE_BYTES = 64 * 1024
MOUNTED = ("/run/secrets/", "/var/run/secrets/")
"""Where Docker and Kubernetes mount secrets, with modes of their own."""

_SHAPE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+|keyring:[^/]+/.+")
_KEY_START = re.compile(r"(?i)(?=\S*\d)((sk|gsk|xai|pplx|hf|ghp|tgp)[-_][\w+/=.-]{12,}|AIza[\w-]{20,}|AKIA\w{12,})")
"""How keys of well-known providers begin. A second line of defence, where something that is no key belongs."""

Keyring: TypeAlias = Callable[[str, str], str | None]
"""A keyring's `get_password(service, user)`."""


def is_reference(text: str) -> bool:
    """True for text of the form of a reference, whether or not anything is there."""
    return _SHAPE.fullmatch(text) is not None


def is_key_like(text: str) -> bool:
    """True for text that looks like a provider's key and so has no place in a file."""
    return _KEY_START.match(text.removeprefix("Bearer ")) is not None


def describe(reference: str) -> str:
    """A reference in words: "env OPENAI_API_KEY"."""
    return reference.replace(":", " ", 1)


def resolve(reference: str, environment: Environment, *, keyring: Keyring | None = None) -> Secret:
    """The Secret that `reference` names. Raises ConfigurationError saying what is missing and the remedy, never what was read."""
    kind, _, place = reference.partition(":")
    finders: dict[str, Callable[[str], Secret | str]] = {
        "env": lambda name: _from_environment(name, environment),
        "file": _from_file,
        "keyring": lambda name: _from_keyring(name, keyring),
    }
    if not is_reference(reference):
        raise ConfigurationError("not a key reference: write env:NAME, file:/path or keyring:service/user")
    found = finders[kind](place)
    if isinstance(found, Secret):
        return found
    raise ConfigurationError(f"{describe(reference)}: {found}")


def _from_environment(name: str, environment: Environment) -> Secret | str:
    return _wrap(lambda: environment.get(name), missing=f"is not set. Remedy: export {name}=...")


def _from_file(place: str) -> Secret | str:
    path = Path(place).expanduser()
    fault = file_fault(path)
    return fault or _wrap(lambda: path.read_bytes().decode("utf-8", "replace"), missing="is empty")


def file_fault(path: Path) -> str | None:
    """What is wrong with a secret file, in words with the remedy; None for a good one."""
    try:
        facts = path.stat()
    except OSError as error:
        return f"cannot be read ({error.strerror}). Remedy: check the path"
    if not stat.S_ISREG(facts.st_mode):
        return "is not a file"
    if facts.st_size > MAX_FILE_BYTES:
        return f"is larger than {MAX_FILE_BYTES} bytes, so it is no key file"
    if os.name == "posix" and facts.st_mode & 0o006 and not str(path.absolute()).startswith(MOUNTED):
        return (
            f"is open to every user of this machine (mode {stat.S_IMODE(facts.st_mode):04o}). Remedy: chmod 600 {path}"
        )
    if not os.access(path, os.R_OK):
        return "cannot be read (permission denied). Remedy: check its owner and mode"
    return None


def _from_keyring(place: str, keyring: Keyring | None) -> Secret | str:
    service, _, user = place.partition("/")
    ask = keyring if keyring is not None else _installed_keyring()
    if ask is None:
        return "needs the keyring extra. Remedy: pip install 'backstay[keyring]'"
    return _wrap(lambda: ask(service, user), missing=f"is not there. Remedy: keyring set {service} {user}")


def _installed_keyring() -> Keyring | None:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None

    def ask(service: str, user: str) -> str | None:
        try:
            found: str | None = keyring.get_password(service, user)
        except KeyringError as error:
            raise OSError(0, f"the keyring says {type(error).__name__}") from None
        return found

    return ask


def _wrap(read: Callable[[], str | None], *, missing: str) -> Secret | str:
    """A Secret made without the plain text ever being a local variable here; else what is wrong, in words."""
    try:
        return _secret(read) or missing
    except ValueError as error:
        return f"holds no usable key: {error}"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _secret(read: Callable[[], str | None]) -> Secret | None:
    found = (read() or "").strip()
    return Secret(found) if found else None
