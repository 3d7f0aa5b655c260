"""A profile as one page that needs no other file: a flame of the work, and what the machine did meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from kdkit.pages.svg import COLOURS, canvas, inline
from kdkit.pages.template import render
from kdkit.profiling.recorder import OPERATION_STEPS, Profile, Work
from kdkit.profiling.sampler import Usage
from kdkit.progress import count_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 9.0
# Narrower pieces have no room for a name.
LEAST_SHARE = 0.05
MEBIBYTE = 2**20


@dataclass(frozen=True)
class _Bar:
    """A piece of a row of the flame, in seconds."""

    name: str
    start: float
    seconds: float


def page(profile: Profile, title: str, machine: str) -> str:
    """The profile as HTML. ``title``: what was profiled. ``machine``: on what."""
    return render(
        "profile.html",
        title=title,
        machine=machine,
        profile=profile,
        most_steps=OPERATION_STEPS,
        idle=profile.seconds - sum(work.seconds for work in profile.works),
        flame=flame_chart(profile),
        unlabelled=[(bar.name, bar.seconds) for bar in _stages(profile.works) if not _has_room(bar, profile)],
        count_of=count_of,
        usage=usage_charts(profile.usages),
        cores=_mean([usage.cores for usage in profile.usages]),
        memory=max((usage.memory for usage in profile.usages), default=0) / MEBIBYTE,
        read=max((usage.read for usage in profile.usages), default=0) / MEBIBYTE,
        written=max((usage.written for usage in profile.usages), default=0) / MEBIBYTE,
    )


def flame_chart(profile: Profile) -> Markup:
    """Three rows over time: stages, pieces of work, and torch's operations in proportion to their share of a work."""
    rows = {"stage": _stages(profile.works), "work": [_Bar(w.what, w.start, w.seconds) for w in profile.works]}
    rows["torch"] = [bar for work in profile.works for bar in _operations(work)]
    with canvas(WIDTH, 2.2) as (figure, axes):
        for height, bars in enumerate(reversed(rows.values())):
            for place, bar in enumerate(bars):
                colour = COLOURS["student"] if place % 2 else COLOURS["teacher"]
                axes.barh(height, bar.seconds, left=bar.start, height=0.9, color=colour, alpha=0.35)
                if _has_room(bar, profile):
                    middle = bar.start + bar.seconds / 2
                    label = _shorten(bar.name, bar.seconds / profile.seconds)
                    axes.text(middle, height, label, ha="center", va="center", color=COLOURS["ink"], fontsize=8)
        axes.set_yticks(range(len(rows)), list(reversed(rows)), color=COLOURS["soft"])
        axes.set_xlim(0, max(profile.seconds, 1e-9))
        axes.set_xlabel("seconds", color=COLOURS["soft"])
        return inline(figure, "flame", "Stages, pieces of work and operations over time")


def usage_charts(usages: Sequence[Usage]) -> list[Markup]:
    """Cores, memory and file traffic over time."""
    times = [usage.time for usage in usages]
    series = {
        "processor cores in use": [usage.cores for usage in usages],
        "memory, MiB": [usage.memory / MEBIBYTE for usage in usages],
        "read (dashed) and written since the start, MiB": [usage.written / MEBIBYTE for usage in usages],
    }
    charts = []
    for number, (label, values) in enumerate(series.items()):
        with canvas(WIDTH, 1.9) as (figure, axes):
            axes.plot(times, values, lw=1.2, color=COLOURS["student"])
            if number == len(series) - 1:
                read = [usage.read / MEBIBYTE for usage in usages]
                axes.plot(times, read, lw=1.2, ls=(0, (5, 2)), color=COLOURS["teacher"])
            _finish(axes, label)
            charts.append(inline(figure, f"usage{number}", f"{label}, over time"))
    return charts


def _finish(axes: Axes, label: str) -> None:
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds", color=COLOURS["soft"], fontsize=9)
    axes.set_title(label, color=COLOURS["soft"], fontsize=9, loc="left")
    axes.grid(axis="y", color=COLOURS["line"], lw=0.6)


def _has_room(bar: _Bar, profile: Profile) -> bool:
    return bar.seconds > LEAST_SHARE * profile.seconds


def _stages(works: Sequence[Work]) -> list[_Bar]:
    """Neighbouring works of a stage as one piece."""
    bars: list[_Bar] = []
    for work in works:
        if bars and bars[-1].name == work.stage:
            first = bars.pop()
            bars.append(_Bar(first.name, first.start, work.stop - first.start))
        else:
            bars.append(_Bar(work.stage, work.start, work.seconds))
    return bars


def _operations(work: Work) -> list[_Bar]:
    """The operations one after the other, as long as they would take if the whole work were like its begin."""
    bars, start = [], work.start
    for operation in work.operations:
        seconds = operation.seconds / max(work.observed, 1e-9) * work.seconds
        bars.append(_Bar(operation.name.removeprefix("aten::"), start, seconds))
        start += seconds
    # Operations on several threads take more time together than passes.
    total = start - work.start
    if total <= work.seconds:
        return bars
    scale = work.seconds / total
    return [_Bar(bar.name, work.start + (bar.start - work.start) * scale, bar.seconds * scale) for bar in bars]


def _shorten(name: str, share: float) -> str:
    """As much of a name as a piece of this share of the width has room for."""
    room = max(1, int(share * WIDTH * 13))
    return name if len(name) <= room else name[: max(1, room - 1)] + "…"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
