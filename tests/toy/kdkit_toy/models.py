from pathlib import Path

import numpy as np

from kdkit import ComponentOptions, DataError, Field, Metric, Student, Teacher


class Brightness(Teacher):
    """Logit proportional to brightness above a threshold."""

    class Options(ComponentOptions):
        threshold: float = Field(0.5, ge=0, le=1, description="Share of full brightness.")
        weights: Path | None = Field(None, description="A file that counts for the fingerprint.")

    def files(self):
        return [self.options.weights] if self.options.weights else []

    def build(self):
        import torch

        threshold = self.options.threshold

        class Network(torch.nn.Module):
            def forward(self, inputs):
                return 20 * (inputs.float() / 255 - threshold)

        return Network()


class Constant(Teacher):
    """Logit 1 everywhere."""

    def build(self):
        import torch

        class Network(torch.nn.Module):
            def forward(self, inputs):
                return torch.ones(inputs.shape)

        return Network()


class NotFinite(Teacher):
    """NaN everywhere."""

    def build(self):
        import torch

        class Network(torch.nn.Module):
            def forward(self, inputs):
                return torch.full(inputs.shape, float("nan"))

        return Network()


class Pixelwise(Student):
    """One 3x3 convolution on each frame."""

    inputs = "(batch, time, height, width) uint8, 0..255"

    class Options(ComponentOptions):
        gain: float = Field(1.0, description="Scale of the inputs.")

    def build(self):
        import torch

        gain = self.options.gain

        class Network(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = torch.nn.Conv2d(1, 1, 3, padding=1)

            def forward(self, inputs):
                frames = inputs.flatten(0, 1).unsqueeze(1).float() / 255 * gain
                return self.layer(frames).squeeze(1).unflatten(0, inputs.shape[:2])

        return Network()


class Overlap(Metric):
    """Dice over the whole clip."""

    unit = ""
    higher_is_better = True

    class Options(ComponentOptions):
        fail: bool = Field(False, description="Break on every sample.")

    def measure(self, prediction, sample):
        if self.options.fail:
            raise DataError(f"cannot measure {sample.info.get('name')}")
        if "mask" not in sample.truth:
            return []
        mask = sample.truth["mask"].astype(bool)
        found = prediction >= 0.5
        return [(2 * np.sum(mask & found) / max(1, mask.sum() + found.sum()),)]
