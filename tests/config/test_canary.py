"""The canary: a key in any place appears in no output, repr, error, traceback with locals, saved file or pickle."""

from __future__ import annotations

import base64
import copy
import logging
import os
import pickle
import traceback
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from rich.console import Console
from rich.pretty import pretty_repr
from rich.traceback import Traceback

from backstay.cli.config import command
from backstay.config import Config, Provider, explain, save, verify
from backstay.config.entry import Arguments, Entry
from backstay.config.environment import Environment
from backstay.errors import ConfigurationError

CANARY = "sk-canary-7Qk2/x+Y9Zw0Lm4Np"


def traces(text: str) -> list[str]:
    """The forms of the canary that `text` holds: whole, encoded, or its ends."""
    forms = {
        "plain": CANARY,
        "url": urllib.parse.quote(CANARY, safe=""),
        "base64": base64.b64encode(CANARY.encode()).decode()[:20],
        "first": CANARY[:10],
        "last": CANARY[-8:],
    }
    return [name for name, form in forms.items() if form in text]


def everything_about(error: BaseException) -> str:
    """What a log, a crash reporter with locals and a rich traceback would keep of an error raised in the library."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True, compact=False)
    own = [frame for frame in told.stack if "backstay" in frame.filename and "tests" not in frame.filename]
    console = Console(width=400, record=True, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    inner = error.__traceback__
    while inner is not None and "tests" in inner.tb_frame.f_code.co_filename:
        inner = inner.tb_next
    if inner is not None:
        console.print(Traceback.from_exception(type(error), error, inner, show_locals=True, locals_max_string=None))
    chained = [repr(link) + str(link) for link in (error.__cause__, error.__context__) if link is not None]
    console.file.close()
    return "\n".join(
        [str(error), repr(error), str([(frame.name, frame.locals) for frame in own]), console.export_text(), *chained]
    ) + str(pickle.loads(pickle.dumps(error)))


def keyring(service: str, user: str) -> str | None:
    return CANARY


GOOD: list[tuple[str | None, dict[str, str]]] = [
    (None, {"OPENAI_API_KEY": CANARY}),
    (None, {"BACKSTAY__PROVIDERS__OPENAI__KEY": CANARY}),
    (None, {"BACKSTAY__PROVIDERS__OPENAI__HEADERS__X_API_KEY": CANARY, "OPENAI_API_KEY": CANARY}),
    ("[providers.openai]\nkey = 'keyring:backstay/me'\n", {}),
    ("[providers.openai]\nkey = 'file:KEYFILE'\nheaders.x-token = 'file:KEYFILE'\n", {}),
    (
        "[transport]\ntrust_env = true\n",
        {"HTTPS_PROXY": f"http://u:{CANARY}@proxy.example:1", "OPENAI_API_KEY": CANARY},
    ),
]


@pytest.mark.parametrize(("text", "environ"), GOOD)
def test_settings_that_lead_to_a_key_never_show_it(
    read, tmp_path: Path, text: str | None, environ: dict[str, str]
) -> None:
    """Wherever the key is: it can be used, and nothing that is printed, logged, saved or pickled holds it."""
    (tmp_path / "k").write_text(CANARY)
    (tmp_path / "k").chmod(0o600)
    text = text.replace("KEYFILE", str(tmp_path / "k")) if text else None
    loaded = read(text, named=text is not None, environ=environ, keyring=keyring)
    assert loaded.key("openai").reveal() == CANARY
    saved = save(loaded.config, tmp_path / "saved.toml")
    loaded = msgspec.structs.replace(loaded, keyring=None)
    outputs = [
        repr(loaded),
        repr(explain(loaded)),
        repr(verify(loaded)),
        repr(loaded.key("openai") if "keyring" not in (text or "") else None),
        repr(loaded.headers("openai")),
        repr(msgspec.to_builtins(loaded.config)),
        saved.path.read_text(),
        pickle.dumps(loaded).decode("latin-1"),
        repr(copy.deepcopy(loaded)),
        repr(vars(type(loaded))),
    ]
    assert [traces(output) for output in outputs if traces(output)] == []


def test_a_pickled_load_finds_the_key_where_it_is_opened(read, monkeypatch: pytest.MonkeyPatch) -> None:
    """References travel to workers; each reads its own environment."""
    loaded = read(environ={"OPENAI_API_KEY": CANARY})
    monkeypatch.setenv("OPENAI_API_KEY", "the-key-of-the-worker")
    assert pickle.loads(pickle.dumps(loaded)).key("openai").reveal() == "the-key-of-the-worker"


BAD: list[Callable[..., object]] = [
    lambda read: read(f"[providers.openai]\nkey = '{CANARY}'\n"),
    lambda read: read(f"[providers.openai]\napi_key = '{CANARY}'\n"),
    lambda read: read(f"model = '{CANARY}'\n"),
    lambda read: read(f"{CANARY.replace('/', '').replace('+', '')[:9]} = '{CANARY}'\n"),
    lambda read: read(f"[providers.openai]\nheaders.authorization = 'Bearer {CANARY}'\n"),
    lambda read: read(f"[providers.openai]\nbase_url = 'https://x.example/?key={CANARY}'\n"),
    lambda read: read(f"[providers.openai]\nbase_url = 'https://u:{CANARY}@x.example'\n"),
    lambda read: read(f"[providers.openai]\ndialect = '{CANARY}'\n"),
    lambda read: read(f"[transport]\nproxy = 'http://u:{CANARY}@x.example'\n"),
    lambda read: read(f"[retry]\nmax_attempts = '{CANARY}'\n"),
    lambda read: read(f"[ledger]\nmode = '{CANARY}'\n"),
    lambda read: read(f"[ledger]\npath = '{CANARY}'\n"),
    lambda read: read(f"[providers.openai]\nkey = '{CANARY}\n"),
    lambda read: read(f"key = '{CANARY}' oops\n"),
    lambda read: read(environ={"OPENAI_API_KEY": CANARY, "BACKSTAY__RETRY__FACTOR": CANARY}),
    lambda read: read(environ={"BACKSTAY__NO__SUCH": CANARY, "LLM_PROVIDER": CANARY}),
    lambda read: read(environ={"OPENAI_BASE_URL": f"https://x.example/#{CANARY}", "LLM_MODEL": CANARY}),
    lambda read: read(environ={"OLLAMA_HOST": f"u:{CANARY}@box", "AWS_REGION": CANARY}),
    lambda read: read(arguments={"providers.openai.key": CANARY}),
    lambda read: read(
        arguments={"providers": {"openai": {"headers": {"cookie": CANARY}}}, "retry.max_attempts": CANARY}
    ),
    lambda read: read(environ={"OPENAI_API_KEY": f"{CANARY}\nX-Evil: 1"}).key("openai"),
    lambda read: read(environ={"OPENAI_API_KEY": CANARY}).key("anthropic"),
    lambda read: read("[providers.openai]\nkey = 'keyring:a/b'\n", keyring=lambda *_: f"{CANARY}\n{CANARY}").key(
        "openai"
    ),
    lambda read: Provider(key=CANARY),
    lambda read: save(Config(model=CANARY), "/nowhere/x.toml"),
    lambda read: save(Config(providers={"x": Provider(headers={"api-key": CANARY})}), "/nowhere/x.toml"),
]


@pytest.mark.parametrize("mistake", BAD, ids=range(len(BAD)))
def test_no_complaint_repeats_the_key_it_is_about(read, mistake: Callable[..., object]) -> None:
    """Message, repr, chained errors, pickled error, and every local of our frames: without the key."""
    with pytest.raises((ConfigurationError, ValueError)) as caught:
        mistake(read)
    assert traces(everything_about(caught.value)) == []


def test_what_carries_values_to_the_check_does_not_show_them() -> None:
    """An entry, the arguments and the environment may hold a key until it is refused; none of them shows it."""
    entry = Entry(place=("model",), value=CANARY, origin="argument")
    carriers = [entry, [entry], Arguments({"model": CANARY}), Environment({"OPENAI_API_KEY": CANARY})]
    shown = [repr(carrier) + pretty_repr(carrier) for carrier in carriers]
    assert [text for text in shown if traces(text)] == []


def test_the_canary_test_sees_a_leak() -> None:
    """The broken variant: a loader that keeps the environment in a local variable is found out."""
    source = "def careless(environ):\n    raise ValueError('a setting is wrong')\n"
    scope: dict[str, Callable[..., object]] = {}
    exec(compile(source, "/x/backstay/careless.py", "exec"), scope)
    with pytest.raises(ValueError) as caught:
        scope["careless"]({"OPENAI_API_KEY": CANARY})
    assert traces(everything_about(caught.value)) == ["plain", "first", "last"]


@pytest.mark.parametrize(
    "arguments", [["explain"], ["explain", "--json"], ["check"], ["check", "--json"], ["save", "out.toml"], ["path"]]
)
@pytest.mark.parametrize(
    "text", ["", f"[providers.openai]\nkey = '{CANARY}'\napi_key = '{CANARY}'\n", f"model = '{CANARY}"]
)
def test_no_command_prints_or_writes_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, arguments: list[str], text: str
) -> None:
    """Good settings and bad ones, to the terminal, to logs and to files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    (tmp_path / "in.toml").write_text(text)
    monkeypatch.setenv("BACKSTAY_CONFIG", "in.toml")
    with caplog.at_level(logging.DEBUG):
        result = CliRunner().invoke(command, arguments)
    assert traces(result.output + result.stderr + caplog.text + repr(result.exception)) == []
    assert [path.name for path in tmp_path.iterdir() if path.name != "in.toml" and traces(path.read_text())] == []
    assert result.exit_code == (0 if not text or arguments == ["path"] else 2)
