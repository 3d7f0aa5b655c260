"""Teachers from ONNX files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kdkit import Field, InputFile
from kdkit_teachers.extras import needed
from kdkit_teachers.image_teacher import ImageTeacher
from kdkit_teachers.images import ImageOptions

if TYPE_CHECKING:
    import torch


class Onnx(ImageTeacher):
    """A model from a local ONNX file, run by onnxruntime on the processor: it gives no gradients.

    Inputs and answers as the options say; by default RGB images (batch, height, width, 3), 0..255, scaled to 0..1,
    and logits (batch, classes) or (batch, height, width, classes). The file must hold its weights itself. An ONNX
    file is a graph of known operators; reading it executes nothing else. Needs ``kdkit-teachers[onnx]``.
    """

    gradients = False

    class Options(ImageOptions):
        file: InputFile = Field(description="The .onnx file, weights inside.")

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        """Three channels mixed into two, with weights drawn at random."""
        onnx = needed("onnx", "onnx", "onnx")
        weights = np.random.default_rng(0).normal(size=(2, 3, 1, 1)).astype(np.float32)
        shapes = {name: ["batch", channels, "height", "width"] for name, channels in (("images", 3), ("logits", 2))}
        images, logits = (
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()
        )
        graph = onnx.helper.make_graph(
            [onnx.helper.make_node("Conv", ["images", "weights"], ["logits"])],
            "small",
            [images],
            [logits],
            [onnx.numpy_helper.from_array(weights, "weights")],
        )
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
        (folder / "small.onnx").write_bytes(model.SerializeToString())
        return {"file": folder / "small.onnx"}

    def example_inputs(self) -> np.ndarray:
        return np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)

    def files(self) -> Sequence[Path]:
        return [self.options.file]

    def build(self) -> torch.nn.Module:
        for module in ("onnx", "onnxruntime"):
            needed(module, "onnx", "onnx")
        from kdkit_teachers.networks import Adapted
        from kdkit_teachers.onnx_network import load_network

        network = load_network(self.options.file)
        return Adapted(network, self.options, network.batch)
