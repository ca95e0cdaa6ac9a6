"""Charts and pages for reports: the same data as SVG, as text for a terminal, and inside one HTML file without assets."""

from backstay.chart.data import Bars, Lines, Series
from backstay.chart.page import Section, page, table
from backstay.chart.svg import to_svg
from backstay.chart.text import to_text

__all__ = ["Bars", "Lines", "Section", "Series", "page", "table", "to_svg", "to_text"]
