"""An ONNX model as a torch module; imported only when a teacher is built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from google.protobuf.message import DecodeError

from kdkit import WeightsError, check_weights_file

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


class OnnxNetwork(torch.nn.Module):
    """Asks an onnxruntime session; its answers come back to the device that the inputs were on.

    ``batch``: how many inputs it takes at once, where that is fixed.
    """

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        super().__init__()
        self.session = session
        (self.input,) = session.get_inputs()
        first = self.input.shape[0] if self.input.shape else None
        self.batch = first if isinstance(first, int) else None

    def forward(self, inputs: torch.Tensor) -> dict[str, Any]:
        array = inputs.detach().cpu().numpy().astype(_TYPES[self.input.type])
        outputs = self.session.run(None, {self.input.name: array})
        names = [output.name for output in self.session.get_outputs()]
        return {name: _to_tensor(value, inputs.device) for name, value in zip(names, outputs, strict=True)}


def _to_tensor(value: Any, device: torch.device) -> Any:
    """An array of numbers as a tensor; what else an operator may give (texts, lists of mappings) as it is."""
    numeric = isinstance(value, np.ndarray) and value.dtype.kind in "biuf"
    return torch.from_numpy(value).to(device) if numeric else value


def load_network(path: Path) -> OnnxNetwork:
    """The model in an ONNX file. Raises :class:`kdkit.WeightsError` when it is damaged or not of one input."""
    _check_alone(path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what matters is raised
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common base of their own
        raise WeightsError(
            f"{path} cannot be loaded as an ONNX model: {_first_line(error)}",
            "Expected a whole file of ONNX's own operators.",
        ) from error
    if len(session.get_inputs()) != 1 or session.get_inputs()[0].type not in _TYPES:
        found = ", ".join(f"{i.name} {i.type}" for i in session.get_inputs())
        raise WeightsError(f"{path} takes {found or 'no inputs'}; a teacher takes one, the batch of samples")
    return OnnxNetwork(session)


def _check_alone(path: Path) -> None:
    """A file that takes weights from another one is refused: what is in that one would not be known by this one's."""
    check_weights_file(path)
    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError as error:
        raise WeightsError(f"{path} is not an ONNX file") from error
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model)):
        raise WeightsError(
            f"{path} takes its weights from another file",
            "Save it with its weights inside: save_as_external_data=False.",
        )


def _tensors(message: Any) -> Iterator[Any]:
    """Every tensor in an ONNX model, wherever in it."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if not hasattr(value, "ListFields") else [value]:
                if isinstance(part, onnx.TensorProto):
                    yield part
                elif hasattr(part, "ListFields"):
                    yield from _tensors(part)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
