"""A teacher behind bytes: a request's body in, a response's body out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

import kdkit
from kdkit.contracts.teacher import Teacher
from kdkit.errors import DataError
from kdkit.plugins.calls import call

if TYPE_CHECKING:
    import torch

FORMAT = 1
# That of one array takes a hundred bytes. One of many takes minutes to be read, in which nobody else is served.
LONGEST_HEADER = 4096
Arrays = dict[str, np.ndarray]
INPUTS, LOGITS, WEIGHT = "inputs", "logits", "weight"


class ServedTeacher:
    """A frozen network."""

    def __init__(self, teacher: Teacher, name: str, device: str) -> None:
        """Raises :class:`kdkit.errors.WeightsError` when the weights do not fit."""
        import torch

        from kdkit.engine.inference import freeze

        self.name = name
        self.fingerprint = call(teacher.fingerprint)
        self.device = torch.device(device)
        self._network: torch.nn.Module = freeze(call(teacher.build)).to(self.device)

    def facts(self) -> dict[str, Any]:
        """What a client learns of the teacher: nothing of its weights, its files or its options."""
        return {"format": FORMAT, "kdkit": kdkit.__version__, "name": self.name, "fingerprint": self.fingerprint}

    def infer(self, inputs: np.ndarray) -> Arrays:
        """The ``logits``, float32 (batch, \\*output shape), and the ``weight`` if there is one, float32.

        Raises :class:`DataError` when the network cannot take the inputs; it says nothing of the network, and its
        cause does.
        """
        import torch

        from kdkit.engine.inference import infer_weighted_logits

        try:
            outputs = infer_weighted_logits(self._network, list(inputs), self.device)
            arrays = {LOGITS: torch.stack([logits for logits, _ in outputs]).cpu().numpy()}
            weights = [weight for _, weight in outputs if weight is not None]
            if weights:
                arrays[WEIGHT] = torch.stack(weights).float().cpu().numpy()
        except BaseException as error:  # a network says in many ways that an input does not fit
            raise DataError(f"the teacher cannot take inputs {inputs.dtype} {inputs.shape}") from error
        return arrays


def encode(arrays: Arrays) -> bytes:
    """Arrays as a safetensors file."""
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def read_inputs(body: bytes) -> np.ndarray:
    """The batch of raw inputs in a request: a safetensors file with the one array ``inputs``, (batch, \\*shape).

    Nothing in it can be executed. Raises :class:`DataError` when it is anything else.
    """
    if int.from_bytes(body[:8], "little") > LONGEST_HEADER:
        raise DataError(f"the body is not a safetensors file whose header has {LONGEST_HEADER} bytes at most")
    try:
        arrays = load(body)
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError("the body is not a safetensors file that numpy can read") from error
    if set(arrays) != {INPUTS} or arrays[INPUTS].ndim < 2 or arrays[INPUTS].size == 0:
        raise DataError(f"the body does not hold one array {INPUTS!r}, (batch, ...)")
    return arrays[INPUTS]
