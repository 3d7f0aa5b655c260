"""The words that contracts, stages and pages share: small types without behaviour of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from kdkit.sample import Sample

Activation = Literal["sigmoid", "softmax", "identity"]
Infer = Callable[[Sequence[np.ndarray]], list[np.ndarray]]


@dataclass(frozen=True)
class Case:
    """A sample of the evaluation with every model's prediction for it.

    ``rank``: "best", "median" or "worst", by the student's first metric, "" for one of all samples; ``score``: that
    metric on this sample, NaN where it could not be measured.
    ``predictions``: model name ("teacher", "student", "control") to a float32 array, activated. "control" is the
    first of the recipe's controls, if there is one, whatever it is called there; the student is that of seed 0.
    """

    rank: str
    score: float
    sample: Sample
    predictions: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Figure:
    """A picture for the report: ``data`` of the type ``media_type`` (image/png, image/svg+xml, image/gif ...)."""

    title: str
    caption: str
    media_type: str
    data: bytes


@dataclass(frozen=True)
class Preview:
    """What the page of ``kdkit predict`` shows of a file beside its row.

    ``picture``: a small one, some kilobytes; its title is for those who cannot see it. ``curve``: a value for each
    item (an area for each frame, say), drawn as a line from 0 on; what is below 0 is drawn as 0. ``marks``: items of
    the curve by what they are called ({"ED": 12}). ``caption``: a few words below the curve on what it shows, from
    where to where and in which unit ("area 12 to 25 cm², 0.9 s").
    """

    picture: Figure | None = None
    curve: Sequence[float] = ()
    marks: Mapping[str, int] = field(default_factory=dict)
    caption: str = ""


@dataclass(frozen=True)
class Published:
    """A published result, shown beside those of a sweep.

    ``weights``: the model's number of them; ``score``: its value of the metric named ``metric``; ``source``: where it
    was published and on what it was measured, as a sentence.
    """

    name: str
    weights: int
    metric: str
    score: float
    source: str


@dataclass(frozen=True)
class Defect:
    """Something wrong with one item of a user's data.

    ``kind``: a short name, the same for the same fault (``missing-file``). ``name``: the item. ``detail``: what was
    found. ``dropped``: whether a run leaves the item out because of it.
    """

    kind: str
    name: str
    detail: str
    dropped: bool


@dataclass(frozen=True)
class Table:
    """A small table for people and programs: text, numbers, or None for what is unknown."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Inspection:
    """What :meth:`kdkit.Domain.check_data` found.

    ``facts``: JSON-able, in the order in which they are shown. ``used``: how many items a run would use; together
    with :attr:`dropped` that is all of them.
    """

    used: int
    facts: Mapping[str, Any]
    tables: Sequence[Table] = ()
    defects: Sequence[Defect] = ()
    pictures: Sequence[Figure] = ()

    @property
    def dropped(self) -> int:
        """How many items a run leaves out: an item with several faults counts once."""
        return len(dropped_kinds(self.defects))


def dropped_kinds(defects: Sequence[Defect]) -> dict[str, str]:
    """For each item that is left out, the first kind of fault that leaves it out."""
    kinds: dict[str, str] = {}
    for defect in defects:
        if defect.dropped:
            kinds.setdefault(defect.name, defect.kind)
    return kinds


def summarize_defects(defects: Sequence[Defect]) -> str:
    """``3 left out: 2 undecodable, 1 wrong-size; 1 doubtful: 1 still``; empty when nothing is wrong.

    The numbers of what is left out add up; a doubtful item, which is used, counts once for each of its defects.
    """
    kinds = dropped_kinds(defects)
    doubts = {(defect.name, defect.kind) for defect in defects if defect.name not in kinds}
    parts = []
    if kinds:
        parts.append(f"{len(kinds)} left out: {_counted(kinds.values())}")
    if doubts:
        parts.append(f"{len({name for name, _ in doubts})} doubtful: {_counted(sorted(kind for _, kind in doubts))}")
    return "; ".join(parts)


def _counted(kinds: Iterable[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in Counter(kinds).most_common())
