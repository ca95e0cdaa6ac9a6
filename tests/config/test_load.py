"""Sources, precedence, provenance, and all faults at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay.config import Config, Provider
from backstay.config.setting import Retry, Timeouts
from backstay.errors import ConfigurationError


def faults_of(read, *args, **options) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        read(*args, **options)
    return caught.value.faults


def test_without_any_source_the_defaults_hold(read) -> None:
    """No file, no variable, no argument: exactly the defaults, and offline."""
    loaded = read()
    assert loaded.config == Config()
    assert loaded.model == "offline:rules"
    assert {source.partition(":")[0] for source in loaded.sources.values()} == {"default"}


def test_the_defaults_are_the_promised_numbers() -> None:
    """The numbers that users read in the docs and rely on."""
    assert Config().timeouts == Timeouts(connect=10, first_event=120, between_events=60, total=600)
    retry = Retry(max_attempts=3, first_delay=1, factor=2, max_delay=60, jitter=0.25, total_time=300, budget_ratio=0.1)
    assert Config().retry == retry
    extract = Config().extract
    assert (extract.accept_at, extract.validate_below, extract.validate_fields, extract.auto_validate_at) == (
        0.75,
        0.9,
        5,
        0.95,
    )


@pytest.mark.parametrize(
    ("sources", "value", "origin"),
    [
        ("", 3, "default"),
        ("f", 4, "file backstay.toml:3"),
        ("fe", 5, "environment BACKSTAY__RETRY__MAX_ATTEMPTS"),
        ("fea", 6, "argument"),
        ("fa", 6, "argument"),
        ("e", 5, "environment BACKSTAY__RETRY__MAX_ATTEMPTS"),
    ],
)
def test_arguments_win_over_environment_over_file_over_defaults(read, sources: str, value: int, origin: str) -> None:
    """The order of precedence, and where the winner came from."""
    loaded = read(
        "# a comment\n[retry]\nmax_attempts = 4\n" if "f" in sources else None,
        environ={"BACKSTAY__RETRY__MAX_ATTEMPTS": "5"} if "e" in sources else {},
        arguments={"retry.max_attempts": 6} if "a" in sources else None,
    )
    assert loaded.config.retry.max_attempts == value
    assert loaded.sources["retry.max_attempts"] == origin


def test_sources_meet_in_one_section(read) -> None:
    """Each setting is merged on its own, within a provider too."""
    loaded = read(
        '[providers.openai]\nheaders = { X-Team = "blue" }\nmodel = "gpt-5"\n',
        environ={"OPENAI_API_KEY": "made-up", "OPENAI_BASE_URL": "https://gateway.example/v1"},
        arguments={"providers": {"openai": {"model": "gpt-5-nano"}}},
    )
    assert loaded.config.providers["openai"] == Provider(
        key="env:OPENAI_API_KEY", base_url="https://gateway.example/v1", headers={"X-Team": "blue"}, model="gpt-5-nano"
    )


def test_an_argument_of_none_was_not_given(read) -> None:
    """Command lines hand on what they have; None must not overrule."""
    assert read("model = 'openai:gpt-5'\n", arguments={"model": None}).config.model == "openai:gpt-5"


def test_none_as_a_word_takes_a_limit_away(read) -> None:
    """TOML and variables have no null, so the word stands for it, where a setting may be absent."""
    loaded = read('[timeouts]\ntotal = "none"\n', environ={"BACKSTAY__TIMEOUTS__CONNECT": "none"})
    assert (loaded.config.timeouts.total, loaded.config.timeouts.connect) == (None, None)
    assert any("retry.factor: expects a number" in fault for fault in faults_of(read, '[retry]\nfactor = "none"\n'))


def test_every_fault_of_every_source_is_told_at_once(read) -> None:
    """One run, one list: unknown names, wrong types, ranges, joint faults, each with file and line or variable."""
    text = """\
[retry]
max_attemps = 4
factor = "2"
jitter = 1.5
max_delay = 0.5
[timeout]
total = 1
other = 2
[ledger]
mode = "fast"
[extract]
validate_fields = 2.5
accept_at = true
"""
    environ = {"BACKSTAY__RETRY__TOTAL_TIME": "soon", "BACKSTAY__TRANSPORT__TRUST_ENV": "maybe"}
    assert faults_of(read, text, environ=environ, arguments={"timeouts.total": -1}) == (
        "backstay.toml:2: retry.max_attemps: no such setting; did you mean retry.max_attempts?",
        "backstay.toml:3: retry.factor: expects a number of at least 1, not text",
        "backstay.toml:4: retry.jitter: expects a number from 0 to 1, not 1.5",
        "backstay.toml:5: retry.max_delay: 0.5 is below first_delay, which is 1: raise it",
        "backstay.toml:7: timeout: no such setting; did you mean timeouts?",
        "backstay.toml:10: ledger.mode: expects one of full, normal, off, not text",
        "backstay.toml:12: extract.validate_fields: expects a whole number of at least 0, not 2.5",
        "backstay.toml:13: extract.accept_at: expects a number from 0 to 1, not true",
        "environment BACKSTAY__RETRY__TOTAL_TIME: retry.total_time: expects a number above 0, not text",
        "environment BACKSTAY__TRANSPORT__TRUST_ENV: transport.trust_env: expects true or false, not text",
        'argument: timeouts.total: expects a number above 0 or "none", not -1',
    )


def test_a_wrong_value_is_a_fault_also_where_another_overrules_it(read) -> None:
    """A wrong file is wrong, even if today's environment hides it."""
    found = faults_of(read, "[retry]\nmax_attempts = 0\n", arguments={"retry.max_attempts": 2})
    assert found == ("backstay.toml:2: retry.max_attempts: expects a whole number of at least 1, not 0",)


