"""Convolutions in 8 bits: static quantization, calibrated on samples of the run that the student was trained in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kdkit.contracts.metric import Score
from kdkit.engine.inference import infer_logits
from kdkit.evaluation.judgement import JudgedDifference
from kdkit.evaluation.metric_update import empty_metric, update_metric
from kdkit.evaluation.paired import CaseRecord
from kdkit.export.check import Infer
from kdkit.export.job import quiet
from kdkit.runs.folder import STUDENT
from kdkit.runs.run import Run
from kdkit.scratch import scratch_folder
from kdkit.store.targets import NAME, activate, decode_prediction

if TYPE_CHECKING:
    import torch

INT8 = "int8"
# Samples that the ranges are taken from, and frames of each.
CALIBRATION_SAMPLES, CALIBRATION_LENGTH = 16, 24

Feeds = Iterator[Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Loss:
    """What quantization costs by one metric: both scores, and the judged difference of the 8-bit student."""

    student: Score
    int8: Score
    difference: JudgedDifference

    def as_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return asdict(self)


def read_calibration(run: Run) -> list[np.ndarray]:
    """Raw inputs to take ranges from: samples that the student was trained on, else those that it is measured on."""
    labelled = run.arms[0].training or run.evaluation
    split = labelled.split
    indices = range(split.start, min(split.start + CALIBRATION_SAMPLES, split.stop))
    return [np.asarray(split.samples.sample(index).inputs) for index in indices]


def network_feeds(calibration: Sequence[np.ndarray], name: str) -> Feeds:
    """The inputs of a network that takes whole samples, one at a time."""
    for inputs in calibration:
        yield {name: inputs[None]}


def step_feeds(calibration: Sequence[np.ndarray], network: Any, name: str) -> Feeds:
    """The inputs of a step: frames, and the states that the network itself comes to on the way."""
    import torch

    for inputs in calibration:
        frames = torch.from_numpy(np.array(inputs[:CALIBRATION_LENGTH]))
        with torch.no_grad():
            states = network.initial_state(frames[:1])
            for frame in frames:
                yield {name: frame[None].numpy()} | {f"state_{i}": s.numpy() for i, s in enumerate(states)}
                _, states = network.step(frame[None], states)


def quantize(model: Any, feeds: Feeds) -> Any:
    """The model with its convolutions in 8 bits: weights by channel, activations by the ranges seen in ``feeds``."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def get_next(self) -> Any:
            return next(feeds, None)

    with scratch_folder("int8") as folder, quiet():
        whole, small = folder / "float.onnx", folder / "int8.onnx"
        onnx.save(model, whole)
        quantize_static(
            whole,
            small,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
        )
        return onnx.load(small)


def measure_loss(run: Run, network: torch.nn.Module, infer: Infer) -> dict[str, Loss]:
    """Each metric of the run, on every evaluation sample, of the student and of the 8-bit one; by metric."""
    import torch

    experiment, split, activation = run.experiment, run.evaluation.split, run.experiment.domain.activation
    models = (STUDENT, INT8)
    measured = {model: {name: empty_metric(m) for name, m in experiment.metrics.items()} for model in models}
    record = CaseRecord(experiment.metrics)
    for index in split.indices:
        sample = split.samples.sample(index)
        teacher = decode_prediction(run.evaluation.targets.read(index, NAME), activation)
        (logits,) = infer_logits(network, [sample.inputs], torch.device("cpu"))
        quantized = torch.from_numpy(infer(np.asarray(sample.inputs)[None])[0])
        for model, output in zip(models, (logits, quantized), strict=True):
            for name, metric in measured[model].items():
                cases = update_metric(metric, model, activate(output, activation), sample, teacher)
                record.add(model, name, index, cases, sample.info)
    seed = experiment.recipe.seed
    losses = {}
    for name, metric in experiment.metrics.items():
        difference = record.pair(name, INT8, STUDENT, seed).difference()
        judged = JudgedDifference.of(difference, metric.higher_is_better, experiment.margin(name))
        student, small = (measured[model][name].compute(seed) for model in models)
        losses[name] = Loss(student, small, judged)
    return losses
