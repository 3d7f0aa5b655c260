"""Agreement of the predicted with the true ejection fraction.

The predicted one is taken at the reference's ED and ES frames, so that it judges the masks and not the timing, which
has metrics of its own; several frames of one kind are averaged. Only the largest component of each mask counts. Where
a vision-language model takes the label's place there are no such frames, and the masks' own beats have to do.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import Field

from kdkit import ComponentOptions, InputFolder, Sample, VisionLanguage

from ..beats import find_beats
from ..geometry import area_curve, area_ejection_fraction, binarize, clean, discs_ejection_fraction
from .clip_metric import ClipMetric
from .truth import event_frames
from .zero_shot import Template, seen_ejection_fraction

# A correlation of two points is always 1 or -1.
LEAST_CASES = 3

# Percent; below it an ejection fraction is called reduced (EchoNet-Dynamic's own threshold).
REDUCED = 50


class EjectionFraction(ClipMetric):
    """Gathers (predicted, true) ejection fractions in percent, one case per clip.

    A prediction without a ventricle at end-diastole counts as 0 %: left out, a model that finds nothing in the
    difficult clips would be rewarded. Likewise a ventricle that grows counts as 0 %: no heart has less, and the ratio
    has no lower bound, so a single clip would outweigh all others. With a ``reference``, so does one without a beat,
    and a clip without a frame rate, in which no beat can be found, is not counted.
    """

    class Options(ComponentOptions):
        """What is compared with."""

        reference: InputFolder | None = Field(
            None,
            description="Compare with the ejection fraction that a vision-language model sees, instead of the "
            "labelled one: its folder in OpenCLIP's layout (EchoCLIP).",
        )
        prompts: tuple[Template, ...] = Field(
            ("THE LEFT VENTRICULAR EJECTION FRACTION IS ESTIMATED TO BE {}% ", "LV EJECTION FRACTION IS {}%. "),
            min_length=1,
            description="What the reference is asked, {} standing for 0 to 100.",
        )

    def __init__(self, options: ComponentOptions | None = None) -> None:
        super().__init__(options)
        self.needs_truth = self.parallel = self.options.reference is None

    def files(self) -> Sequence[Path]:
        """The files of the reference."""
        return VisionLanguage(self.options.reference).files() if self.options.reference else []

    @abstractmethod
    def estimate(self, masks: np.ndarray, ed: np.ndarray, es: np.ndarray) -> float:
        """The ejection fraction in percent of masks (T, H, W); NaN when the ventricle is empty at ED, or without ED
        or ES."""

    def measure(self, prediction: np.ndarray, sample: Sample) -> list[tuple[float, ...]]:
        if self.options.reference:
            if not sample.info.get("fps"):
                return []
            masks = clean(binarize(prediction))
            return self._cases(sample, masks, *find_beats(area_curve(masks), sample.info["fps"]))
        ed, es = event_frames(sample, "ed"), event_frames(sample, "es")
        return self._cases_at(sample, binarize(prediction), ed, es)

    def humans(self, sample: Sample) -> list[tuple[float, ...]]:
        """The tracings' ejection fraction against the noted one; masks of several people are averaged."""
        if "mask" not in sample.truth:
            return []
        traced = sample.truth["mask_frames"]
        ed, es = (np.flatnonzero(np.isin(traced, event_frames(sample, event))) for event in ("ed", "es"))
        return self._cases_at(sample, sample.truth["mask"], ed, es)

    def _cases_at(self, sample: Sample, masks: np.ndarray, ed: np.ndarray, es: np.ndarray) -> list[tuple[float, ...]]:
        """The case of masks (N, H, W), with ``ed`` and ``es`` their positions among them; none without both."""
        if len(ed) == 0 or len(es) == 0:
            return []
        event_masks = clean(masks[np.concatenate([ed, es])])
        return self._cases(sample, event_masks, np.arange(len(ed)), np.arange(len(es)) + len(ed))

    def _cases(self, sample: Sample, masks: np.ndarray, ed: np.ndarray, es: np.ndarray) -> list[tuple[float, ...]]:
        true = self._true(sample)
        if true is None:
            return []
        return [(float(np.clip(np.nan_to_num(self.estimate(masks, ed, es)), 0, 100)), true)]

    def _true(self, sample: Sample) -> float | None:
        """The ejection fraction to compare with, percent; None without one."""
        if self.options.reference:
            return seen_ejection_fraction(VisionLanguage(self.options.reference), sample.inputs, self.options.prompts)
        true_fraction = sample.truth.get("ejection_fraction")
        return None if true_fraction is None else float(true_fraction)


class OfAreas(EjectionFraction):
    """Ejection fraction of cavity areas: the fractional area change, set beside the ejection fraction of volumes."""

    def estimate(self, masks: np.ndarray, ed: np.ndarray, es: np.ndarray) -> float:
        return area_ejection_fraction(masks, ed, es)


class OfDiscs(EjectionFraction):
    """Ejection fraction of volumes by the method of discs."""

    def estimate(self, masks: np.ndarray, ed: np.ndarray, es: np.ndarray) -> float:
        return discs_ejection_fraction(masks, ed, es)


class Correlation(EjectionFraction):
    """Pearson's r of predicted and true values; NaN with fewer than three clips or without any spread."""

    unit = ""
    higher_is_better = True
    value_range = (-1, 1)

    def summarize(self, cases: np.ndarray) -> float:
        if len(cases) < LEAST_CASES or (np.ptp(cases, axis=0) == 0).any():
            return float("nan")
        return float(np.corrcoef(cases.T)[0, 1])


class MeanAbsoluteError(EjectionFraction):
    """Mean of |predicted - true|, in points of ejection fraction."""

    unit = "points"
    higher_is_better = False
    value_range = (0, math.inf)

    def summarize(self, cases: np.ndarray) -> float:
        return float(np.abs(cases[:, 0] - cases[:, 1]).mean())