@pytest.mark.parametrize("value", ["inf", "nan", "-inf", "1e400", "9" * 400, "1_000_000_000_000_000"])
def test_no_setting_takes_a_number_without_bound(read, value: str) -> None:
    """NaN passes every comparison the wrong way round; infinity and giants break clocks."""
    assert len(faults_of(read, f"[retry]\ntotal_time = {value}\n")) == 1


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("retry = 5\n", "backstay.toml:1: retry: is a section: write [retry] and its settings under it"),
        ("[model]\nname = 1\n", "backstay.toml:2: model.name: no such setting; model is one value, not a table"),
        ("model = ['a']\n", "backstay.toml:1: model: expects text, not a list"),
        ("model = 2026-01-01\n", "backstay.toml:1: model: expects text, not a date or time"),
        ("model = ' '\n", "backstay.toml:1: model: is empty: leave it out for the default"),
        ("[retrys]\n", "backstay.toml:1: retrys: no such setting; did you mean retry?"),
        ("max_attempts = 3\n", "backstay.toml:1: max_attempts: no such setting; did you mean retry.max_attempts?"),
        (
            "[providers.'My Server']\nmodel = 'x'\n",
            "backstay.toml:2: providers.My Server.model: the name of a table here is a name of",
        ),
        (
            "[providers.opnai]\nmodel = 'x'\n",
            "backstay.toml:2: providers.opnai: is not built in, so it needs a base_url; did you mean",
        ),
        ("model = 'gpt-5'\n", "backstay.toml:1: model: names no known provider; write provider:model"),
        ("model = 'opnai:gpt-5'\n", "backstay.toml:1: model: names no known provider; did you mean openai:...?"),
        ("model = 'openai:'\n", "backstay.toml:1: model: names no model after the colon"),
        ("model = 'ollama'\n", "backstay.toml:1: model: ollama has no default model: write ollama:MODEL"),
        (
            "[providers.own]\nbase_url = 'http://localhost:1'\ndialect = 'openai-chat'\n",
            "backstay.toml:3: providers.own.dialect: is no known dialect; did you mean openai_chat?",
        ),
        ("a = \n", "backstay.toml: is not TOML: Invalid value (at line 1, column 5)"),
        ("a = 1\na = 2\n", "backstay.toml: is not TOML: Cannot overwrite a value (at line 2, column 6)"),
    ],
)
def test_each_kind_of_mistake_has_its_own_words(read, text: str, fault: str) -> None:
    """What is wrong, where, and what to write instead."""
    (found,) = faults_of(read, text)
    assert found.startswith(fault)


def test_a_file_that_cannot_be_read_is_a_fault(read, tmp_path: Path) -> None:
    """A file that was named must be there; any file must be UTF-8, of a sane size and a file."""
    assert faults_of(read, path_of(tmp_path, b"\xff"), named=True) == ("backstay.toml: is not UTF-8 (byte 0)",)
    assert "larger than" in faults_of(read, path_of(tmp_path, b"#" * (1 << 20) + b"\n"), named=True)[0]
    assert "a nesting beyond" in faults_of(read, path_of(tmp_path, b"a = " + b"[" * 100_000), named=True)[0]
    (tmp_path / "backstay.toml").unlink()
    assert faults_of(read, named=True) == ("backstay.toml: cannot be read (No such file or directory)",)
    environ = {"BACKSTAY_CONFIG": "there.toml"}
    assert faults_of(read, environ=environ) == ("there.toml: cannot be read (No such file or directory)",)


def path_of(folder: Path, data: bytes) -> None:
    """Write the bytes; gives None, so that `read` leaves the file alone."""
    (folder / "backstay.toml").write_bytes(data)


def test_the_first_file_that_is_named_or_found_is_read(read, tmp_path: Path) -> None:
    """The argument, then BACKSTAY_CONFIG, then the working folder, then the user's folder; one file, never a mixture."""
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "backstay.toml").write_text("[retry]\nfactor = 3\n")
    assert read().config.retry.factor == 3
    assert read().source.origin == "user folder"
    (tmp_path / "backstay.toml").write_text("[retry]\njitter = 0.5\n")
    here = read()
    assert (here.config.retry.factor, here.config.retry.jitter, here.source.origin) == (2, 0.5, "working folder")
    (tmp_path / "named.toml").write_text("[retry]\nfactor = 4\n")
    named = read(environ={"BACKSTAY_CONFIG": "named.toml"})
    assert (named.config.retry.factor, named.source.origin) == (4, "environment BACKSTAY_CONFIG")
    assert read(named=True, environ={"BACKSTAY_CONFIG": "named.toml"}).source.origin == "argument"


def test_windows_line_ends_and_a_byte_order_mark_are_fine(read, tmp_path: Path) -> None:
    """What editors of other systems write is read the same."""
    (tmp_path / "backstay.toml").write_bytes(b"\xef\xbb\xbf[retry]\r\nfactor = 3\r\n")
    assert read().sources["retry.factor"] == "file backstay.toml:2"
