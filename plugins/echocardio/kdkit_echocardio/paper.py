"""Charts as SVG pictures: white by day and dark by night, letters as letters."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .drawing import colour_of

# Stands for the page's ink by day or by night, which the file chooses where it is shown.
INK = "#808080"
_GROUND = """<style type="text/css">
   svg {background: #fff; color: #57606b}
   @media (prefers-color-scheme: dark) {svg {background: #1b2129; color: #b4bdc9}}
  </style>"""
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "kdkit",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@contextmanager
def chart(width: float, height: float, rows: int = 1, columns: int = 1) -> Iterator[tuple[Any, Any]]:
    """A figure of this size in inches with one pair of axes, or an array of them."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, figure.subplots(rows, columns, sharex=True)


def svg(figure: Any) -> bytes:
    """The figure as a file of its own; the same figure gives the same bytes."""
    target = io.BytesIO()
    figure.savefig(target, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    image = target.getvalue().decode().replace(INK, "currentColor")
    return image.replace("<style", f"{_GROUND}\n  <style", 1).encode()


def line_colour(name: str) -> str:
    """The colour of a model or of the truth as matplotlib takes it."""
    return "#{:02x}{:02x}{:02x}".format(*colour_of(name))
