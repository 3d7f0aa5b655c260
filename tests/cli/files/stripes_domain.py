"""A whole domain in one file: bright vertical stripes, found by their brightness."""

from pathlib import Path

import numpy as np

from kdkit import (
    ComponentOptions,
    DataError,
    Domain,
    Entry,
    Field,
    Generator,
    Metric,
    Sample,
    Student,
    Teacher,
    hookimpl,
)


class StripesGenerator(Generator):
    """One stripe on dark noise, uint8 (16, 16); truth: its mask."""

    class Options(ComponentOptions):
        brightness: int = Field(200, ge=0, le=255, description="Value of the stripe.")

    def generate(self, indices):
        for index in indices:
            rng = self.rng(index)
            image = rng.integers(0, 60, (16, 16), dtype=np.uint8)
            start = int(rng.integers(0, 12))
            image[:, start : start + 4] = self.options.brightness
            yield Sample(image, truth={"mask": (image >= 128).astype(np.uint8)}, info={"name": f"stripe-{index}"})


class StripesTeacher(Teacher):
    """Bright is foreground."""

    def build(self):
        import torch

        class Network(torch.nn.Module):
            def forward(self, inputs):
                return (inputs.float() - 128) / 16

        return Network()


class StripesStudent(Student):
    """A gain and an offset."""

    inputs = "(batch, height, width) uint8, 0..255, grayscale"

    def build(self):
        import torch

        class Network(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = torch.nn.Linear(1, 1)

            def forward(self, inputs):
                return self.layer(inputs.float().unsqueeze(-1) / 255).squeeze(-1)

        return Network()


class Overlap(Metric):
    """Share of pixels on the right side."""

    unit = ""
    higher_is_better = True

    def measure(self, prediction, sample):
        if "mask" not in sample.truth:
            return []
        return [(float(((prediction >= 0.5) == sample.truth["mask"]).mean()),)]


class Stripes(Domain):
    """Stripes."""

    activation = "sigmoid"
    item = "image"
    input_suffixes = (".npy",)
    recipe = """
    generator: {name: stripes}
    teacher: {name: bright}
    student: {name: affine}
    objective: {name: soft-bce}
    samples: {train: 16, validation: 4, evaluation: 4}
    training: {epochs: 2, batch_size: 4, learning_rate: 0.3}
    evaluation: {metrics: [pixels]}
    trainer: {accelerator: cpu, devices: 1, workers: 2}
    """

    def read(self, path: Path) -> Sample:
        try:
            return Sample(np.load(path), info={"name": path.stem})
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: {error}") from error


@hookimpl
def kdkit_generators():
    return [Entry("stripes", "One stripe on noise", f"{__name__}:StripesGenerator")]


@hookimpl
def kdkit_teachers():
    return [Entry("bright", "Bright is foreground", f"{__name__}:StripesTeacher")]


@hookimpl
def kdkit_students():
    return [Entry("affine", "A gain and an offset", f"{__name__}:StripesStudent")]


@hookimpl
def kdkit_metrics():
    return [Entry("pixels", "Share of right pixels", f"{__name__}:Overlap")]


@hookimpl
def kdkit_domains():
    return [Entry("stripes", "Stripes", f"{__name__}:Stripes")]
