"""Template: a vendor's template of regular expressions, as invoice2data reads them (YAML), taken over as a layout.

    issuer: Imkerei Sonnental
    keywords: [Imkerei Sonnental, 'DE\\d{9}']
    fields:
      amount: 'Gesamt\\s+([\\d.,]+)'
      invoice_number: {parser: regex, regex: 'Nr\\. (\\S+)'}
      date: 'vom (\\d+\\.\\d+\\.\\d+)'
    options: {currency: EUR, decimal_separator: ',', date_formats: ['%d.%m.%Y']}

Keywords become marks that must all be there; a field becomes a hint by pattern, under our name where there is one. Taken over are
the parsers `regex` and `static`, the prefixes `static_` and `sum_`, and the options for currency, decimals, the order of day and
month, white space, accents and case. What else a template has is named and left out: its `lines` and `tables` are read by rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from backstay.errors import ConfigurationError
from backstay.kits.invoices.layout import Form, Hint, Kind, Layout, Mark

NAMES: Final = {
    "amount": "grand_total",
    "amount_untaxed": "net_total",
    "amount_tax": "tax_total",
    "date": "issue_date",
    "date_due": "due_date",
    "due_date": "due_date",
    "invoice_number": "number",
    "partner_name": "seller",
}
"""Their name to ours; another field keeps its own."""

OPTIONS: Final = (
    "currency",
    "decimal_separator",
    "date_formats",
    "remove_whitespace",
    "remove_accents",
    "lowercase",
    "languages",
)
"""What of their options is taken over, or is not needed here: the names of months are known in many languages."""

MEMBERS: Final = ("issuer", "name", "keywords", "exclude_keywords", "fields", "options", "required_fields", "priority")
PARSED: Final = ("parser", "regex", "type", "group", "value")


class Imported(NamedTuple):
    """The layout, and a sentence for each thing that was not taken over."""

    layout: Layout
    notes: tuple[str, ...]


def read_template(text: str, name: str) -> Imported:
    """The layout that the template `text` comes to. Raises ConfigurationError that names what is wrong with it."""
    import yaml_rs

    try:
        given = yaml_rs.loads(text)
    except yaml_rs.YAMLDecodeError as error:
        raise ConfigurationError(f"template {name}: is no YAML: {error}") from error
    if not isinstance(given, dict):
        raise ConfigurationError(f"template {name}: must be a mapping with issuer, keywords and fields")
    if faults := list(_faults(given)):
        raise ConfigurationError(*(f"template {name}: {fault}" for fault in faults))
    return _Template(name, given).imported()


def _faults(given: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(given.get("fields"), dict) or not given["fields"]:
        yield "needs fields, a mapping of names and regular expressions"
    if not _texts(given.get("keywords")):
        yield "needs keywords, by which its documents are told"
    if not isinstance(given.get("options", {}), dict | None):
        yield "options must be a mapping"


class _Template:
    """One template on its way to a layout."""

    def __init__(self, name: str, given: Mapping[str, Any]) -> None:
        self._name = name
        self._given = given
        self._options: Mapping[str, Any] = given.get("options") or {}
        self._notes = [f"{one}: is not taken over" for one in given if one not in MEMBERS]
        self._notes += [f"options.{one}: is not taken over" for one in self._options if one not in OPTIONS]

    def imported(self) -> Imported:
        """The layout and what it lacks."""
        hints = [
            hint for name, rule in self._given["fields"].items() if (hint := self._hint(str(name), rule)) is not None
        ]
        issuer = str(self._given.get("issuer") or "")
        fixed = {"seller": issuer, "currency": str(self._options.get("currency") or "")}
        taken = {hint.name for hint in hints}
        hints += [
            Hint(name=one, place="fixed", value=value) for one, value in fixed.items() if value and one not in taken
        ]
        layout = Layout(
            name=self._name,
            vendor=issuer,
            least=1.0,
            marks=tuple(Mark(text=one, is_pattern=True) for one in _texts(self._given["keywords"])),
            exclude=tuple(_texts(self._given.get("exclude_keywords"))),
            form=Form(
                is_squeezed=bool(self._options.get("remove_whitespace")),
                is_lower=bool(self._options.get("lowercase")),
                is_plain=bool(self._options.get("remove_accents")),
            ),
            day_first=_day_first(_texts(self._options.get("date_formats"))),
            decimal_mark=self._decimal_mark(),
            fields=tuple(hints),
        )
        return Imported(layout, tuple(self._notes))

    def _hint(self, name: str, rule: Any) -> Hint | None:
        """The hint of one field; None, with a note, for what is not taken over."""
        is_sum, is_fixed = name.startswith("sum_"), name.startswith("static_")
        plain = name.removeprefix("sum_").removeprefix("static_")
        ours = NAMES.get(plain, plain)
        kind = _kind(plain)
        if isinstance(rule, dict):
            if unknown := sorted(set(map(str, rule)) - set(PARSED)):
                self._notes.append(f"fields.{name}.{', '.join(unknown)}: is not taken over")
            parser = rule.get("parser")
            is_fixed, is_sum = parser == "static", rule.get("group") == "sum"
            kind = _KINDS.get(str(rule.get("type")), kind)
            if parser not in ("regex", "static") or rule.get("group") not in (None, "sum"):
                self._notes.append(
                    f"fields.{name}: the parser {parser!r} with group {rule.get('group')!r} is not taken over"
                )
                return None
            rule = rule.get("value") if is_fixed else rule.get("regex")
        texts = _texts(rule)
        if not texts:
            raise ConfigurationError(
                f"template {self._name}: fields.{name}: has neither a regular expression nor a value"
            )
        if is_fixed:
            return Hint(name=ours, place="fixed", value=texts[0], kind=_own(ours, kind))
        return Hint(name=ours, place="pattern", patterns=tuple(texts), is_sum=is_sum, kind=_own(ours, kind))

    def _decimal_mark(self) -> str | None:
        mark = self._options.get("decimal_separator")
        return str(mark) if mark in (".", ",") else None


_KINDS: Final[dict[str, Kind]] = {"float": "amount", "date": "date", "int": "text"}


def _kind(name: str) -> Kind:
    """How their field is read, by its name."""
    return "date" if name.startswith("date") else "amount" if name.startswith("amount") else "text"


def _own(name: str, kind: Kind) -> Kind | None:
    """The kind where it is not the one that the name has anyhow."""
    return None if Hint(name=name, label="x").reads == kind else kind


def _day_first(formats: list[str]) -> bool | None:
    """Whether the first format with a day and a month in numbers has the day before the month."""
    for one in formats:
        order = re.findall(r"%-?[dm]", one)
        if {mark[-1] for mark in order} == {"d", "m"}:
            return bool(order[0][-1] == "d")
    return None


def _texts(given: Any) -> list[str]:
    """One text or several, as a list; what is empty is none."""
    several = given if isinstance(given, list) else [given]
    return [str(one) for one in several if one not in (None, "")]
