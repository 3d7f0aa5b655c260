"""How often intervals hold the truth and verdicts are wrong, by simulation: ``python benchmarks/calibration.py``.

Pairs of models whose true difference is known are measured on simulated units (patients). Each row of the first table
is one kind of data and one number of units: the share of intervals that hold the true difference (95 % is right), and
how often a verdict is wrong in the case that is hardest for it. The second table is of failures so rare that few
units show them, the third of students with several training seeds, the fourth of whole comparisons without any
difference, in which every claim is false.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np

from kdkit.contracts.bootstrap import ANY_VALUE, Interval, UnitCases, bootstrap_interval
from kdkit.evaluation.estimate import ALPHA, estimate
from kdkit.evaluation.holm import Candidate, judge_family
from kdkit.evaluation.judgement import judge
from kdkit.evaluation.paired import Difference, PairedEstimate

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


def shares(rng: np.random.Generator, units: int, true: float) -> Models:
    """Right or wrong: the second model loses 1 % of the units more than ``true`` says, and gains 1 % of them."""
    kind = rng.choice(4, units, p=[0.01, 0.01 - true, 0.8, 0.18 + true])
    right = np.isin(kind, (1, 2)), np.isin(kind, (0, 2))
    return [UnitCases(values[:, None].astype(float), np.arange(units), units) for values in right]


def rare(rng: np.random.Generator, units: int) -> Models:
    """DICE of two models that find nothing on 5 % of the units, the second on another 3 %; else about the same."""
    found = rng.random((2, units)) > [[0.05], [0.03]]
    first = rng.beta(18, 3, units) * found[0]
    second = np.clip(first + rng.normal(0, 0.01, units) * found[0], 0, 1) * found[1]
    return [join_units(values) for values in (first, second)]


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


DRAWS: dict[str, tuple[Draw, Callable[[np.ndarray], float] | None, Interval]] = {
    "normal": (normal, None, ANY_VALUE),
    "skewed": (skewed, None, ANY_VALUE),
    "clustered": (clustered, None, ANY_VALUE),
    "right or wrong": (shares, None, (0, 1)),
    "Pearson's r": (correlations, correlation_of, ANY_VALUE),
}


def difference(
    models: Models, summary: Callable[[np.ndarray], float] | None, seed: int, value_range: Interval
) -> Difference:
    summarize = summary or (lambda cases: float(cases[:, 0].mean()))
    before, after = (summarize(model.cases) for model in models)
    low, high = bootstrap_interval(models, summary, seed, None, value_range) or (None, None)
    return Difference(after - before, low, high, models[0].units, models[0].units)


def simulate(  # type: ignore[no-untyped-def]
    draw: Draw,
    summary: Callable[[np.ndarray], float] | None,
    value_range: Interval,
    units: int,
    true: float,
    trials: int,
):
    """Each trial's difference, judged with the margin."""
    for trial in range(trials):
        rng = np.random.default_rng([units, trial])
        found = difference(draw(rng, units, true), summary, trial % 8, value_range)
        yield found, judge(found, True, MARGIN).word


def seed_coverage(seeds: int, deviation: float, units: int, trials: int) -> tuple[float, float]:
    """The share of intervals that hold the true difference of student and teacher; without and with other seeds.

    ``deviation``: how far a seed moves the student's score on every unit alike; beside that it moves each unit.
    The first share is that of the interval of a single student, which speaks of other units only.
    """
    held = np.zeros(2)
    for trial in range(trials):
        rng = np.random.default_rng([seeds, units, trial])
        hard, loss = rng.normal(0.85, 0.1, units), rng.normal(-MARGIN, 0.04, units)
        offsets = rng.normal(0, deviation, (seeds, 1)) + rng.normal(0, 0.02, (seeds, units))
        teacher = join_units(hard)
        students = [join_units(row) for row in hard + loss + offsets]
        for i, group in enumerate((students[:1], students)):
            low, high = estimate([[teacher], group], (-1, 1), mean_of, True, trial % 4).interval() or (0, 0)
            held[i] += low <= -MARGIN <= high
    return tuple(held / trials)


