"""A comparison as one page that needs no other file."""

from __future__ import annotations

from kdkit.compare.comparison import Comparison
from kdkit.report.numbers import compact, significant, written
from kdkit.report.summary import DIRECTIONS
from kdkit.report.template import render

TEMPLATE = "compare.html"


def page(comparison: Comparison) -> str:
    """The comparison as HTML."""
    return render(
        TEMPLATE, found=comparison, written=written, directions=DIRECTIONS, compact=compact, significant=significant
    )
