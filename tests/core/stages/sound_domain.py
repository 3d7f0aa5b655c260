"""Loud parts of a sound, in one file: int16 (time,), a logit for every 64 values."""

import numpy as np

from kdkit import (
    AlignedAxis,
    ComponentOptions,
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

STEP = 64


class Bursts(Generator):
    """A burst of noise in a quieter one."""

    class Options(ComponentOptions):
        length: int = Field(1280, description="Values in a sound.")

    def generate(self, indices):
        for index in indices:
            rng = self.rng(index)
            loudness = np.where(np.arange(self.options.length) // 256 == rng.integers(0, 5), 3000, 300)
            yield Sample((loudness * rng.normal(size=loudness.size)).astype(np.int16))


class Loudness(Teacher):
    """The power of every 64 values."""

    def build(self):
        import torch

        class Network(torch.nn.Module):
            def forward(self, inputs):
                blocks = inputs[:, : inputs.shape[1] // STEP * STEP].float().unflatten(1, (-1, STEP)) / 1000
                return blocks.square().mean(-1) - 2

        return Network()


class Strided(Student):
    """A strided convolution of the squares, with ``padding`` values on both sides."""

    inputs = "(batch, time) int16"

    class Options(ComponentOptions):
        padding: int = Field(0, description="Zeros on both sides.")

    def build(self):
        import torch

        class Network(torch.nn.Module):
            def __init__(self, padding):
                super().__init__()
                self.layer = torch.nn.Conv1d(1, 1, STEP, STEP, padding=padding)

            def forward(self, inputs):
                return self.layer((inputs.float() / 1000).square()[:, None]).squeeze(1)

        return Network(self.options.padding)


class Share(Metric):
    """Share of loud parts."""

    unit = ""
    higher_is_better = None

    def measure(self, prediction, sample):
        return [(float(prediction.mean()),)]


class Sounds(Domain):
    """Loud or not, 64 values each."""

    aligned_axes = (AlignedAxis(inputs=STEP),)
    recipe = """
    generator: {name: bursts}
    teacher: {name: loudness}
    student: {name: strided}
    objective: {name: soft-bce}
    samples: {train: 6, validation: 2, evaluation: 2}
    training: {epochs: 2, batch_size: 2, learning_rate: 0.01, window: 256}
    evaluation: {metrics: [share]}
    trainer: {accelerator: cpu, devices: 1, workers: 1}
    """


@hookimpl
def kdkit_generators():
    return [Entry("bursts", "Bursts of noise", f"{__name__}:Bursts")]


@hookimpl
def kdkit_teachers():
    return [Entry("loudness", "Loudness", f"{__name__}:Loudness")]


@hookimpl
def kdkit_students():
    return [Entry("strided", "A strided convolution", f"{__name__}:Strided")]


@hookimpl
def kdkit_metrics():
    return [Entry("share", "Share of loud parts", f"{__name__}:Share")]


@hookimpl
def kdkit_domains():
    return [Entry("sounds", "Loud or not", f"{__name__}:Sounds")]
