"""The lines of an invoice's table, read where the text keeps its rows: a name, and numbers that multiply.

A row counts when its last amount is quantity times unit price (or nearly: discounts are printed between), or when the row has
a name and stands between the table's header and its totals. The sum of the lines is checked against the net or the gross
total, and the confidence says whether it agreed.
"""

from __future__ import annotations

import re
from decimal import Decimal

import msgspec

from backstay.offline.amount import Amount, find_amounts, format_amount
from backstay.offline.finding import Finding
from backstay.offline.pairing import AMOUNT_KINDS, Row
from backstay.offline.text import Cell, fold

_HEADER = re.compile(
    r"description|designation|bezeichnung|beschreibung|artikel|item|product|descripcion|concepto|descrizione|omschrijving|descricao|nazwa|"
    r"leistung|libelle|produit|prestation|perihal|butiran"
)
_HEADER_AMOUNT = re.compile(
    r"amount|total|price|betrag|preis|montant|prix|importe|precio|importo|prezzo|bedrag|prijs|valor|preco|wartosc|cena|summe|entgelt|"
    r"qty|quantity|menge|quantite|cantidad|quantita|aantal|qtd|ilosc|jumlah|harga"
)
_LEADING = re.compile(r"^\d{1,3}[.)]?\s+(?=[^\W\d]{2})")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A table row: each part with its place, absent parts as None."""

    name: Cell
    quantity: Amount | None
    unit_price: Amount | None
    total: Amount
    right: int


def find_lines(rows: list[Row], totals: dict[str, Finding]) -> tuple[list[dict[str, str | None]], dict[str, Finding]]:
    """The lines as data and their findings by path (`lines[0].total`); empty where no row multiplies."""
    lines, confidence = _choose([line for line in map(_read, _table(rows)) if line is not None], totals)
    data: list[dict[str, str | None]] = []
    fields: dict[str, Finding] = {}
    for i, line in enumerate(lines):
        name = line.name
        found = {
            "name": Finding(
                value=name.text, confidence=confidence, start=name.start, end=name.end, rule="invoice.line"
            ),
            "quantity": _amount_finding(line.quantity, confidence),
            "unit_price": _amount_finding(line.unit_price, confidence),
            "total": _amount_finding(line.total, confidence),
        }
        fields.update({f"lines[{i}].{name}": finding for name, finding in found.items()})
        data.append({name: finding.value for name, finding in found.items()})
    return data, fields


def _choose(lines: list[Line], totals: dict[str, Finding]) -> tuple[list[Line], float]:
    """The rows that multiply; with them those whose total stands in the same column, where the sum asks for them."""
    multiplied = [line for line in lines if line.quantity is not None]
    if not multiplied or _agrees(multiplied, totals):
        return multiplied, 0.92
    columns = {line.right for line in multiplied}
    aligned = [
        line for line in lines if line.quantity is not None or any(abs(line.right - column) <= 2 for column in columns)
    ]
    return (aligned, 0.85) if _agrees(aligned, totals) else (multiplied, 0.5)


def _amount_finding(amount: Amount | None, confidence: float) -> Finding:
    if amount is None:
        return Finding(reason="not printed on this line")
    return Finding(
        value=format_amount(amount.value),
        confidence=confidence,
        start=amount.start,
        end=amount.end,
        rule="invoice.line",
    )


def _table(rows: list[Row]) -> list[Row]:
    """The rows between the table's header and its totals or the next section; section subtotals are passed over."""
    start = next((i for i, row in enumerate(rows) if _is_header(row)), None)
    if start is None:
        return []
    table: list[Row] = []
    for row in rows[start + 1 :]:
        kinds = _leading_kinds(row) if row.amounts else set()
        is_section = len(row.cells) == 1 and row.is_bare and row.line.text.endswith(":")
        if any(line.amounts for line in table) and (kinds & {"gross", "payable", "tax"} or is_section):
            break
        if not kinds:
            table.append(row)
    return table


def _leading_kinds(row: Row) -> set[str]:
    """The kinds of totals that a row begins with; a row with many amounts is a line, whatever its article is called."""
    if len(row.amounts) >= 3:
        return set()
    return {
        label.kind
        for label in row.labels
        if label.kind in AMOUNT_KINDS and label.start < row.cells[0].end and ":" not in row.cells[0].text[:3]
    }


def _is_header(row: Row) -> bool:
    folded = fold(row.line.text)
    return (
        len(row.cells) >= 3 and bool(_HEADER.search(folded)) and bool(_HEADER_AMOUNT.search(folded)) and not row.amounts
    )


def _read(row: Row) -> Line | None:
    """A row's parts when it has a name and at least one amount, else None."""
    if not row.amounts or len(row.cells) < 2:
        return None
    name = _name(row)
    if name is None or name.start > row.amounts[-1].start:
        return None
    line = row.line.text
    numbers = [
        _shift(n, row)
        for n in find_amounts(line)
        if not n.is_percent and not line[max(0, n.start - 1) : n.start].isalnum()
    ]
    quantity, price, total = _multiply([n for n in numbers if not name.start <= n.start < name.end], row.amounts[-1])
    return Line(
        name=name, quantity=quantity, unit_price=price, total=total, right=row.column + total.end - row.line.start
    )


def _name(row: Row) -> Cell | None:
    """The cell with the most letters, without the line's number before it; None where no cell is a name."""
    cells = [
        cell
        for cell in row.cells
        if not _is_numeric(cell.text) and ":" not in cell.text and sum(map(str.isalpha, cell.text)) >= 2
    ]
    if not cells:
        return None
    cell = max(cells, key=lambda cell: sum(map(str.isalpha, cell.text)))
    lead = _LEADING.match(cell.text)
    return Cell(text=cell.text[lead.end() :], start=cell.start + lead.end(), end=cell.end) if lead else cell


def _is_numeric(text: str) -> bool:
    return sum(char.isalpha() for char in text) < sum(char.isdigit() for char in text)


def _shift(amount: Amount, row: Row) -> Amount:
    return msgspec.structs.replace(amount, start=amount.start + row.line.start, end=amount.end + row.line.start)


def _multiply(numbers: list[Amount], total: Amount) -> tuple[Amount | None, Amount | None, Amount]:
    """Quantity and unit price among a row's numbers: the first two whose product is an amount of the row."""
    totals = [n for n in numbers if n.decimals == 2]
    for i, left in enumerate(numbers):
        for right in numbers[i + 1 :]:
            for product in reversed(totals):
                if product.start in (left.start, right.start):
                    continue
                if _is_product(left.value, right.value, product.value):
                    quantity, price = (right, left) if left.decimals >= 2 > right.decimals else (left, right)
                    return quantity, price, product
    return None, None, total


def _is_product(left: Decimal, right: Decimal, product: Decimal) -> bool:
    """Whether a product is right within a cent, or within what rounding a unit price to cents does to many pieces."""
    most = max(abs(left), abs(right))
    tolerance = max(Decimal("0.01"), min(most * Decimal("0.005"), abs(product) / 200))
    return abs(left * right - product) <= tolerance


def _agrees(lines: list[Line], totals: dict[str, Finding]) -> bool:
    total = sum((line.total.value for line in lines), Decimal(0))
    printed = (totals["net_total"].value, totals["grand_total"].value)
    return any(value is not None and Decimal(value) == total for value in printed)
