"""Papers as PDF: the only module that knows typst (the extra `docs`).

The layout below is fixed; the paper comes in as JSON, so its words are content and never markup. No date is written into the
file, so the same paper gives the same bytes.
"""

from __future__ import annotations

from typing import Final

import msgspec

from backstay.errors import ConfigurationError
from backstay.kits.denials.paper import Paper

LAYOUT: Final = r"""
#let paper = json(bytes(sys.inputs.paper))
#set document(title: paper.title, date: none)
#set page("us-letter", margin: (x: 1in, y: 0.9in), footer: context {
  set text(8.5pt, fill: luma(90))
  paper.title
  h(1fr)
  [page #counter(page).display("1 of 1", both: true)]
})
#set text(font: "Libertinus Serif", size: 11pt, lang: "en")
#set par(justify: false, leading: 0.62em, spacing: 1em)
#show heading: set block(above: 1.3em, below: 0.7em, sticky: true)
#let fill-in(line) = {
  show regex("\[[^\]]+\]"): it => box(fill: rgb("#fff3c4"), inset: (x: 2pt), outset: (y: 2.5pt), radius: 1.5pt, it)
  text(line)
}
#let stack-lines(lines) = if lines.len() > 0 { block(below: 1.4em, lines.map(fill-in).join(linebreak())) }
#let is-letter = paper.form == "letter"
#let is-checklist = paper.form == "checklist"
#let big-title = block(above: 0pt, below: 1.1em, text(17pt, weight: "bold", paper.title))
#if not is-letter { big-title }
#stack-lines(paper.sender)
#stack-lines(paper.recipient)
#if paper.day != "" { stack-lines((paper.day,)) }
#if is-letter { block(above: 1.2em, below: 0.9em, text(13pt, weight: "bold", paper.title)) }
#if paper.references.len() > 0 {
  block(breakable: false, below: 1.4em, stroke: (y: 0.5pt + luma(160)), inset: (y: 7pt), width: 100%, table(
    columns: (auto, 1fr), stroke: none, inset: (x: 0pt, y: 2.6pt), column-gutter: 14pt,
    ..paper.references.map(pair => (text(fill: luma(70), pair.at(0)), fill-in(pair.at(1)))).flatten()))
}
#if paper.salutation != "" { par(paper.salutation) }
#for section in paper.sections {
  if section.heading != "" { heading(level: 2, outlined: false, text(11.5pt, section.heading)) }
  for words in section.paragraphs { par(fill-in(words)) }
  if section.items.len() > 0 {
    if is-checklist {
      for item in section.items {
        block(above: 0.75em, below: 0.75em, grid(columns: (16pt, 1fr),
          box(width: 9pt, height: 9pt, stroke: 0.8pt, baseline: 1pt), fill-in(item)))
      }
    } else { list(indent: 4pt, spacing: 0.75em, ..section.items.map(fill-in)) }
  }
}
#if paper.closing.len() > 0 {
  block(breakable: false, above: 1.6em, paper.closing.map(fill-in).join([#linebreak() #v(0.5em)]))
}
#if paper.footer.len() > 0 {
  v(1em)
  line(length: 100%, stroke: 0.4pt + luma(170))
  set text(9pt, fill: luma(70))
  for words in paper.footer { par(words) }
}
"""


def paper_to_pdf(paper: Paper) -> bytes:
    """The paper as a PDF file. Raises ConfigurationError where typst is not installed."""
    try:
        import typst
    except ImportError as error:
        raise ConfigurationError("PDF needs typst: pip install 'backstay[docs]'") from error
    given = msgspec.json.encode(msgspec.to_builtins(paper)).decode()
    made: bytes = typst.compile(LAYOUT.encode(), sys_inputs={"paper": given})
    return made
