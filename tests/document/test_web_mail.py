"""HTML and e-mail: what a reader sees, in rows, and what the message carries."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.document import DocumentEmpty, read_bytes, read_document
from backstay.document.web import html_to_text

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "invoices"


def test_tables_keep_their_rows() -> None:
    """A row is one line, its cells two spaces apart, blocks inside a cell do not break it."""
    markup = "<table><tr><td>Total</td><td><div>9.00</div></td></tr><tr><td>Tax<td>1.00</table>"
    assert html_to_text(markup) == "Total  9.00\nTax  1.00"


def test_what_nobody_sees_is_left_out() -> None:
    """Scripts, styles and the head are no text; entities and white space are as displayed."""
    markup = "<head><title>T</title></head><style>p{}</style><script>x=1</script><p>A &amp;\n  B&nbsp;C<br>D</p><p>E"
    assert html_to_text(markup) == "A & B C\nD\nE"


@given(st.text(alphabet="<>/abtdr &;!-p\"='", max_size=120))
def test_any_markup_is_read(markup: str) -> None:
    """Broken markup is read as far as it goes, as browsers do."""
    assert isinstance(html_to_text(markup), str)


@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-8", "windows-1251"])
def test_the_declared_character_set_is_used(charset: str) -> None:
    """`<meta charset>` decides where it fits."""
    word = "счёт" if charset == "windows-1251" else "Gebühr"
    markup = f'<html><meta charset="{charset}"><p>{word}</p></html>'
    assert read_bytes(markup.encode(charset), source="a.html").text == word


def test_a_wrong_character_set_is_not_believed() -> None:
    """A page that declares nonsense is read by its bytes."""
    assert read_bytes('<meta charset="klingon"><p>Gebühr</p>'.encode(), source="a.html").text == "Gebühr"


def test_the_example_page() -> None:
    """A whole page comes out in rows, without its script's numbers."""
    text = read_document(EXAMPLES / "uk-hosting.html").text
    assert "Managed server, March  2  64.00  128.00" in text
    assert "999.99" not in text


def test_headers_and_body_of_a_message() -> None:
    """Encoded headers and bodies are decoded; the text says who, to whom, when and what about."""
    document = read_document(EXAMPLES / "de-abo.eml")
    assert document.media_type == "message/rfc822"
    assert document.text.startswith("From: Wochenblatt Verlag <rechnung@wochenblatt.example>\nTo: Jonas Petersen")
    assert "Subject: Ihre Rechnung für März" in document.text
    assert "vielen Dank für Ihr Abonnement" in document.text


def message(body: str | None = None, html: str | None = None) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = "Invoice"
    if body is not None:
        mail.set_content(body)
    if html is not None:
        mail.add_alternative(html, subtype="html") if body is not None else mail.set_content(html, subtype="html")
    return mail


def test_the_plain_body_is_preferred() -> None:
    """Of two bodies the plain one is read, and HTML alone is read as a page."""
    assert "plain" in read_bytes(message("plain", "<p>rich</p>").as_bytes(), source="a.eml").text
    assert "rich" not in read_bytes(message("plain", "<p>rich</p>").as_bytes(), source="a.eml").text
    assert read_bytes(message(html="<p>rich<br>text</p>").as_bytes(), source="a.eml").text.endswith("rich\ntext\n")


def test_attached_files_come_along() -> None:
    """An attachment has its name, kind and bytes, and can be read on its own."""
    mail = message("see the file")
    pdf = (EXAMPLES / "us-software.pdf").read_bytes()
    mail.add_attachment(pdf, maintype="application", subtype="pdf", filename="rechnung für märz.pdf")
    (file,) = read_bytes(mail.as_bytes(), source="a.eml").attachments
    assert (file.name, file.media_type) == ("rechnung für märz.pdf", "application/pdf")
    assert "BF-20418" in read_bytes(file.content, source=file.name).text


def test_a_wrong_charset_is_a_warning() -> None:
    """A body that is not what its header says is read by its bytes, and said so."""
    raw = (
        b'Subject: x\nContent-Type: text/plain; charset="us-ascii"\nContent-Transfer-Encoding: 8bit\n\nGeb\xc3\xbchr\n'
    )
    document = read_bytes(raw, source="a.eml")
    assert "Gebühr" in document.text
    assert document.warnings == ("the body is not us-ascii",)


def test_a_message_without_anything_is_empty() -> None:
    """Headers alone are no document."""
    with pytest.raises(DocumentEmpty, match="neither text nor attachments"):
        read_bytes(b"Subject: x\n\n\n", source="a.eml")
