"""How much of what could be gained the student has: its place between a floor and a ceiling."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from kdkit.contracts.metric import Score
from kdkit.evaluation.judgement import JudgedDifference
from kdkit.evaluation.outcome import Outcome
from kdkit.runs.folder import HUMANS, TEACHER


@dataclass(frozen=True)
class Share:
    """Where a score and its interval lie between floor (0) and ceiling (1); floor and ceiling are taken as exact."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Retention:
    """``floor``, ``ceiling``: the models at 0 and 1. ``shares``: every model's place on the first metric."""

    floor: str
    ceiling: str
    shares: Mapping[str, Share]


def measure_retention(outcome: Outcome, real: Collection[str] = ()) -> Retention | None:
    """The share of the way from the floor, the first control, to the ceiling that each model has gone.

    The ceiling is the first of the controls ``real``, which learnt from the same teacher on a user's own data; else
    the teacher. A metric that is best at zero counts by its distance from zero. None where there is no control,
    or the ceiling is no better than the floor.
    """
    scores = {model: score for model in outcome.scores if (score := outcome.first(model)) and model != HUMANS}
    ceiling = next((control for control in outcome.controls if control in real), TEACHER)
    if not outcome.controls or outcome.controls[0] == ceiling:
        return None
    floor = outcome.controls[0]
    values = {model: _goodness(score.value, score) for model, score in scores.items()}
    bottom, top = values.get(floor), values.get(ceiling)
    if bottom is None or top is None or not top > bottom:
        return None
    gap = outcome.difference(TEACHER, floor)
    if ceiling == TEACHER and gap is not None and not _is_certain(gap, scores[floor]):
        return None

    def place(number: float | None, score: Score) -> float | None:
        goodness = _goodness(number, score)
        return None if goodness is None else (goodness - bottom) / (top - bottom)

    shares = {}
    for model, score in scores.items():
        value = place(score.value, score)
        if value is None:
            continue
        ends = [end for end in (place(score.ci_low, score), place(score.ci_high, score)) if end is not None]
        # Zero is best, and the interval holds it: some of the interval is better than both of its ends.
        if score.higher_is_better is None and score.ci_low is not None and score.ci_high is not None:
            ends += [end for end in (place(0.0, score),) if end is not None and score.ci_low < 0 < score.ci_high]
        shares[model] = Share(value, min(ends), max(ends)) if ends else Share(value, None, None)
    return Retention(floor, ceiling, shares)


def _is_certain(gap: JudgedDifference, score: Score) -> bool:
    if gap.ci_low is None or gap.ci_high is None:
        return False
    return gap.ci_low > 0 if score.higher_is_better else gap.ci_high < 0


def _goodness(value: float | None, score: Score) -> float | None:
    """The number on a scale on which more is better."""
    if value is None:
        return None
    if score.higher_is_better is None:
        return -abs(value)
    return value if score.higher_is_better else -value