class Bias(EjectionFraction):
    """Mean of predicted - true, in points of ejection fraction."""

    unit = "points"
    higher_is_better = None

    def summarize(self, cases: np.ndarray) -> float:
        return float((cases[:, 0] - cases[:, 1]).mean())


class Determination(EjectionFraction):
    """``1 - sum (predicted - true)^2 / sum (true - mean true)^2``; NaN when all true values are the same."""

    unit = ""
    higher_is_better = True
    value_range = (-math.inf, 1)

    def summarize(self, cases: np.ndarray) -> float:
        predicted, true = cases.T
        spread = float(((true - true.mean()) ** 2).sum())
        return 1 - float(((predicted - true) ** 2).sum()) / spread if spread > 0 else float("nan")


class RootMeanSquareError(EjectionFraction):
    """Root of the mean of (predicted - true)^2, in points of ejection fraction."""

    unit = "points"
    higher_is_better = False
    value_range = (0, math.inf)

    def summarize(self, cases: np.ndarray) -> float:
        return float(np.sqrt(((cases[:, 0] - cases[:, 1]) ** 2).mean()))


class ReducedFunction(EjectionFraction):
    """Area under the receiver operating characteristic for a true ejection fraction below 50 %.

    It is the chance that of a reduced and a normal heart the reduced one has the smaller predicted value, a tie
    counting half (Hanley and McNeil 1982); NaN when all are reduced, or none.
    """

    unit = ""
    higher_is_better = True
    value_range = (0, 1)

    def summarize(self, cases: np.ndarray) -> float:
        from scipy.stats import rankdata

        reduced = cases[:, 1] < REDUCED
        count, other_count = int(reduced.sum()), int((~reduced).sum())
        if count == 0 or other_count == 0:
            return float("nan")
        ranks = rankdata(-cases[:, 0])
        return float((ranks[reduced].sum() - count * (count + 1) / 2) / (count * other_count))


class AreaCorrelation(OfAreas, Correlation):
    """Pearson's r between ``100 (A_ED - A_ES) / A_ED`` and the true ejection fraction (Petit et al. 2025).

    None with fewer than three clips, or when all predicted or all true values are the same.
    """


class AreaError(OfAreas, MeanAbsoluteError):
    """Mean of ``|100 (A_ED - A_ES) / A_ED - EF|``. Areas shrink less than volumes: a perfect mask has an error, too.

    In points of ejection fraction; compare with the teacher's.
    """


class AreaBias(OfAreas, Bias):
    """Mean of ``100 (A_ED - A_ES) / A_ED - EF``. Areas shrink less than volumes: a perfect mask's is negative.

    In points of ejection fraction (Bland and Altman 1986). At normal function an area's is smaller by about a third;
    the tracings' own bias, where there are any, is that of a perfect mask.
    """

    zero_is_best = False


class AreaDetermination(OfAreas, Determination):
    """R², ``1 - sum (p - EF)^2 / sum (EF - mean EF)^2`` with ``p = 100 (A_ED - A_ES) / A_ED``.

    Areas shrink less than volumes, so a perfect mask has less than 1, and a bias can make it negative; see
    ``ef-area-r`` for agreement apart from scale. None when all true values are the same.
    """


class AreaRootMeanSquareError(OfAreas, RootMeanSquareError):
    """Root of the mean of ``(100 (A_ED - A_ES) / A_ED - EF)^2``. Areas shrink less: a perfect mask has an error, too.

    In points of ejection fraction; compare with the teacher's.
    """


class AreaReduced(OfAreas, ReducedFunction):
    """Area under the ROC curve of ``100 (A_ED - A_ES) / A_ED`` for a true ejection fraction below 50 %.

    0.5 is chance (Hanley and McNeil 1982; the threshold is that of Ouyang et al. 2020). None when all hearts are
    below, or none.
    """


class DiscsCorrelation(OfDiscs, Correlation):
    """Pearson's r between ``100 (V_ED - V_ES) / V_ED`` and the true ejection fraction.

    V is the single-plane method of discs (Lang et al. 2015). None with fewer than three clips, or when all predicted
    or all true values are the same.
    """


class DiscsError(OfDiscs, MeanAbsoluteError):
    """Mean of ``|100 (V_ED - V_ES) / V_ED - EF|`` in points of ejection fraction.

    V is the single-plane method of discs (Lang et al. 2015).
    """


class DiscsBias(OfDiscs, Bias):
    """Mean of ``100 (V_ED - V_ES) / V_ED - EF`` in points of ejection fraction (Bland and Altman 1986).

    V is the single-plane method of discs (Lang et al. 2015).
    """


class DiscsDetermination(OfDiscs, Determination):
    """R², ``1 - sum (p - EF)^2 / sum (EF - mean EF)^2`` with ``p = 100 (V_ED - V_ES) / V_ED``.

    V is the single-plane method of discs (Lang et al. 2015). Negative when the mean of all true values would have
    been the better prediction; None when all true values are the same.
    """


class DiscsRootMeanSquareError(OfDiscs, RootMeanSquareError):
    """Root of the mean of ``(100 (V_ED - V_ES) / V_ED - EF)^2``, in points of ejection fraction.

    V is the single-plane method of discs (Lang et al. 2015).
    """


class DiscsReduced(OfDiscs, ReducedFunction):
    """Area under the ROC curve of ``100 (V_ED - V_ES) / V_ED`` for a true ejection fraction below 50 %.

    V is the single-plane method of discs (Lang et al. 2015). 0.5 is chance (Hanley and McNeil 1982; the threshold is
    that of Ouyang et al. 2020). None when all hearts are below, or none.
    """
