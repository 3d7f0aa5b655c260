"""The cases of every model by every metric, sample by sample, shared among processes where that takes long."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from kdkit.contracts.metric import Metric
from kdkit.errors import KdkitError
from kdkit.evaluation.metric_update import measure_cases
from kdkit.evaluation.predictions import Predictions
from kdkit.runs.folder import TEACHER
from kdkit.store.samples import to_sample
from kdkit.store.shards import ShardStore
from kdkit.workers import map_in_processes, usable_cores

# Processes take some seconds to start; what is left to do has to be worth them.
SECONDS_WORTH_PROCESSES = 10.0
_MOST_IN_BATCH = 16

Result = TypeVar("Result")


@dataclass(frozen=True)
class SampleCases:
    """What every metric measured on one sample, and what the sample says of itself.

    ``cases``: from a model and the number of its training seed to metric to cases, float64 (cases, tuple length);
    None where the metric could not be measured.
    """

    index: int
    info: Mapping[str, Any]
    cases: Mapping[tuple[str, int], Mapping[str, np.ndarray | None]]


@dataclass(frozen=True)
class StoredPredictions:
    """Measures stored predictions on a stored sample, by its index.

    ``models``: from a model to the predictions of each of its training seeds, None for people.
    ``teachers``: the teacher's, which a metric may compare with; by model, as runs that are compared have their own.
    """

    samples: ShardStore
    models: Mapping[str, Sequence[Predictions | None]]
    teachers: Mapping[str, Predictions]
    metrics: Mapping[str, Metric]

    def __call__(self, index: int) -> SampleCases:
        sample = to_sample(self.samples.record(index))
        cases: dict[tuple[str, int], dict[str, np.ndarray | None]] = {}
        for model, by_seed in self.models.items():
            teacher = self.teachers[model](index)
            for number, read in enumerate(by_seed):
                prediction = read and read(index)
                cases[model, number] = {
                    name: measure_cases(metric, model, prediction, sample, teacher)
                    for name, metric in self.metrics.items()
                }
        return SampleCases(index, sample.info, cases)


def worker_count(metrics: Mapping[str, Metric], workers: int | None) -> int:
    """How many processes may measure these metrics; ``workers``: as the recipe says, None for one a core."""
    return (workers or usable_cores()) if all(metric.parallel for metric in metrics.values()) else 1


def measure_each(measure: Callable[[int], Result], indices: Sequence[int], workers: int) -> Iterator[Result]:
    """``measure(index)`` for each index, in their order.

    Begins in this process. When the first ones tell that the rest takes long, it is shared among ``workers`` others,
    which give the same results. Raises :class:`KdkitError` when one of them is killed.
    """
    start = time.monotonic()
    for done, index in enumerate(indices):
        remaining = (time.monotonic() - start) / max(done, 1) * (len(indices) - done)
        if done and workers > 1 and remaining > SECONDS_WORTH_PROCESSES:
            payload = _pickle(measure)
            if payload is not None:
                yield from _measure_in_processes(payload, indices[done:], workers)
                return
        yield measure(index)


def _measure_in_processes(payload: bytes, indices: Sequence[int], workers: int) -> Iterator[Any]:
    length = max(1, min(_MOST_IN_BATCH, len(indices) // (4 * workers)))
    batches = [indices[start : start + length] for start in range(0, len(indices), length)]
    calls = ((payload, number, batch) for number, batch in enumerate(batches))
    waiting: dict[int, list[Any]] = {}
    position = 0
    try:
        for number, results in map_in_processes(_measure_batch, calls, min(workers, len(batches))):
            waiting[number] = results
            while position in waiting:
                yield from waiting.pop(position)
                position += 1
    except BrokenProcessPool as error:
        raise KdkitError(
            f"a process that measured {error}", "Set trainer.workers lower, if it lacked memory."
        ) from error


def _measure_batch(payload: bytes, number: int, indices: Sequence[int]) -> tuple[int, list[Any]]:
    measure = _unpickle(payload)
    return number, [measure(index) for index in indices]


@lru_cache(maxsize=1)
def _unpickle(payload: bytes) -> Callable[[int], Any]:
    # From the parent process, which wrote it a moment ago; nothing of it was ever on a disk.
    measure: Callable[[int], Any] = pickle.loads(payload)  # noqa: S301
    return measure


def _pickle(measure: Callable[[int], Any]) -> bytes | None:
    """None where a plugin's object cannot be sent to another process, in whatever way it refuses."""
    try:
        return pickle.dumps(measure)
    except Exception:
        return None


def teachers_of(models: Mapping[str, Sequence[Predictions | None]]) -> dict[str, Predictions]:
    """For every model of one run the predictions of the run's teacher."""
    (teacher,) = models[TEACHER]
    assert teacher is not None
    return dict.fromkeys(models, teacher)
