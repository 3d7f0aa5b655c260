"""The domain."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from kdkit import DataError, Domain, KdkitError, Sample
from kdkit_tumours.table import CLASSES, bounds


class Tumours(Domain):
    """Breast tumours: thirty measurements of nuclei, float32 (30,), to the probabilities of benign and malignant.

    Reads a CSV file of one row below a header that names the thirty columns, in any order.
    """

    activation = "softmax"
    item = "row"
    input_suffixes = (".csv",)
    margins: ClassVar[Mapping[str, float]] = MappingProxyType({"tumours-accuracy": 0.05, "tumours-auc": 0.02})

    def read(self, path: Path) -> Sample:
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = list(csv.DictReader(file))
            (row,) = rows
            values = np.array([float(row[name]) for name, *_ in bounds()], np.float32)
        except KeyError as error:
            raise DataError(f"{path}: has no column {error.args[0]}") from error
        except (OSError, UnicodeDecodeError, csv.Error, ValueError, TypeError) as error:
            raise DataError(f"{path}: is not a header and one row of numbers below it") from error
        if not np.isfinite(values).all():
            raise DataError(f"{path}: holds a value that is no finite number")
        return Sample(values, info={"name": path.stem})

    def example_file(self, folder: Path) -> Path:
        names, low, high, _ = zip(*bounds(), strict=True)
        middle = (np.array(low) + np.array(high)) / 2
        path = folder / "example.csv"
        path.write_text(",".join(names) + "\n" + ",".join(f"{x:.4f}" for x in middle) + "\n", encoding="utf-8")
        return path

    def write(self, path: Path, sample: Sample, prediction: np.ndarray, stem: Path) -> Mapping[str, Any]:
        """The class and the probability of malignant; no file is written, the summary says it all."""
        return {"class": CLASSES[int(prediction.argmax())], "malignant": round(float(prediction[1]), 4)}

    def check_teacher(self, samples: Sequence[Sample], predictions: Sequence[np.ndarray]) -> str:
        """How many of the real rows it classifies correctly; fewer than half is implausible."""
        correct = [
            prediction.argmax() == int(sample.truth["label"])
            for sample, prediction in zip(samples, predictions, strict=True)
            if "label" in sample.truth
        ]
        if correct and sum(correct) < len(correct) / 2:
            raise KdkitError(
                f"the teacher knows {sum(correct)} of {len(correct)} real rows",
                "Check the order of its classes (benign, malignant) and of its columns (bounds.csv).",
            )
        return f"{sum(correct)} of {len(correct)} real rows right" if correct else ""
