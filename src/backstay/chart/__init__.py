"""Charts and pages for reports: the same data as SVG, as PNG, as text for a terminal, and inside one HTML file without assets."""

from backstay.chart.data import Bars, Lines, Series
from backstay.chart.page import Section, page, table
from backstay.chart.plot import plot
from backstay.chart.png import to_png
from backstay.chart.shape import Picture, stacked
from backstay.chart.svg import to_svg
from backstay.chart.text import to_text

__all__ = [
    "Bars",
    "Lines",
    "Picture",
    "Section",
    "Series",
    "page",
    "plot",
    "stacked",
    "table",
    "to_png",
    "to_svg",
    "to_text",
]
