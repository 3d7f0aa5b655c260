"""The contract of a metric, and the score it gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kdkit.contracts.component import Component, ComponentOptions
from kdkit.sample import Sample

RESAMPLES = 1000


@dataclass(frozen=True)
class Score:
    """A measured number with what is needed to believe it.

    ``value`` with its 95 % bootstrap interval ``ci_low`` .. ``ci_high``, over ``n`` samples, in ``unit``. The three
    numbers are None when no sample could be measured.
    """

    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    unit: str
    higher_is_better: bool | None


class Metric(Component, ABC):
    """A measure of a model's answers, gathered sample by sample and then summarised.

    An author writes :meth:`measure` (the cases of one sample) and, unless the mean is meant, :meth:`summarize`
    (cases to a number). Updating, merging over processes and the bootstrap follow from these two.

    ``unit``: "" for a plain ratio, else "%", "frames", "mm", ...
    ``higher_is_better``: None when zero is best (a bias).
    ``group_key``: the entry of ``sample.info`` that says which samples belong together ("patient"). The bootstrap
    draws such groups, as ten clips of one patient tell less than ten patients; a sample without the entry is drawn by
    itself, and so is every sample where the key is None.
    ``needs_truth``: False for a metric of the answer alone, or beside the teacher's: ``kdkit evaluate --data`` then
    asks about samples without labels, too.
    ``reads_teacher``: True for a metric that compares with the teacher's answer: it finds it, float32, activated, as
    ``sample.truth["teacher"]``, and measures every model but the teacher.

    Example::

        class Accuracy(Metric):
            '''Share of samples whose most probable class is the labelled one.'''

            unit = ""
            higher_is_better = True

            def measure(self, prediction, sample):
                if "label" not in sample.truth:
                    return []
                return [(float(prediction.argmax() == sample.truth["label"]),)]
    """

    kind: ClassVar[str] = "metric"
    unit: ClassVar[str]
    higher_is_better: ClassVar[bool | None]
    group_key: ClassVar[str | None] = None
    needs_truth: bool = True
    reads_teacher: ClassVar[bool] = False

    def __init__(self, options: ComponentOptions | None = None) -> None:
        super().__init__(options)
        self._samples: list[np.ndarray] = []
        self._groups: dict[int, str] = {}  # of those samples that say one

    @abstractmethod
    def measure(self, prediction: np.ndarray, sample: Sample) -> list[tuple[float, ...]]:
        """The cases that one sample gives: tuples of equal length; an empty list when it cannot be measured.

        A sample without the truth that is needed cannot be measured: recordings often have none.

        ``prediction``: float32, the model's answer after the domain's activation (a probability, say).
        """

    def probes(self, sample: Sample) -> Sequence[np.ndarray]:
        """Changed inputs of the sample that each model is asked about as well, as raw as the sample's own.

        The metric finds the answers, float32, activated, in their order, as ``sample.truth["probes"]``: one array,
        the probes along its first axis. Only ``kdkit evaluate --data``, which has the models at hand, asks again;
        elsewhere there are none, and a metric that needs them measures nothing.
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
        return self._take(self.measure(prediction, sample), sample)

    def update_humans(self, sample: Sample) -> np.ndarray | None:
        """As :meth:`update`, of what people give in a model's place."""
        return self._take(self.humans(sample), sample)

    def _take(self, measured: list[tuple[float, ...]], sample: Sample) -> np.ndarray | None:
        if not measured:
            return None
        cases = np.asarray(measured, np.float64)
        if self.group_key is not None and (group := sample.info.get(self.group_key)) is not None:
            self._groups[len(self._samples)] = str(group)
        self._samples.append(cases)
        return cases

    def merge(self, other: Metric) -> None:
        """Take into account what another instance (of another process, say) has gathered."""
        self._groups |= {len(self._samples) + number: group for number, group in other._groups.items()}
        self._samples.extend(other._samples)

    def compute(self, seed: int = 0) -> Score:
        """The score over everything gathered, its interval by resampling samples with replacement (Efron 1979).

        Samples of one group are drawn together (``group_key``).
        """
        n = len(self._samples)
        if n == 0:
            return Score(None, None, None, 0, self.unit, self.higher_is_better)
        value = self.summarize(np.concatenate(self._samples))
        low, high = self._interval(np.random.default_rng(seed))
        return Score(_number(value), low, high, n, self.unit, self.higher_is_better)

    def _interval(self, rng: np.random.Generator) -> tuple[float | None, float | None]:
        units = self._units()
        n = len(units)
        draws = rng.integers(0, n, (RESAMPLES, n))
        values = np.array([self.summarize(np.concatenate([units[i] for i in draw])) for draw in draws])
        values = values[np.isfinite(values)]
        if values.size == 0:
            return None, None
        low, high = np.percentile(values, [2.5, 97.5])
        return float(low), float(high)

    def _units(self) -> list[np.ndarray]:
        """The cases of each group, and of each sample without one."""
        units: dict[str | int, list[np.ndarray]] = {}
        for number, cases in enumerate(self._samples):
            units.setdefault(self._groups.get(number, number), []).append(cases)
        return [np.concatenate(parts) for parts in units.values()]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
