"""What ``sounds`` is worth for a task that it was not made for: whistles that rise, fall or stay.

    OMP_NUM_THREADS=1 python benchmarks/chirps.py

The teacher is scikit-learn's: a perceptron with one layer on the loudest frequency in each of 16 frames, trained
here on simulated whistles in noise, which the distillation never sees. A small convolutional student is distilled
with ``sounds`` and, as the control, with ``noise`` of the same range; both are then held against the teacher, and
against what they are, on 300 new whistles.
"""

from __future__ import annotations

import os
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import kdkit
from kdkit import Domain, Entry, Metric, Sample, Student, hookimpl

RATE, LENGTH, FRAMES = 8000, 4096, 16
CLASSES = ("falls", "stays", "rises")
HELD_OUT = 300


def whistle(rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """A whistle of half a second in noise, int16 (4096,), and its class."""
    kind = int(rng.integers(3))
    start = rng.uniform(600, 2600)
    change = (kind - 1) * rng.uniform(300, 1000) + rng.normal(0, 20)
    time = np.arange(LENGTH) / RATE
    frequency = np.clip(start + change * time * RATE / LENGTH, 200, 3800)
    tone = np.sin(2 * np.pi * np.cumsum(frequency) / RATE) * np.hanning(LENGTH) ** 0.3
    sound = rng.uniform(2000, 9000) * tone + rng.normal(0, rng.uniform(100, 1500), LENGTH)
    return np.clip(sound, -32768, 32767).astype(np.int16), kind


def peaks(sounds: np.ndarray) -> np.ndarray:
    """The loudest frequency in each frame, in steps of 31.25 Hz over 64: (batch, 16)."""
    frames = sounds.reshape(len(sounds), FRAMES, -1) * np.hanning(LENGTH // FRAMES)
    return np.abs(np.fft.rfft(frames, axis=2)).argmax(2) / 64


@lru_cache(maxsize=1)
def model() -> Any:
    """The teacher, trained on 3,000 whistles."""
    from sklearn.neural_network import MLPClassifier

    rng = np.random.default_rng(1)
    sounds, kinds = zip(*(whistle(rng) for _ in range(3000)), strict=True)
    return MLPClassifier((32,), max_iter=1000, random_state=0).fit(peaks(np.stack(sounds)), kinds)


def probabilities(sounds: torch.Tensor) -> torch.Tensor:
    """Sounds int16 (batch, 4096) to the probabilities of the three classes, (batch, 3)."""
    return torch.from_numpy(model().predict_proba(peaks(sounds.numpy()))).float()


class Whistle(nn.Module):
    """Convolutions over a spectrogram of 16 frames."""

    def __init__(self) -> None:
        super().__init__()
        self.frames = nn.Sequential(nn.Conv1d(128, 32, 1), nn.ReLU(), nn.Conv1d(32, 32, 3, padding=1), nn.ReLU())
        self.classes = nn.Sequential(nn.Linear(32 * FRAMES, 32), nn.ReLU(), nn.Linear(32, 3))

    def forward(self, sounds: torch.Tensor) -> torch.Tensor:
        frames = sounds.float().unflatten(1, (FRAMES, LENGTH // FRAMES))
        window = torch.hann_window(LENGTH // FRAMES, device=sounds.device)
        power = torch.fft.rfft(frames * window, dim=2).abs()[..., :128].square() + 1.0
        shares = power / power.amax(2, keepdim=True)  # whatever the loudness
        return self.classes(self.frames(shares.transpose(1, 2)).flatten(1))


class WhistleStudent(Student):
    """Convolutions over a spectrogram of 16 frames."""

    inputs = "(batch, 4096) int16, one channel at 8 kHz"

    def build(self) -> nn.Module:
        return Whistle()


class Accuracy(Metric):
    """Share of whistles whose most probable class is the right one."""

    unit = ""
    higher_is_better = True

    def measure(self, prediction: np.ndarray, sample: Sample) -> list[tuple[float, ...]]:
        return [(float(prediction.argmax() == sample.truth["label"]),)] if "label" in sample.truth else []


class Whistles(Domain):
    """Whistles that rise, fall or stay."""

    activation = "softmax"
    item = "clip"
    input_suffixes = (".npz",)
    recipe = f"""
        generator: {{name: sounds, length: {LENGTH}, rate: {RATE}}}
        teacher: {{name: callable, path: "chirps:probabilities", activation: softmax, gives_gradients: false}}
        student: {{name: whistle-net}}
        objective: {{name: kl}}
        samples: {{train: 4000, validation: 400, evaluation: 400}}
        training: {{epochs: 20, batch_size: 50, learning_rate: 0.005}}
        evaluation: {{metrics: [teacher-kappa]}}
        controls: [{{generator: {{name: noise, shape: [{LENGTH}], dtype: int16, range: [-9000, 9000]}}}}]
        trainer: {{accelerator: cpu, devices: 1, workers: 1}}
    """

    def read(self, path: Path) -> Sample:
        with np.load(path) as file:
            return Sample(file["sound"], truth={"label": file["label"]}, info={"name": path.stem})


@hookimpl
def kdkit_students() -> list[Entry]:
    return [Entry("whistle-net", "Convolutions over a spectrogram", f"{__name__}:WhistleStudent")]


@hookimpl
def kdkit_metrics() -> list[Entry]:
    return [Entry("whistle-accuracy", "Share of right classes", f"{__name__}:Accuracy")]


@hookimpl
def kdkit_domains() -> list[Entry]:
    return [Entry("whistles", "Whistles that rise, fall or stay", f"{__name__}:Whistles")]


def main() -> None:
    here = Path(__file__).resolve()
    sys.path.insert(0, str(here.parent))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["KDKIT_HOME"] = str(folder / "home")
        rng, sounds = np.random.default_rng(2), folder / "sounds"
        sounds.mkdir()
        for number in range(HELD_OUT):
            sound, kind = whistle(rng)
            np.savez(sounds / f"{number:03d}.npz", sound=sound, label=np.int64(kind))
        result = kdkit.run(str(here), out=folder / "run")
        print("on what sounds made:", {model: show(by) for model, by in result.scores.items()})
        for model in ("student", "control"):
            path, metrics = folder / "run" / model, ["teacher-kappa", "whistle-accuracy"]
            evaluation = kdkit.evaluate(path, sounds, metrics=metrics, teacher=True, domain_file=here)
            print(f"{model} on whistles:", {name: show(by["all"]) for name, by in evaluation.result.scores.items()})


def show(scores: Any) -> str:
    """Each score with its interval."""
    return ", ".join(
        f"{name} {score.value:.3f} ({score.ci_low:.3f} to {score.ci_high:.3f})"
        for name, score in scores.items()
        if score.value is not None
    )


if __name__ == "__main__":
    main()
