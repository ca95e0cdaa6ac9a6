"""Kind: whether a document is a receipt, paid at a till, or an invoice, to be paid: they have different fields.

Told by the words that only one of them has, counted once each. A till says what was handed over and what came back, thanks, and
names a cashier; an invoice says until when and to which account. In doubt it is an invoice, which asks for more.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["invoice", "receipt"]


def _words(*several: str) -> re.Pattern[str]:
    return re.compile(rf"\b({'|'.join(several)})\b", re.IGNORECASE)


TILL: Final = _words(
    r"cash(?:ier)?|change|rounding(?: adj\w*)?|tender(?:ed)?|receipt|thank you|please come again|till|table|pax|covers",
    r"goods sold|non.?refundable|member card|points|visa|mastercard|contactless|approved|gst summary",
    r"kassenbon|bar(?:zahlung)?|wechselgeld|rueckgeld|rückgeld|bediener|kasse|bon|ticket|caisse|rendu|especes|espèces",
    r"scontrino|resto|contante|documento commerciale|kassabon|wisselgeld|pinnen|efectivo|cambio|paragon|gotówka|fiskaln\w+",
)
BILL: Final = _words(
    r"due date|payment terms|terms of payment|please pay|remit to|bill to|invoice to|iban|bic|swift|sort code",
    r"purchase order|order no|customer (?:no|number|id)|delivery note|\w*rechnungs?(?:-?(?:nr|nummer|datum|korrektur))?|zahlbar",
    r"fällig|kundennummer|leistungszeitraum|skonto|facture|échéance|fattura|scadenza|factura|vencimiento|factuur",
    r"vervaldatum|\w*faktura\w*|termin płatności|fatura|due(?= *:)",
    r"\w*laskun?|eräpäivä|splatnost\w*|for(?:falls|falds)dato|förfallodatum",
)


NARROW: Final = 60
"""Columns: the widest line of a till's roll of 80 mm, and what text recognition makes of it."""


def kind_of(text: str) -> Kind:
    """What `text` is more like, by the number of different words of each kind that stand in it, and by the width of its paper."""
    till = len({found[0].lower() for found in TILL.finditer(text)})
    bill = len({found[0].lower() for found in BILL.finditer(text)})
    is_narrow = max((len(line.rstrip()) for line in text.splitlines()), default=0) <= NARROW
    return "receipt" if (till > bill and (till >= 2 or is_narrow)) or (is_narrow and bill == 0) else "invoice"
