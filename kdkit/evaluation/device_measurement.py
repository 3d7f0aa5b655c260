"""Predicting the samples of a user's data on an accelerator through Lightning, and measuring each meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.data import Dataset

from kdkit.engine.sample_prediction import SampleOrReason, SamplePredictor, predict_samples
from kdkit.evaluation.sample_models import SampleModels
from kdkit.evaluation.source_measurement import MeasuredSource, SourceMeasurement, is_measurable, read_sample
from kdkit.plugins.calls import call
from kdkit.recipe.schema import Hardware
from kdkit.sample import Sample
from kdkit.scratch import scratch_folder

# Samples that wait in memory for their turn, before the networks and behind them.
_AHEAD = 3

_Predicted = list[tuple[Sample, Mapping[str, np.ndarray]]]


def measure_on_device(
    measure: SourceMeasurement,
    models: SampleModels,
    indices: Sequence[int],
    hardware: Hardware,
    take: Callable[[MeasuredSource], Any],
) -> None:
    """Have the models predict these samples, each read once, and hand what was measured of each to ``take``.

    Raises :class:`kdkit.KdkitError` when a prediction is not finite, or the machine does not have the hardware.
    """
    with scratch_folder("evaluate") as scratch, ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as measurer:
        consumer = _Measurer(measure, measurer, take)
        samples = _SourceSamples(measure, indices, reader)
        predict_samples(_ModelPredictor(measure, models), samples, consumer, hardware, scratch)
        consumer.finish()


class _SourceSamples(Dataset[tuple[int, SampleOrReason]]):
    """Each sample of the source, or the reason why it cannot be read; the next one is read while one is predicted."""

    def __init__(self, measure: SourceMeasurement, indices: Sequence[int], reader: ThreadPoolExecutor) -> None:
        self.source = measure.source
        self.indices = indices
        self.reader = reader  # one thread: a source need not bear several
        self.ahead: dict[int, Future[SampleOrReason]] = {}

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, item: int) -> tuple[int, SampleOrReason]:
        for number in range(item, min(item + _AHEAD, len(self.indices))):
            if number not in self.ahead:
                self.ahead[number] = self.reader.submit(read_sample, self.source, self.indices[number])
        return self.indices[item], self.ahead.pop(item).result()


class _ModelPredictor(SamplePredictor):
    """Every network at once: its predictions for a sample, and for each metric's probes of it."""

    def __init__(self, measure: SourceMeasurement, models: SampleModels) -> None:
        super().__init__()
        self.networks = torch.nn.ModuleDict(models.networks)
        self.models = models
        self.metrics = measure.metrics

    def predict_step(self, batch: tuple[int, SampleOrReason], batch_idx: int) -> _Predicted:
        _, sample = batch
        if isinstance(sample, str) or not is_measurable(sample, self.metrics):
            return []
        probes = [replace(sample, inputs=p) for metric in self.metrics.values() for p in call(metric.probes, sample)]
        return [(one, self.models(one, self.device)) for one in (sample, *probes)]


class _Measurer(Callback):
    """Keeps each prediction on the disk as soon as it is made, and measures it while the next one is made."""

    def __init__(
        self, measure: SourceMeasurement, measurer: ThreadPoolExecutor, take: Callable[[MeasuredSource], Any]
    ) -> None:
        self.measure = measure
        self.measurer = measurer  # one thread: a metric need not bear several
        self.take = take
        self.pending: deque[Future[MeasuredSource]] = deque()

    def on_predict_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        self.pending.append(self.measurer.submit(self._keep_and_measure, batch[0], batch[1], outputs))
        if len(self.pending) > _AHEAD:
            self.take(self.pending.popleft().result())

    def finish(self) -> None:
        """Take what is still being measured."""
        while self.pending:
            self.take(self.pending.popleft().result())

    def _keep_and_measure(self, index: int, sample: SampleOrReason, predicted: _Predicted) -> MeasuredSource:
        for one, predictions in predicted:
            self.measure.cache.write(one, predictions)
        return self.measure.measure(index, sample)
