"""A schema opens nothing: no connection, no file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from backstay.errors import ConfigurationError
from backstay.extract.schema import load_schema
from backstay.prompts.library import PromptLibrary
from backstay.prompts.template import Template
from backstay.recover import align
from backstay.recover.validator import make_validator
from backstay.tools.check import ArgumentCheck
from backstay.tools.mend import mend_schema

pytestmark = pytest.mark.slow


class Listener:
    """A server on loopback that notes what it is asked for."""

    def __init__(self) -> None:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"type": "string"}')

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing is printed."""

        self.asked = asked
        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


def _prompt(schema: dict[str, Any]) -> None:
    library = PromptLibrary(with_shipped=False, templates=[Template(name="one", user="Hello", schema=schema)])
    if faults := library.faults():
        raise ConfigurationError(*faults)


DOORS: dict[str, Any] = {
    "extract": load_schema,
    "align": lambda schema: align({}, schema),
    "tool": lambda schema: ArgumentCheck("find", schema),
    "foreign tool": mend_schema,
    "prompt": _prompt,
}


def _schema(**facts: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"total": {"type": "number"}}, **facts}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_a_reference_to_a_server_is_refused_and_not_asked_for(door: Any, listener: Listener) -> None:
    """Wherever a schema enters, a remote `$ref` is one line that names it and the remedy; the server hears nothing."""
    reference = f"{listener.address}/x.json"
    with pytest.raises((ConfigurationError, ValueError)) as refused:
        door(_schema(properties={"total": {"$ref": reference}}))
    said = str(refused.value)
    assert reference in said
    assert "#/$defs/" in said
    assert "\n" not in said
    assert listener.asked == []


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_a_reference_to_a_file_is_not_opened(door: Any, tmp_path: Path) -> None:
    """`file:` is refused alike, even where the file is a schema that would do."""
    file = tmp_path / "part.json"
    file.write_text('{"type": "number"}')
    with pytest.raises((ConfigurationError, ValueError), match=r"part\.json"):
        door(_schema(properties={"total": {"$ref": file.as_uri()}}))


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_a_meta_schema_is_not_fetched(door: Any, listener: Listener) -> None:
    """An unknown `$schema` is named, with what to write instead."""
    with pytest.raises((ConfigurationError, ValueError), match=r"\$schema"):
        door(_schema(**{"$schema": f"{listener.address}/meta.json"}))
    assert listener.asked == []


def test_the_listener_hears_a_validator_that_fetches(listener: Listener) -> None:
    """The broken variant: a validator with its own retriever is heard, so silence above means something."""
    jsonschema_rs.validator_for({"$ref": f"{listener.address}/x.json"})
    assert listener.asked


def test_references_inside_of_a_schema_and_to_published_drafts_hold() -> None:
    """`#/$defs`, an `$id` of the schema's own and the meta-schemas of json-schema.org need nobody."""
    inside = {"$id": "https://a.example/q", "$defs": {"a": {"$id": "b.json", "type": "string"}}, "$ref": "b.json"}
    assert not make_validator(inside).is_valid(1)
    assert not make_validator({"$ref": "https://json-schema.org/draft/2020-12/schema"}).is_valid({"type": 5})
    assert not make_validator({"$defs": {"a": {"type": "string"}}, "$ref": "#/$defs/a"}).is_valid(1)


def test_a_wrong_schema_is_one_line_with_its_place() -> None:
    """What is wrong stands at the place where it is."""
    with pytest.raises(ValueError, match=r"^\$\.properties\.a\.type: [^\n]+$"):
        make_validator({"properties": {"a": {"type": "nothing"}}})
