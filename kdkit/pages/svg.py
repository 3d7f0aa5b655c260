"""Matplotlib figures as SVG that takes its colours and letters from the page around it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours that stand for the page's custom properties: no one would draw with them, so they can be found again.
COLOURS = {
    "ink": "#010200",
    "soft": "#010201",
    "line": "#010202",
    "card": "#010203",
    "teacher": "#010204",
    "student": "#010205",
    "control": "#010206",
    "humans": "#010207",
}
# Whatever is beside these is a control.
MODELS = ("teacher", "student", "humans")
_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "kdkit", "font.sans-serif": ["DejaVu Sans"], "font.size": 10}


def style_of(model: str) -> str:
    """The style, on pages and in charts, of a model: all controls share one."""
    return model if model in MODELS else "control"


def colour_of(model: str) -> str:
    return COLOURS[style_of(model)]


@contextmanager
def canvas(width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure of this size in inches with one pair of axes, under matplotlib's own defaults.

    The style holds inside the block only; what the user has set for his own plots is neither used nor changed.
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context(["default", _STYLE]):
        figure = Figure(figsize=(width, height), facecolor="none", layout="constrained")
        axes = figure.subplots()
        axes.set_facecolor("none")
        axes.tick_params(color=COLOURS["line"], labelcolor=COLOURS["soft"])
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(COLOURS["line"])
        yield figure, axes


def inline(figure: Figure, name: str, description: str) -> Markup:
    """The figure as an ``<svg>`` element; ``name`` keeps its ids apart from those of the page's other charts."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    # This rule would style the whole page.
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(href="|url\()#', rf"\1#{name}-", text)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", text, count=1)
    text = text.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1)
    for variable, colour in COLOURS.items():
        text = text.replace(colour, f"var(--{variable})")
    # Drawn here, and matplotlib escapes every text in it.
    return Markup(text)  # noqa: S704
