"""A student as ONNX: ``model.onnx`` for whole inputs, and ``step.onnx`` for a stream where it can be stepped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kdkit.atomic import write_bytes
from kdkit.engine.stream import is_streaming
from kdkit.export.check import TOLERANCE, Agreement, Infer, compare_file
from kdkit.export.graphs import FRAME, INPUT, LOGITS, add_prediction, join_step, scan_step, trace_network, trace_step
from kdkit.export.job import Job, require_packages
from kdkit.export.quantization import network_feeds, quantize, step_feeds

WHOLE, STEP = "model.onnx", "step.onnx"


def write_onnx(job: Job, folder: Path) -> dict[str, Agreement]:
    """Write the files and compare each with the student; file name to how well it agrees."""
    import torch

    require_packages("onnx", "onnxruntime", "onnxscript")
    network, activation, axes = job.student.network, job.student.domain.activation, job.axes
    inputs = torch.from_numpy(job.windows)
    if not is_streaming(network):
        model = trace_network(network, inputs, axes)
        if job.calibration is not None:
            model = quantize(model, network_feeds(job.calibration, INPUT))
        models = {WHOLE: add_prediction(model, activation)}
    else:
        step, zeros = trace_step(network, inputs[:, 0].contiguous(), job.frame_axes)
        if job.calibration is not None:
            step = quantize(step, step_feeds(job.calibration, network, FRAME))
        models = {WHOLE: scan_step(step, zeros, activation), STEP: join_step(step, zeros, activation)}
    return {name: _write_model(job, folder / name, model) for name, model in models.items()}


def _write_model(job: Job, path: Path, model: Any) -> Agreement:
    from onnx import helper

    helper.set_model_props(model, dict(job.metadata))
    write_bytes(path, model.SerializeToString())
    infer = (infer_steps if path.name == STEP else infer_whole)(path)
    # What 8 bits cost is measured by the run's metrics.
    tolerance = TOLERANCE if job.calibration is None else float("inf")
    return compare_file(path.name, infer, job.student.network, job.windows, job.axes, tolerance)


def infer_whole(path: Path) -> Infer:
    """Raw inputs to logits, by onnxruntime on the processor."""
    session = open_session(path)

    def infer(inputs: np.ndarray) -> np.ndarray:
        (logits,) = session.run([LOGITS], {INPUT: inputs})
        return np.asarray(logits)

    return infer


def infer_steps(path: Path) -> Infer:
    """Clips to logits, frame by frame."""
    session = open_session(path)

    def infer(clips: np.ndarray) -> np.ndarray:
        state = initial_state(session)
        outputs = [LOGITS, *(f"next_{name}" for name in state)]
        frames = []
        for time in range(clips.shape[1]):
            logits, *after = session.run(outputs, {FRAME: np.ascontiguousarray(clips[:, time]), **state})
            state = dict(zip(state, after, strict=True))
            frames.append(logits)
        return np.stack(frames, 1)

    return infer


def initial_state(session: Any) -> Mapping[str, np.ndarray]:
    """Zeros for the states of ``step.onnx``, of length 1 along each axis of any length."""
    return {
        port.name: np.zeros([n if isinstance(n, int) else 1 for n in port.shape], np.float32)
        for port in session.get_inputs()
        if port.name != FRAME
    }


def open_session(path: Path) -> Any:
    """An onnxruntime session on one thread of the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
