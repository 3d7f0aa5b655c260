"""A student as programs of ``torch.export``, which need torch and nothing of kdkit's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kdkit.engine.stream import is_streaming
from kdkit.errors import KdkitError
from kdkit.export.check import Agreement, Infer, compare_file
from kdkit.export.job import Job, quiet, reason

if TYPE_CHECKING:
    import torch

WHOLE, STEP, START = "model.pt2", "step.pt2", "initial_state.pt2"
METADATA = "kdkit.json"
BATCH = {0: "batch"}


def write_torch_export(job: Job, folder: Path) -> dict[str, Agreement]:
    """Write the programs and compare them with the student; file name to how well it agrees.

    ``model.pt2``, from raw inputs to logits; of a student that can be fed frame by frame ``step.pt2``, from a frame
    and states to logits and the next states, with ``initial_state.pt2``, from a frame to states: torch.export cannot
    save a loop over any number of frames. Batches may have any length. Every other axis has the length of the inputs
    that are compared on: torch.export decides by their sizes which way to compute, and refuses others.
    """
    import torch

    network, inputs = job.student.network, torch.from_numpy(job.windows)
    if not is_streaming(network):
        _save(job, network, [inputs], [BATCH], folder / WHOLE)
        return {WHOLE: _compare(job, WHOLE, _infer_whole(folder))}
    from kdkit.export.modules import InitialState, Step

    frames = inputs[:, 0].contiguous()
    states = network.initial_state(frames)  # type: ignore[operator]
    axes = [BATCH] * (1 + len(states))
    _save(job, Step(network), [frames, *states], axes, folder / STEP)
    _save(job, InitialState(network), [frames], [BATCH], folder / START)
    return {STEP: _compare(job, STEP, _infer_steps(folder))}


def dynamic_shapes(axes: list[Any]) -> tuple[Any, ...]:
    """The axes of any length as exporters take them; inputs after the first belong to one ``*states``."""
    import torch

    first, *others = [dict.fromkeys(one, torch.export.Dim.AUTO) for one in axes]
    return (first, tuple(others)) if others else (first,)


def _save(job: Job, module: torch.nn.Module, inputs: list[torch.Tensor], axes: list[Any], path: Path) -> None:
    import torch

    try:
        with quiet():
            program = torch.export.export(module.eval(), tuple(inputs), dynamic_shapes=dynamic_shapes(axes))
            torch.export.save(program, path, extra_files={METADATA: job.metadata_json})
    except Exception as error:  # a network fails in many ways to be a graph
        raise KdkitError(f"the network cannot be written by torch.export: {reason(error)}") from error


def _compare(job: Job, name: str, infer: Infer) -> Agreement:
    axes = BATCH | ({1: "time"} if name == STEP else {})
    return compare_file(name, infer, job.student.network, job.windows, axes)


def _infer_whole(folder: Path) -> Infer:
    import torch

    module = torch.export.load(folder / WHOLE).module()

    def infer(inputs: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return module(torch.from_numpy(inputs)).float().numpy()

    return infer


def _infer_steps(folder: Path) -> Infer:
    import torch

    step, start = (torch.export.load(folder / name).module() for name in (STEP, START))

    def infer(clips: np.ndarray) -> np.ndarray:
        times = torch.from_numpy(clips).unbind(1)
        with torch.no_grad():
            state, logits = start(times[0].contiguous()), []
            for frames in times:
                one, *state = step(frames.contiguous(), *state)
                logits.append(one)
            return torch.stack(logits, 1).float().numpy()

    return infer
