"""The domain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from kdkit import Case, Domain, Figure, KdkitError, Sample
from kdkit_digits.halves import CLASSES


class Digits(Domain):
    """Handwritten digits: images uint8 (8, 8), bright on dark, to the probabilities of ten classes.

    Reads PNG files and ``.npy`` arrays, square and of any size from 8 x 8.
    """

    activation = "softmax"
    margins: ClassVar[Mapping[str, float]] = MappingProxyType({"accuracy": 0.02})
    item = "image"
    input_suffixes = (".png", ".npy")

    def read(self, path: Path) -> Sample:
        from kdkit_digits.reading import read_image

        return Sample(read_image(path), info={"name": path.stem})

    def example_file(self, folder: Path) -> Path:
        from kdkit_digits.strokes import Strokes

        path = folder / "example.npy"
        (sample,) = Strokes().generate([0])
        np.save(path, sample.inputs)
        return path

    def write(self, path: Path, sample: Sample, prediction: np.ndarray, stem: Path) -> Mapping[str, Any]:
        """Write the ten probabilities, and return the most probable digit with its own."""
        super().write(path, sample, prediction, stem)
        digit = int(prediction.argmax())
        return {"digit": digit, "probability": round(float(prediction[digit]), 4)}

    def target_from_truth(self, sample: Sample) -> np.ndarray | None:
        """All probability on the true digit, float32 (10,); strokes at random have none."""
        if "label" not in sample.truth:
            return None
        return np.eye(CLASSES, dtype=np.float32)[int(sample.truth["label"])]

    def check_teacher(self, samples: Sequence[Sample], predictions: Sequence[np.ndarray]) -> str:
        """How many of the real digits it classifies correctly; fewer than half is implausible."""
        if any(prediction.shape != (CLASSES,) for prediction in predictions):
            raise KdkitError(f"the teacher predicts {predictions[0].shape}, not {CLASSES} classes")
        correct = [
            prediction.argmax() == int(sample.truth["label"])
            for sample, prediction in zip(samples, predictions, strict=True)
            if "label" in sample.truth
        ]
        if correct and sum(correct) < len(correct) / 2:
            raise KdkitError(
                f"the teacher knows {sum(correct)} of {len(correct)} real digits",
                "Check its weights, and that it was trained on images bright on dark, 0..255.",
            )
        return f"{sum(correct)} of {len(correct)} real digits right" if correct else ""

    def sheet(self, samples: Sequence[Sample]) -> np.ndarray:
        from kdkit_digits.pictures import contact_sheet

        return contact_sheet(samples)

    def figures(self, cases: Sequence[Case]) -> Iterator[Figure]:
        """Each case's image and every model's prediction."""
        from kdkit_digits.pictures import case_svg

        for case in cases:
            label = case.sample.truth.get("label")
            caption = "The image, and the probability that each model gives each digit."
            true = "" if label is None else f", a {int(label)}"
            title = f"{case.rank.capitalize()} case: {case.sample.info.get('name', 'image')}{true}"
            yield Figure(title, caption, "image/svg+xml", case_svg(case))
