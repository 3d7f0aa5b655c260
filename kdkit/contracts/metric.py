"""The contract of a metric, and the score it gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kdkit.contracts.bootstrap import ANY_VALUE, AdditiveSummary, UnitCases, bootstrap_interval, join_cases
from kdkit.contracts.component import Component, ComponentOptions, origin_of
from kdkit.errors import KdkitError
from kdkit.sample import Sample


@dataclass(frozen=True)
class Score:
    """A measured number with what is needed to believe it.

    ``value`` with its 95 % bootstrap interval ``ci_low`` .. ``ci_high``, over ``n`` samples of ``units`` independent
    units (patients, where samples name theirs), in ``unit``. The three numbers are None when no sample could be
    measured; the interval alone is None when there are fewer than five units, or when nothing varies among them.
    """

    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    unit: str
    higher_is_better: bool | None
    units: int = 0


class Metric(Component, ABC):
    """A measure of a model's predictions, gathered sample by sample and then summarised.

    An author writes :meth:`measure` (the cases of one sample) and, unless the mean is meant, :meth:`summarize`
    (cases to a number). Updating, merging over processes and the bootstrap follow from these two.

    ``unit``: "" for a plain ratio, else "%", "frames", "mm", ...
    ``higher_is_better``: None when zero is best (a bias).
    ``zero_is_best``: False for a bias that a perfect prediction has, too: headings then name no value as the best.
    Two models are still compared by their distance from zero.
    ``value_range``: the least and the greatest value there can be, (0, 1) for a share, infinite where there is none.
    Intervals do not reach beyond it, and it gives one where every sample has the same value.
    ``needs_truth``: False for a metric of the prediction alone, or beside the teacher's: ``kdkit evaluate --data``
    then predicts samples without labels, too.
    ``reads_teacher``: True for a metric that compares with the teacher's prediction: it finds it, float32, activated,
    as ``sample.truth["teacher"]``, and measures every model but the teacher.
    ``additive``: True where :meth:`summarize` depends on nothing but the sum of each column of the cases (a ratio of
    sums): the bootstrap of thousands of samples then takes no time.
    ``parallel``: False for one that holds something large, a network say: samples are then measured in one process,
    where many that take long are else shared among the recipe's ``trainer.workers``.

    Example::

        class Accuracy(Metric):
            '''Share of samples whose most probable class is the labelled one.'''

            unit = ""
            higher_is_better = True
            value_range = (0, 1)

            def measure(self, prediction, sample):
                if "label" not in sample.truth:
                    return []
                return [(float(prediction.argmax() == sample.truth["label"]),)]
    """

    kind: ClassVar[str] = "metric"
    unit: ClassVar[str]
    higher_is_better: ClassVar[bool | None]
    zero_is_best: ClassVar[bool] = True
    value_range: ClassVar[tuple[float, float]] = ANY_VALUE
    needs_truth: bool = True
    reads_teacher: ClassVar[bool] = False
    additive: ClassVar[bool] = False
    parallel: bool = True

    def __init__(self, options: ComponentOptions | None = None) -> None:
        super().__init__(options)
        self._samples: list[np.ndarray] = []
        self._units: dict[int, str] = {}  # of those samples that name one

    @abstractmethod
    def measure(self, prediction: np.ndarray, sample: Sample) -> list[tuple[float, ...]]:
        """The cases that one sample gives: tuples of equal length; an empty list when it cannot be measured.

        A sample without the truth that is needed cannot be measured: recordings often have none.

        ``prediction``: float32, the model's prediction after the domain's activation (a probability, say).
        """

    def probes(self, sample: Sample) -> Sequence[np.ndarray]:
        """Changed inputs of the sample that each model predicts as well, as raw as the sample's own.

        The metric finds the predictions, float32, activated, in their order, as ``sample.truth["probes"]``: one
        array, the probes along its first axis. Only ``kdkit evaluate --data``, which has the models at hand, predicts
        them; elsewhere there are none, and a metric that needs them measures nothing.
        """
        return []

    def humans(self, sample: Sample) -> list[tuple[float, ...]]:
        """The cases that people give in a model's place, as :meth:`measure` gives a model's; without any, [].

        Two annotators of one sample held against each other, say: no model can be expected to do better. Where
        samples are not synthetic and any gives cases, scores have "humans" beside the models.
        """
        return []

    def example_cases(self) -> Sequence[tuple[np.ndarray, Sample]]:
        """Three or more predictions, float32, each with its sample, to try the metric out with.

        Needed by ``kdkit plugins verify`` only where no domain's default recipe names the metric.
        """
        return []

    def summarize(self, cases: np.ndarray) -> float:
        """One number from all cases, float64 (cases, tuple length), cases >= 1. By default the mean of column 0."""
        return float(cases[:, 0].mean())

    def update(self, prediction: np.ndarray, sample: Sample) -> np.ndarray | None:
        """Take one sample into account; returns its cases, float64 (cases, tuple length), or None without any."""
        cases = as_cases(self.measure(prediction, sample))
        self.add_cases(cases, sample.unit)
        return cases

    def add_cases(self, cases: np.ndarray | None, unit: str | None) -> None:
        """Take the cases of one sample into account, measured here or in another process; None changes nothing.

        ``cases``: float64 (cases, tuple length). ``unit``: the sample's, None where it names none.
        """
        if cases is None:
            return
        if unit is not None:
            self._units[len(self._samples)] = unit
        self._samples.append(cases)

    def merge(self, other: Metric) -> None:
        """Take into account what another instance (of another process, say) has gathered."""
        self._units |= {len(self._samples) + number: unit for number, unit in other._units.items()}
        self._samples.extend(other._samples)

    def compute(self, seed: int = 0) -> Score:
        """The score over everything gathered, its interval by resampling units with replacement.

        A mean's interval is studentised, any other summary's is the expanded percentile interval. Samples that name
        the same unit (``info["unit"]``) are drawn together, as ten clips of one patient tell less than ten patients;
        a sample that names none is drawn by itself. Raises :class:`KdkitError` outside ``value_range``.
        """
        n = len(self._samples)
        if n == 0:
            return Score(None, None, None, 0, self.unit, self.higher_is_better)
        cases = self.unit_cases()
        value = _number(self.summarize(cases.cases))
        self.require_in_range(value)
        low, high = None, None
        if value is not None:
            interval = bootstrap_interval([cases], self.summary(), seed, value_range=self.value_range)
            low, high = interval or (None, None)
        return Score(value, low, high, n, self.unit, self.higher_is_better, cases.units)

    def require_in_range(self, value: float | None) -> None:
        """Raises :class:`KdkitError` for a number outside ``value_range``, by which its interval would be wrong."""
        low, high = self.value_range
        slack = 1e-6  # sums of shares in single precision
        if value is not None and not low - slack <= value <= high + slack:
            name, label = origin_of(type(self)).name, type(self).__name__
            raise KdkitError(
                f"the metric {name} gives {value:g}, outside its value_range, {low:g} to {high:g}",
                f"Correct {label}.value_range, or what measure() and summarize() give.",
            )

    def summary(self) -> Callable[[np.ndarray], float] | None:
        """:meth:`summarize`, or None where it is the inherited mean, which the bootstrap need not call."""
        if type(self).summarize is Metric.summarize:
            return None
        return AdditiveSummary(self.summarize) if self.additive else self.summarize

    def unit_cases(self) -> UnitCases:
        """Everything gathered, at least one sample, with the unit that each case belongs to."""
        labels = [self._units.get(number, number) for number in range(len(self._samples))]
        return join_cases(self._samples, labels)


def as_cases(sample_cases: list[tuple[float, ...]]) -> np.ndarray | None:
    """The cases of one sample as float64 (cases, tuple length); None without any."""
    return np.asarray(sample_cases, np.float64) if sample_cases else None


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
