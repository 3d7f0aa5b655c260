"""What a paired difference says, given how large a loss would matter."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import Literal

from kdkit.evaluation.paired import CaseRecord, Difference
from kdkit.runs.folder import STUDENT, TEACHER

Word = Literal["equivalent or better", "slightly worse", "worse", "cannot tell"]

# Beyond this many times the units that are there, "more would help" is no advice.
_MOST_TIMES = 100


@dataclass(frozen=True)
class Judgement:
    """``word``: one of four. ``more_units``: where that is "cannot tell", about how many more would settle it.

    None where no number of units is likely to: the difference lies on the margin, the doubt about the training seed
    alone holds the margin, or no interval could be given.
    """

    word: Word
    more_units: int | None = None


@dataclass(frozen=True)
class JudgedDifference(Difference):
    """A difference with the margin and the verdict that follows from it, as ``scores.json`` keeps it."""

    margin: float = 0.0
    verdict: Word = "cannot tell"
    more_units: int | None = None

    @staticmethod
    def of(
        difference: Difference, higher_is_better: bool | None, margin: float, wider: Difference | None = None
    ) -> JudgedDifference:
        """The difference, judged by its interval; ``wider``: by this one's, of a higher level."""
        judgement = judge(wider or difference, higher_is_better, margin)
        return JudgedDifference(
            **asdict(difference), margin=margin, verdict=judgement.word, more_units=judgement.more_units
        )


def judge(difference: Difference, higher_is_better: bool | None, margin: float) -> Judgement:
    """A model against the one it is compared with (Walker & Nowacki 2011, on equivalence and noninferiority).

    ``margin``: the loss, 0 or more, from which on a model counts as worse; in the unit of the difference.
    *equivalent or better*: the whole interval lies above minus the margin. *slightly worse*: it does,
    but all of it lies below zero. *worse*: the whole interval lies below minus the margin. Else *cannot tell*.
    """
    if difference.value is None or difference.ci_low is None or difference.ci_high is None:
        return Judgement("cannot tell")
    gain = 1.0 if higher_is_better else -1.0
    low, high = sorted((gain * difference.ci_low, gain * difference.ci_high))
    if low > -margin or low >= 0:
        return Judgement("slightly worse" if high < 0 else "equivalent or better")
    if high < -margin:
        return Judgement("worse")
    more = _more_units(
        gain * difference.value + margin, (high - low) / 2, difference.seed_half_width, difference.units
    )
    return Judgement("cannot tell", more)


def _more_units(distance: float, half_width: float, seed_half_width: float, units: int) -> int | None:
    """An interval shrinks with the square root of the units, until it leaves the margin out.

    Its part that comes of training seeds stays.
    """
    within_reach = distance**2 - seed_half_width**2
    unit_part = half_width**2 - seed_half_width**2
    if within_reach * _MOST_TIMES <= unit_part:
        return None
    return max(1, math.ceil(units * (unit_part / within_reach - 1)))


def judge_differences(
    record: CaseRecord, models: Collection[str], margin: Callable[[str], float], seed: int = 0
) -> dict[str, dict[str, JudgedDifference]]:
    """ "student-teacher" and the like to metric to the judged difference; left out where nothing can be paired.

    The student is set beside its teacher, and both beside every control.
    ``margin``: from a metric's name to the loss that would matter.
    """
    differences: dict[str, dict[str, JudgedDifference]] = {}
    controls = [model for model in models if model not in (STUDENT, TEACHER)]
    pairs = [(STUDENT, TEACHER), *((model, control) for control in controls for model in (STUDENT, TEACHER))]
    for model, other in pairs:
        if not {model, other} <= set(models):
            continue
        for name, metric in record.metrics.items():
            pair = record.pair(name, model, other, seed)
            if pair.n:
                verdict = JudgedDifference.of(pair.difference(), metric.higher_is_better, margin(name))
                differences.setdefault(f"{model}-{other}", {})[name] = verdict
    return differences
