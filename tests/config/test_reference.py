"""Key references: each kind found, each kind of trouble named with its remedy, and only when a key is asked for."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from backstay.config import resolve, verify
from backstay.config.environment import Environment
from backstay.config.reference import is_key_like, is_reference
from backstay.errors import ConfigurationError
from backstay.secret import Secret

KEY = "made-up-key"
NOTHING = Environment({})


def key_file(folder: Path, data: bytes, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_each_kind_of_reference_leads_to_its_key(tmp_path: Path) -> None:
    """A variable, a file (its line break cut), a keyring."""
    path = key_file(tmp_path, f"{KEY}\n".encode())
    assert resolve("env:K", Environment({"K": f" {KEY}\n"})) == Secret(KEY)
    assert resolve(f"file:{path}", NOTHING) == Secret(KEY)
    assert resolve(
        "keyring:backstay/me/too", NOTHING, keyring={("backstay", "me/too"): KEY}.get and fake_keyring
    ) == Secret(KEY)


def fake_keyring(service: str, user: str) -> str | None:
    return KEY if (service, user) == ("backstay", "me/too") else None


@pytest.mark.parametrize(
    ("reference", "fault"),
    [
        ("env:K", "env K: is not set. Remedy: export K=..."),
        (
            "file:/no/such/file",
            "file /no/such/file: cannot be read (No such file or directory). Remedy: check the path",
        ),
        ("file:/", "file /: is not a file"),
        ("keyring:backstay/nobody", "keyring backstay/nobody: is not there. Remedy: keyring set backstay nobody"),
        (KEY, "not a key reference: write env:NAME, file:/path or keyring:service/user"),
        ("env:", "not a key reference"),
        ("env:A B", "not a key reference"),
        ("keyring:backstay", "not a key reference"),
        ("cmd:cat key", "not a key reference"),
    ],
)
def test_a_reference_that_leads_nowhere_says_what_to_do(reference: str, fault: str) -> None:
    """The fault names the place and the remedy."""
    with pytest.raises(ConfigurationError) as caught:
        resolve(reference, NOTHING, keyring=fake_keyring)
    assert str(caught.value).startswith(fault)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
@pytest.mark.parametrize(
    ("mode", "is_good"), [(0o600, True), (0o400, True), (0o640, True), (0o644, False), (0o602, False), (0o666, False)]
)
def test_a_key_file_that_everybody_can_open_is_refused(tmp_path: Path, mode: int, is_good: bool) -> None:
    """As with the keys of OpenSSH, and with the command that mends it."""
    path = key_file(tmp_path, KEY.encode(), mode)
    if is_good:
        assert resolve(f"file:{path}", NOTHING) == Secret(KEY)
        return
    with pytest.raises(ConfigurationError, match=f"chmod 600 {path}"):
        resolve(f"file:{path}", NOTHING)
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("data", [b"", b"\n", b"two\nlines", b"\xff\xfe", b"x" * 70_000, b"nul\0"])
def test_a_file_without_a_usable_key_is_refused(tmp_path: Path, data: bytes) -> None:
    """Empty, several lines, binary, huge: never sent as a header, never repeated."""
    with pytest.raises(ConfigurationError) as caught:
        resolve(f"file:{key_file(tmp_path, data)}", NOTHING)
    assert "two" not in str(caught.value).replace(str(tmp_path), "")


def test_a_keyring_that_fails_is_a_fault_in_words() -> None:
    """A locked keyring is not a crash."""

    def locked(service: str, user: str) -> str | None:
        raise OSError(0, "the keyring says KeyringLocked")

    with pytest.raises(ConfigurationError, match=r"cannot be read \(the keyring says KeyringLocked\)"):
        resolve("keyring:a/b", NOTHING, keyring=locked)


def test_keys_are_looked_up_when_they_are_asked_for(read, tmp_path: Path) -> None:
    """Loading needs no key; asking for one finds today's; a missing one is found by `verify`."""
    path = tmp_path / "later"
    loaded = read(f"model = 'openai'\n[providers.openai]\nkey = 'file:{path}'\n")
    (fault,) = verify(loaded)
    assert fault.startswith(f"providers.openai.key: file {path}: cannot be read")
    path.write_text(KEY)
    path.chmod(0o600)
    assert loaded.key("openai") == Secret(KEY)
    assert verify(loaded) == ()


def test_a_provider_without_a_key_says_which_variable_it_would_read(read) -> None:
    """The remedy is the variable's name; a local server needs none."""
    loaded = read("model = 'gemini'\n")
    with pytest.raises(ConfigurationError, match=r"export GEMINI_API_KEY=\.\.\. or export GOOGLE_API_KEY=\.\.\."):
        loaded.key("gemini")
    assert verify(loaded)[0].startswith("providers.gemini.key: gemini has no key")
    assert loaded.key("llamacpp") is None
    assert loaded.key("offline") is None


def test_what_looks_like_a_key_is_told_from_what_does_not() -> None:
    """A second line of defence must not stand in the way of names, paths and models."""
    assert all(
        map(
            is_key_like,
            [
                "sk-proj-abcdefgh1234",
                "sk-ant-api03-abcdefgh",
                "AIzaSyA1234567890abcdefghijk",
                "Bearer gsk_abcdefgh12345",
            ],
        )
    )
    assert not any(
        map(
            is_key_like,
            ["openai:gpt-5", "sk-short", "key-store-folder/file1", "https://x.example", "skunkworks-12345678"],
        )
    )
    assert is_reference("env:A")
    assert not is_reference("sk-proj-abcdefgh1234")


def test_without_the_keyring_package_the_remedy_is_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """An optional package that is not there is named, with the command that installs it."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(
        ConfigurationError, match=r"needs the keyring extra\. Remedy: pip install 'backstay\[keyring\]'"
    ):
        resolve("keyring:a/b", NOTHING)
