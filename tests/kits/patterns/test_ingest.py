"""Files become events: columns by their names, lines by their heads, messages by their templates; faults with their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay.errors import ConfigurationError
from backstay.kits.patterns import open_store
from backstay.kits.patterns.ingest import Reading, read_events
from backstay.kits.patterns.logline import read_line, read_time
from backstay.kits.patterns.name import canonical, is_same, read_name
from backstay.kits.patterns.template import TemplateMiner, grouping_accuracy

LINES = {
    "2026-04-06 08:03:24,123 INFO [shop.web] order received": ("2026-04-06T08:03:24.123000+00:00", "shop.web", "order received"),
    "2026-04-06T08:03:24Z ERROR shop.pay: refused": ("2026-04-06T08:03:24+00:00", "shop.pay", "refused"),
    "Apr  6 08:03:24 host sshd[12]: Failed password for root": ("2026-04-06T08:03:24+00:00", "sshd", "Failed password for root"),
    "[Mon Apr 06 08:03:24 2026] [error] child 7 failed": ("2026-04-06T08:03:24+00:00", None, "child 7 failed"),
    "260406 080324 148 INFO dfs.Node: block stored": ("2026-04-06T08:03:24+00:00", "dfs.Node", "block stored"),
    "- 1775462604 2026.04.06 R0 2026-04-06-08.03.24.1 R0 RAS KERNEL INFO parity error": (
        "2026-04-06T08:03:24+00:00", "KERNEL", "parity error",
    ),
    "2026-04-06 08:03:24,123 - WARN  [Worker:Listener@12] - thread ends": (
        "2026-04-06T08:03:24.123000+00:00", "Listener", "thread ends",
    ),
}  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_the_head_of_a_line_is_read(line: str) -> None:
    """Time, component and message of the usual forms."""
    when, component, content = LINES[line]
    found = read_line(line, 2026)
    assert found is not None
    moment = read_time(found["when"], 2026)
    assert moment is not None
    assert (moment.isoformat(), found.get("component"), found["content"]) == (when, component, content)


def test_a_line_without_a_time_goes_on_with_the_one_before(tmp_path: Path) -> None:
    """A stack trace belongs to its error; a log that begins without a time is refused with its line."""
    (tmp_path / "a.log").write_text("2026-04-06 08:00:00 ERROR a: broke\n  at line 1\n2026-04-06 08:00:01 INFO a: ok\n")
    events = read_events(tmp_path / "a.log")
    assert [one.raw_text for one in events] == ["broke\n  at line 1", "ok"]
    (tmp_path / "b.log").write_text("no time here\n")
    with pytest.raises(ConfigurationError, match=r"b\.log:1: no time"):
        read_events(tmp_path / "b.log")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "", "it is empty"),
        ("a.jsonl", "\n\n", "it is empty"),
        ("a.log", "", "it is empty"),
        ("a.csv", "what,when,who\n", "a heading only"),
    ],
)
def test_a_file_without_events_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    """It is said why nothing is in it, rather than that nothing was added."""
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigurationError, match=f"holds no event: {said}"):
        read_events(tmp_path / name)


def test_columns_are_known_by_their_names(tmp_path: Path) -> None:
    """An XES-like row, a table in words of its own, and an event of ours give the same kind of event."""
    (tmp_path / "x.jsonl").write_text(
        '{"case": "7", "concept:name": "Check", "time:timestamp": "2026-04-06T08:00:00+02:00", "org:resource": "Ada",'
        ' "org:group": "North", "lifecycle:transition": "complete", "amount": 12.5}\n'
    )
    (one,) = read_events(tmp_path / "x.jsonl")
    assert (one.what, one.who, one.where, one.how, one.case_id) == ("Check", ("Ada",), "North", "complete", "7")
    assert one.attributes == {"amount": "12.5"}
    (tmp_path / "y.csv").write_text("Activity,Date,Actor,Amount\nCheck,2026-04-06,Ada,3\n")
    (two,) = read_events(tmp_path / "y.csv", reading=Reading(domain="market", source_id="sheet", ignore=("amount",)))
    assert (two.what, two.when, two.who, two.domain, two.source_id) == (
        "Check",
        "2026-04-06",
        ("Ada",),
        "market",
        "sheet",
    )
    assert two.attributes == {}


def test_lines_end_where_the_format_says(tmp_path: Path) -> None:
    """A line separator of Unicode inside a JSON text, a line break inside a cell and a Windows line end are no other record."""
    (tmp_path / "x.jsonl").write_text('{"what": "a\u2028b", "when": "2026-04-06"}\n', encoding="utf-8")
    assert [one.what for one in read_events(tmp_path / "x.jsonl")] == ["a\u2028b"]
    (tmp_path / "x.csv").write_bytes(b'what,when,note\r\nb,2026-04-06,"two\r\nlines"\r\nc,2026-04-07,one\r\n')
    first, second = read_events(tmp_path / "x.csv")
    assert (first.attributes["note"].split(), second.what) == (["two", "lines"], "c")
    (tmp_path / "x.log").write_bytes(b"2026-04-06 08:00:00 INFO a: ok\r\n")
    assert [one.raw_text for one in read_events(tmp_path / "x.log")] == ["ok"]


def test_all_faults_at_once_and_nothing_else(tmp_path: Path) -> None:
    """A file with wrong rows is refused whole, each with its line."""
    (tmp_path / "x.csv").write_text("what,when\na,2026-01-01\nb,soon\n,2026-01-02\n")
    with pytest.raises(ConfigurationError) as caught:
        read_events(tmp_path / "x.csv")
    assert len(caught.value.faults) == 2
    assert ":3: no time in 'soon'" in str(caught.value)
    assert ":4: event: what: is empty" in str(caught.value)
    (tmp_path / "y.jsonl").write_text("{}\n[1]\n")
    with pytest.raises(ConfigurationError, match=r"y\.jsonl:2"):
        read_events(tmp_path / "y.jsonl")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_events(tmp_path / "none.csv")


def test_events_that_look_alike_are_kept_apart_and_a_file_is_known_again(tmp_path: Path) -> None:
    """The same act of the same person to the second, in one case twice, is two events; the file again adds none."""
    line = '{"case": "7", "activity": "Scan", "timestamp": "2026-04-06T08:00:00Z", "resource": "Ada"}\n'
    (tmp_path / "x.jsonl").write_text(line * 2 + line.replace('"7"', '"8"'))
    with open_store(":memory:") as store:
        assert store.add_events(read_events(tmp_path / "x.jsonl")) == (3, 0)
        assert store.add_events(read_events(tmp_path / "x.jsonl")) == (0, 3)


def test_templates_group_messages() -> None:
    """Values are masked or learned; messages of another kind are another group."""
    messages = [
        f"user {name} logged in from 10.0.0.{n}"
        for n, name in enumerate(("ann", "bob", "eve", "fay", "gus", "ida", "kim", "leo"))
    ]
    messages += [f"took {n}.5 seconds to start" for n in range(3)] + ["disk full"]
    found = TemplateMiner().fit(messages)
    assert len(set(found)) == 3
    assert found[0] == "user <*> logged in from <*>"
    assert grouping_accuracy(found, ["a"] * 8 + ["b"] * 3 + ["c"]) == 1
    assert grouping_accuracy(["x"] * 12, ["a"] * 8 + ["b"] * 3 + ["c"]) == 0
    assert TemplateMiner().fit(["", ""]) == ["", ""]


def test_forms_of_a_name_are_one_person() -> None:
    """Titles, order, initials and accents do not matter; another given name does, and what is unclear stays apart."""
    assert read_name("Hon. John A. Smith Jr.") == read_name("SMITH, JOHN A., JR.")
    assert read_name("Maître José García-López").family == "garcia-lopez"
    assert read_name("Ludwig van der Berg, Esq.").family == "van der berg"
    assert is_same(read_name("Judge J. Smith"), read_name("John Smith"))
    assert not is_same(read_name("Jane Smith"), read_name("John Smith"))
    assert not is_same(read_name("John Smith Jr."), read_name("John Smith Sr."))
    with pytest.raises(ValueError, match="holds no name"):
        read_name("Judge, Hon.")
    found = canonical(["Hon. Ruth M. Adair", "ADAIR, RUTH", "Judge Smith", "John Smith", "Jane Smith", ""])
    assert found["Hon. Ruth M. Adair"] == found["ADAIR, RUTH"] == "ruth m adair"
    assert found["Judge Smith"] == "smith"
    assert found[""] == ""
