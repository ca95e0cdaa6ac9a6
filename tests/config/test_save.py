"""Saving: what is not a default, atomically, private, readable again, and nobody's comments lost."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.codecs.registry import provider
from backstay.config import Config, Provider, load, save
from backstay.config.save import HEADER, Disk, render
from backstay.config.setting import Extract, Ledger, Retry, Timeouts, Transport
from backstay.errors import ConfigurationError

FULL = Config(
    model="mine:large",
    providers={
        "openai": Provider(key="env:OPENAI_API_KEY"),
        "mine": Provider(
            base_url="http://localhost:8000/v1", headers={"X-Team": 'blue "\\ team', "api-key": "file:/k"}
        ),
        "bare": Provider(base_url="http://localhost:1"),
    },
    timeouts=Timeouts(total=None, connect=2.5),
    retry=Retry(max_attempts=7),
    transport=Transport(trust_env=True),
)


def test_only_what_differs_from_the_defaults_is_written(tmp_path: Path) -> None:
    """The defaults make an empty file; a changed setting one line in its section."""
    assert render(Config()) == HEADER
    assert render(Config(retry=Retry(max_attempts=7))) == HEADER + "\n[retry]\nmax_attempts = 7\n"


def test_what_is_saved_is_what_is_read_again(tmp_path: Path) -> None:
    """Every kind of value comes back equal, limits that were taken away and quoted text too."""
    saved = save(FULL, tmp_path / "deep" / "down.toml")
    assert load(saved.path, environ={}, rows=[provider("openai")]).config == FULL


@given(
    st.builds(
        Config,
        model=st.none() | st.sampled_from(["offline", "openai:a", 'openai:"\\\n\x7f\x00é']),
        retry=st.builds(
            Retry, jitter=st.floats(0, 1), max_delay=st.floats(1, 1e14), max_attempts=st.integers(1, 10**14)
        ),
        timeouts=st.builds(Timeouts, total=st.none() | st.floats(1e-9, 1e14)),
        extract=st.builds(Extract, validate_fields=st.integers(0, 99)),
        ledger=st.builds(
            Ledger, mode=st.sampled_from(["full", "normal", "off"]), path=st.none() | st.text("aé'\"\\#\n", min_size=1)
        ),
    )
)
def test_any_settings_survive_the_file(config: Config) -> None:
    """The text is TOML, and its values are exactly those of the settings."""
    table = tomllib.loads(render(config))
    assert table.get("model") == config.model
    assert table.get("retry", {}).get("jitter", 0.25) == config.retry.jitter
    total = table.get("timeouts", {}).get("total", 600.0)
    assert (None if total == "none" else total) == config.timeouts.total
    assert table.get("ledger", {}).get("path") == config.ledger.path


def test_the_file_is_private_and_replaced_as_a_whole(tmp_path: Path) -> None:
    """Mode 0600 even over an open file; nothing else is left in the folder; a link is followed, not replaced."""
    target = tmp_path / "backstay.toml"
    target.write_text(HEADER)
    target.chmod(0o644)
    (tmp_path / "link.toml").symlink_to(target)
    saved = save(FULL, tmp_path / "link.toml")
    assert saved.path == target
    assert saved.backup is None
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backstay.toml", "link.toml"]
    assert (tmp_path / "link.toml").is_symlink()


class FullDisk(Disk):
    """No room for another name."""

    def replace(self, source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")


class WatchedDisk(Disk):
    """Notes the order of what is asked of it."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def sync(self, descriptor: int) -> None:
        self.steps.append("sync")
        super().sync(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        self.steps.append("replace")
        super().replace(source, target)


def test_a_device_is_neither_read_nor_replaced() -> None:
    """A target that is no regular file is refused at once: /dev/full has no end to be read to."""
    with pytest.raises(ConfigurationError, match="no regular file"):
        save(Config(), "/dev/full")
    assert not Path("/dev/full").is_file()


def test_a_failed_write_leaves_the_former_file(tmp_path: Path) -> None:
    """A crash between writing and renaming costs nothing but the new text."""
    target = tmp_path / "backstay.toml"
    save(Config(retry=Retry(max_attempts=5)), target)
    former = target.read_text()
    with pytest.raises(OSError, match="No space left"):
        save(FULL, target, disk=FullDisk())
    assert target.read_text() == former
    assert [path.name for path in tmp_path.iterdir()] == ["backstay.toml"]


def test_comments_of_the_user_are_kept_in_a_backup(tmp_path: Path) -> None:
    """Rewriting loses comments, so the former file stays; each backup has a name of its own; our own files need none."""
    target = tmp_path / "backstay.toml"
    former = "# mine\n[retry] # why\nfactor = 3\n"
    target.write_text(former)
    first = save(FULL, target)
    assert first.backup == tmp_path / "backstay.toml.bak"
    assert first.backup.read_text() == former
    assert stat.S_IMODE(first.backup.stat().st_mode) == 0o600
    assert save(FULL, target).backup is None
    target.write_text("# other\n")
    assert save(FULL, target).backup == tmp_path / "backstay.toml.bak1"
    assert first.backup.read_text() == former


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        (
            Config(retry=Retry(max_attempts=0)),
            "settings: retry.max_attempts: expects a whole number of at least 1, not 0",
        ),
        (Config(retry=Retry(max_delay=0.5)), "settings: retry.max_delay: 0.5 is below first_delay"),
        (Config(model="sk-abcdefgh12345678"), "settings: model: looks like a key"),
        (
            Config(providers={"x": Provider(headers={"authorization": "Bearer abc"})}),
            "settings: providers.x.headers.authorization: holds a",
        ),
        (Config(transport=Transport(proxy="http://u:p@host:1")), "settings: transport.proxy: holds a user"),
    ],
)
def test_settings_that_load_would_refuse_are_not_written(tmp_path: Path, config: Config, fault: str) -> None:
    """Settings made in code are checked before a byte is written."""
    with pytest.raises(ConfigurationError) as caught:
        save(config, tmp_path / "backstay.toml")
    assert caught.value.faults[0].startswith(fault)
    assert list(tmp_path.iterdir()) == []


def test_the_text_is_on_disk_before_it_takes_the_old_place(tmp_path: Path) -> None:
    """Synced, then renamed, then the folder synced: after a power cut there is a whole file under the name."""
    disk = WatchedDisk()
    save(FULL, tmp_path / "backstay.toml", disk=disk)
    assert disk.steps == ["sync", "replace", "sync"]
