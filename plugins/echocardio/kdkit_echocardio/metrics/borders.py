"""Signed distance of the predicted from the true border by wall, at end-diastole or end-systole."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import numpy as np

from kdkit import ComponentOptions, Field, Sample

from ..geometry import WALLS, border_errors
from .mask_metric import MaskMetric, Pairs
from .truth import millimetres

_PARTS = {
    "all": WALLS,
    "septal": WALLS[:3],
    "lateral": WALLS[4:7],
    **{wall: (wall,) for wall in WALLS},
}


class BorderBias(MaskMetric):
    """Mean signed distance of the predicted border from the true one at a wall, in pixels; positive: too far out.

    One case per clip; see ``kdkit_echocardio.geometry.border_errors``. 0 is best. Of an empty prediction the
    borders have shrunk to the cavity's centre.
    """

    unit = "pixels"
    higher_is_better: ClassVar[bool | None] = None

    class Options(ComponentOptions):
        """Which border, when."""

        wall: Literal[
            "all",
            "septal",
            "lateral",
            "septal-basal",
            "septal-mid",
            "septal-apical",
            "apex",
            "lateral-apical",
            "lateral-mid",
            "lateral-basal",
            "mitral",
        ] = Field("all", description="A part of the border; septal and lateral are the three parts of that wall.")
        phase: Literal["ed", "es"] = Field("es", description="End-diastole or end-systole.")

    def __init__(self, options: ComponentOptions | None = None) -> None:
        super().__init__(options)
        self.events = (str(self.options.phase),)

    def pixel(self, sample: Sample) -> float | None:
        """The side of a pixel in the metric's unit; None where unknown."""
        return 1.0

    def cases(self, pairs: Pairs, sample: Sample) -> list[tuple[float, ...]]:
        pixel = self.pixel(sample)
        if not pixel:
            return []
        chosen = [WALLS.index(wall) for wall in _PARTS[self.options.wall]]
        errors = np.array([border_errors(predicted, true)[chosen] for predicted, true in pairs])
        return [(pixel * float(np.nanmean(errors)),)] if np.isfinite(errors).any() else []

    def humans(self, sample: Sample) -> list[tuple[float, ...]]:
        """None: of two people neither is the one that is biased."""
        return []


class BorderBiasMillimetres(BorderBias):
    """``border-bias`` in millimetres, over the clips whose pixel spacing is known."""

    unit = "mm"

    def pixel(self, sample: Sample) -> float | None:
        return millimetres(sample)


class BorderSpread(BorderBias):
    """Standard deviation over clips of the signed distance at a wall, in pixels (of a sample, with N - 1)."""

    higher_is_better = False
    value_range = (0, math.inf)

    def humans(self, sample: Sample) -> list[tuple[float, ...]]:
        """Each annotator of a frame against every other one."""
        return MaskMetric.humans(self, sample)

    def summarize(self, cases: np.ndarray) -> float:
        return float(cases[:, 0].std(ddof=1)) if len(cases) > 1 else float("nan")


class BorderSpreadMillimetres(BorderSpread, BorderBiasMillimetres):
    """``border-spread`` in millimetres, over the clips whose pixel spacing is known."""
