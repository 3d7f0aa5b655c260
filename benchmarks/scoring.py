"""How long the intervals of a large evaluation take: 10,030 cases, 15 metrics and 3 models on one core.

    OMP_NUM_THREADS=1 python benchmarks/scoring.py

Scores and the paired differences with their verdicts, as ``kdkit run`` computes them once all cases are measured. The
metrics are those that echocardiography has: means, ratios of sums, a correlation and a mean of clipped values.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from kdkit import Metric, Sample
from kdkit.evaluation.judgement import judge_differences
from kdkit.evaluation.paired import CaseRecord

MODELS = ("teacher", "student", "control")
BIAS = {"teacher": 0.0, "student": 0.01, "control": 0.3}


class Mean(Metric):
    """A mean over samples."""

    unit, higher_is_better, width = "", True, 1

    def measure(self, prediction: np.ndarray, sample: Sample) -> list[tuple[float, ...]]:
        return [tuple(prediction)]


class Ratio(Mean):
    """A ratio of sums."""

    additive, width = True, 2

    def summarize(self, cases: np.ndarray) -> float:
        return float(cases[:, 0].sum() / cases[:, 1].sum())


class Correlation(Mean):
    """Pearson's correlation by its sums."""

    additive, width = True, 6

    def summarize(self, cases: np.ndarray) -> float:
        n, x, y, xx, yy, xy = cases.sum(0)
        return float((n * xy - x * y) / np.sqrt((n * xx - x * x) * (n * yy - y * y)))


def make_metrics(count: int) -> dict[str, Metric]:
    """So many metrics, every third one a ratio and one a correlation."""
    metrics: dict[str, Metric] = {f"mean-{i}": Mean() for i in range(count)}
    metrics |= {f"mean-{i}": Ratio() for i in range(0, count, 3)}
    return metrics | {f"mean-{count - 1}": Correlation()}


def make_cases(metric: Mean, model: str, count: int, seed: int) -> np.ndarray:
    """One case for each sample, float64 (count, 1, width)."""
    rng = np.random.default_rng(seed)
    easy, noise = rng.normal(0.9 - BIAS[model], 0.05, count), rng.normal(0, 0.05, count)
    if isinstance(metric, Correlation):
        x, y = easy, easy + noise
        return np.stack([np.ones(count), x, y, x * x, y * y, x * y], 1)[:, None]
    return np.stack([easy + noise, np.ones(count)], 1)[:, None, : metric.width]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_030)
    parser.add_argument("--metrics", type=int, default=15)
    options = parser.parse_args()
    metrics = make_metrics(options.metrics)
    record = CaseRecord(metrics)
    for number, (name, metric) in enumerate(metrics.items()):
        for model in MODELS:
            assert isinstance(metric, Mean)
            for index, cases in enumerate(make_cases(metric, model, options.cases, number)):
                record.add(model, name, index, cases, {"unit": f"patient {index}"})
    size = f"{options.cases:,} cases, {options.metrics} metrics, {len(MODELS)} models"
    start, cpu = time.perf_counter(), time.process_time()
    for model in MODELS:
        for name in metrics:
            record.score(name, model)
    scored, scored_cpu = time.perf_counter() - start, time.process_time() - cpu
    judge_differences(record, MODELS, lambda name: 0.02)
    whole, whole_cpu = time.perf_counter() - start, time.process_time() - cpu
    print(f"{size}, one core")
    print(f"  scores with intervals          {scored_cpu:5.1f} s of the core ({scored:.1f} s by the clock)")
    print(f"  and the paired differences     {whole_cpu:5.1f} s of the core ({whole:.1f} s by the clock)")


if __name__ == "__main__":
    main()
