"""The contracts, kept by the teachers for any domain."""

from functools import cached_property

import numpy as np
import pytest
from kdkit_teachers.callable import FromCallable
from kdkit_teachers.ensemble import Ensemble
from kdkit_teachers.exported import Exported
from kdkit_teachers.onnx import Onnx
from kdkit_teachers.torchvision import Torchvision

from kdkit.testing import TeacherContract

pytestmark = pytest.mark.filterwarnings("error::kdkit.testing.ContractAdvice")

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 3), dtype=np.uint8)


class TestClassifier(TeacherContract):
    component = Torchvision
    output_shape = (3,)


class TestSegmenter(TeacherContract):
    component = Torchvision
    inputs = IMAGES
    output_shape = (48, 48, 2)

    @cached_property
    def options(self):
        import torch
        from torchvision.models.segmentation import lraspp_mobilenet_v3_large

        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=2)
        torch.save({"state_dict": network.state_dict()}, self.folder / "weights.pt")
        return {"model": "lraspp_mobilenet_v3_large", "weights": self.folder / "weights.pt", "classes": 2}


class TestExported(TeacherContract):
    component = Exported
    output_shape = (16, 16, 2)


class TestTorchScript(TeacherContract):
    component = Exported
    output_shape = (16, 16)

    @cached_property
    def options(self):
        import torch

        with torch.random.fork_rng(), pytest.warns(Warning, match="deprecated"):
            torch.manual_seed(0)
            torch.jit.script(torch.nn.Conv2d(3, 2, 3, padding=1).eval()).save(self.folder / "small.pt")
        return {"file": self.folder / "small.pt", "channel": 1}


class TestOnnx(TeacherContract):
    component = Onnx
    output_shape = (16, 16, 2)


class TestCallable(TeacherContract):
    component = FromCallable
    output_shape = (8, 8)


class TestEnsemble(TeacherContract):
    component = Ensemble
    output_shape = (8, 8)


@pytest.mark.slow
class TestEnsembleOfClassifiers(TeacherContract):
    component = Ensemble
    inputs = IMAGES
    output_shape = (3,)

    @cached_property
    def options(self):
        members = []
        for place in ("one", "other"):
            (self.folder / place).mkdir()
            members.append({"name": "torchvision", **Torchvision.example_options(self.folder / place)})
        members[1]["mean"] = (0.5, 0.5, 0.5)
        return {"members": members, "activation": "softmax", "combine": "weighted", "shares": (0.3, 0.7)}
