"""How often intervals hold the truth and verdicts are wrong, by simulation: ``python benchmarks/calibration.py``.

Pairs of models whose true difference is known are measured on simulated units (patients). Each row is one kind of
data and one number of units: the share of intervals that hold the true difference (95 % is right), and how often a
verdict is wrong in the case that is hardest for it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np

from kdkit.contracts.bootstrap import UnitCases, bootstrap_interval
from kdkit.evaluation.judgement import judge
from kdkit.evaluation.paired import Difference

MARGIN = 0.02
UNITS = (12, 30, 112)
Models = list[UnitCases]
Draw = Callable[[np.random.Generator, int, float], Models]


def paired(loss: np.ndarray, hard: np.ndarray, unit: np.ndarray) -> Models:
    """Two models on the same cases; ``loss``: the second one's difference on each case."""
    units = int(unit.max()) + 1
    return [UnitCases(values[:, None], unit, units) for values in (hard, hard + loss)]


def normal(rng: np.random.Generator, units: int, true: float) -> Models:
    """Both models fail on the same hard cases: their scores correlate with 0.93."""
    return paired(rng.normal(true, 0.04, units), rng.normal(0.85, 0.1, units), np.arange(units))


def skewed(rng: np.random.Generator, units: int, true: float) -> Models:
    """Most losses are small, a few are large: gamma with shape 3."""
    loss = true - 0.02 * (rng.gamma(3, 1 / 3, units) - 1)
    return paired(loss, rng.normal(0.85, 0.1, units), np.arange(units))


def clustered(rng: np.random.Generator, units: int, true: float) -> Models:
    """One to six clips of each patient, alike within the patient."""
    unit = np.repeat(np.arange(units), rng.integers(1, 7, units))
    loss = true + rng.normal(0, 0.04, units)[unit] + rng.normal(0, 0.01, len(unit))
    return paired(loss, rng.normal(0.85, 0.1, len(unit)), unit)


def correlation_of(cases: np.ndarray) -> float:
    return float(np.corrcoef(cases.T)[0, 1])


def correlations(rng: np.random.Generator, units: int, true: float) -> Models:
    """Predictions of one quantity by two models whose correlations with it are 0.8 and 0.8 + ``true``."""
    truth = rng.normal(0, 1, units)
    shared = rng.normal(0, 1, units)
    models = []
    for r in (0.8, 0.8 + true):
        noise = (shared + rng.normal(0, 1, units)) / np.sqrt(2)
        cases = np.stack([r * truth + np.sqrt(1 - r * r) * noise, truth], axis=1)
        models.append(UnitCases(cases, np.arange(units), units))
    return models


DRAWS: dict[str, tuple[Draw, Callable[[np.ndarray], float] | None]] = {
    "normal": (normal, None),
    "skewed": (skewed, None),
    "clustered": (clustered, None),
    "Pearson's r": (correlations, correlation_of),
}


def difference(models: Models, summary: Callable[[np.ndarray], float] | None, seed: int) -> Difference:
    summarize = summary or (lambda cases: float(cases[:, 0].mean()))
    before, after = (summarize(model.cases) for model in models)
    low, high = bootstrap_interval(models, summary, seed) or (None, None)
    return Difference(after - before, low, high, models[0].units, models[0].units)


def simulate(draw: Draw, summary: Callable[[np.ndarray], float] | None, units: int, true: float, trials: int):  # type: ignore[no-untyped-def]
    """Each trial's difference, judged with the margin."""
    for trial in range(trials):
        rng = np.random.default_rng([units, trial])
        found = difference(draw(rng, units, true), summary, trial % 8)
        yield found, judge(found, True, MARGIN).word


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000)
    trials = parser.parse_args().trials
    print(f"{trials} trials each; the margin is {MARGIN}")
    print("| data | units | intervals that hold the truth | worse, wrongly | equivalent or slightly worse, wrongly |")
    print("|---|---|---|---|---|")
    for name, (draw, summary) in DRAWS.items():
        few = min(trials, 400) if summary else trials
        run = partial(simulate, draw, summary)
        for units in UNITS:
            # The true loss is the margin: each verdict but "cannot tell" is as easily wrong as it can be.
            results = list(run(units, -MARGIN, few))
            held = np.mean([d.ci_low <= -MARGIN <= d.ci_high for d, _ in results])
            worse = np.mean([word == "worse" for _, word in results])
            fine = np.mean([word in ("equivalent or better", "slightly worse") for _, word in results])
            print(f"| {name} | {units} | {held:.1%} | {worse:.1%} | {fine:.1%} |", flush=True)


if __name__ == "__main__":
    main()
