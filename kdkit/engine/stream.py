"""A student that is fed one frame at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from kdkit.contracts.component import file_digest
from kdkit.errors import DataError, UsageError
from kdkit.runs.student import WEIGHTS, TrainedStudent


@dataclass(frozen=True)
class StreamState:
    """What a student remembers of a clip.

    ``student``: SHA-256 of its weights. ``shape``, ``dtype``: of the clip's frames. ``frames``: how many there were.
    ``tensors``: the network's own states.
    """

    student: str
    shape: tuple[int, ...]
    dtype: str
    frames: int
    tensors: Sequence[torch.Tensor]


class Stream:
    """A clip that arrives frame by frame; memory does not grow with its length.

    ``state``: None at first; read after a frame, it can be kept, and handed to :meth:`LoadedStudent.stream` to go on
    from there.
    """

    def __init__(self, student: TrainedStudent, state: StreamState | None = None) -> None:
        if not is_streaming(student.network):
            raise UsageError(
                f"the student {student.card['component']} cannot be fed frame by frame: its network has no step",
                "Predict whole inputs, or choose a student whose network has step and initial_state.",
            )
        self.student = student
        self.weights = file_digest(student.folder / WEIGHTS)
        if state is not None and state.student != self.weights:
            raise UsageError("the state is another student's", "Start a new stream for the clip.")
        self.state = state
        self.device = next((p.device for p in student.network.parameters()), torch.device("cpu"))

    def step(self, frame: np.ndarray) -> np.ndarray:
        """The prediction for the clip's next frame, (\\*frame shape), raw as in the student's input: float32.

        The same as for that frame of the whole clip, but not rounded to the 8 bits that predictions are kept in.
        Raises :class:`kdkit.DataError` for a frame of another shape or type than those before, and for one that the
        network cannot take; the stream can then go on with another frame.
        """
        frame = np.asarray(frame)
        if self.state is not None and (frame.shape, str(frame.dtype)) != (self.state.shape, self.state.dtype):
            raise DataError(
                f"the frame is {frame.dtype} {frame.shape}, those of this clip are {self.state.dtype} "
                f"{self.state.shape}",
                "Start a new stream for another clip.",
            )
        network, activation = self.student.network, self.student.domain.activation
        try:
            frames = torch.from_numpy(np.array(frame, order="C")[None]).to(self.device)
            with torch.inference_mode():
                before = self.state.tensors if self.state else network.initial_state(frames)  # type: ignore[operator]
                logits, after = network.step(frames, before)  # type: ignore[operator]
                prediction = _activate(logits[0].float(), activation)
        except Exception as error:  # a network says in many ways that an input does not fit
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise DataError(
                f"the student cannot take a frame {frame.dtype} {frame.shape}: {lines[0]}",
                f"A clip is {self.student.card['inputs']}; a frame is without batch and time.",
            ) from error
        count = self.state.frames + 1 if self.state else 1
        self.state = StreamState(self.weights, frame.shape, str(frame.dtype), count, list(after))
        return prediction.cpu().numpy()


def is_streaming(network: torch.nn.Module) -> bool:
    """Whether a network can be stepped through a stream (see :meth:`kdkit.Student.build`)."""
    return all(callable(getattr(network, name, None)) for name in ("step", "initial_state"))


def _activate(logits: torch.Tensor, activation: str) -> torch.Tensor:
    """Predictions of full precision: those in the store are rounded to 8 bits, or half precision."""
    if activation == "sigmoid":
        return logits.sigmoid()
    return logits.softmax(-1) if activation == "softmax" else torch.clone(logits)