def false_claims(draw: Draw, units: int, metrics: int, trials: int) -> tuple[float, float]:
    """The share of comparisons without any difference that make a claim: each judged alone, and as a family.

    The metrics correlate with 0.5, as half of what each measures is common to all.
    """
    alone, together = 0, 0
    for trial in range(trials):
        rng = np.random.default_rng([units, trial])
        common, *own = (draw(rng, units, 0.0) for _ in range(metrics + 1))
        family = {}
        for i, models in enumerate(own):
            loss = sum(m[1].cases[:, 0] - m[0].cases[:, 0] for m in (common, models)) / np.sqrt(2)
            hard = models[0].cases[:, 0]
            groups = [[join_units(hard)], [join_units(hard + loss)]]
            pair = PairedEstimate(units, estimate(groups, (-1, 1), mean_of, True, trial % 4))
            family[i] = Candidate(pair, True, 0.0)
        alone += any(c.judge(ALPHA).verdict != "cannot tell" for c in family.values())
        together += any(d.verdict != "cannot tell" for d in judge_family(family).values())
    return alone / trials, together / trials


def join_units(values: np.ndarray) -> UnitCases:
    return UnitCases(values[:, None], np.arange(len(values)), len(values))


def mean_of(cases: np.ndarray) -> float:
    return float(cases[:, 0].mean())


def print_differences(trials: int) -> None:
    print("| data | units | intervals that hold the truth | worse, wrongly | equivalent or slightly worse, wrongly |")
    print("|---|---|---|---|---|")
    for name, (draw, summary, value_range) in DRAWS.items():
        few = min(trials, 400) if summary else trials
        run = partial(simulate, draw, summary, value_range)
        for units in UNITS:
            # The true loss is the margin: each verdict but "cannot tell" is as easily wrong as it can be.
            results = list(run(units, -MARGIN, few))
            held = np.mean([d.ci_low <= -MARGIN <= d.ci_high for d, _ in results])
            worse = np.mean([word == "worse" for _, word in results])
            fine = np.mean([word in ("equivalent or better", "slightly worse") for _, word in results])
            print(f"| {name} | {units} | {held:.1%} | {worse:.1%} | {fine:.1%} |", flush=True)


def print_rare(trials: int) -> None:
    print("\n| units | intervals that hold the truth | lie above it |")
    print("|---|---|---|")
    true = -0.03 * 0.95 * 18 / 21
    for units in UNITS:
        models = (rare(np.random.default_rng([units, trial]), units) for trial in range(trials))
        found = [bootstrap_interval(pair, None, trial % 8, None, (0, 1)) for trial, pair in enumerate(models)]
        low, high = np.array(found).T
        print(f"| {units} | {np.mean((low <= true) & (true <= high)):.1%} | {np.mean(low > true):.1%} |", flush=True)


def print_seeds(trials: int) -> None:
    print("\n| seeds | seed moves the score by | units | one student's interval holds the truth | seeds' interval |")
    print("|---|---|---|---|---|")
    for seeds in (3, 5):
        for deviation in (0.0, 0.01, 0.03):
            for units in (30, 112):
                one, several = seed_coverage(seeds, deviation, units, trials)
                print(f"| {seeds} | {deviation} | {units} | {one:.1%} | {several:.1%} |", flush=True)


def print_families(trials: int) -> None:
    print("\n| data | units | metrics | a false claim, each judged alone | judged together (Holm) |")
    print("|---|---|---|---|---|")
    for name, draw in (("normal", normal), ("skewed", skewed)):
        for units in UNITS:
            for metrics in (10,):
                alone, together = false_claims(draw, units, metrics, trials)
                print(f"| {name} | {units} | {metrics} | {alone:.1%} | {together:.1%} |", flush=True)


def main() -> None:
    tables = {"differences": print_differences, "rare": print_rare, "seeds": print_seeds, "families": print_families}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--table", choices=tables, help="this one alone")
    options = parser.parse_args()
    print(f"{options.trials} trials each; the margin is {MARGIN}")
    for name, print_table in tables.items():
        if options.table in (None, name):
            print_table(options.trials)


if __name__ == "__main__":
    main()
