"""What people score in a model's place, from what several of them drew, by hand."""

import numpy as np
import pytest
from kdkit_echocardio.geometry import hausdorff95
from kdkit_echocardio.metrics.area import AreaBias, AreaError
from kdkit_echocardio.metrics.calibration import Brier
from kdkit_echocardio.metrics.ejection import AreaBias as EjectionBias
from kdkit_echocardio.metrics.ejection import AreaError as EjectionError
from kdkit_echocardio.metrics.overlap import Dice, DiceES, IoU, PooledDice
from kdkit_echocardio.metrics.surfaces import Hausdorff95, Hausdorff95Millimetres

from kdkit import Sample
from kdkit.contracts.metric import as_cases


def drawn(*rows: int) -> np.ndarray:
    """Masks of ten columns and so many rows each."""
    masks = np.zeros((len(rows), 20, 20), np.uint8)
    for mask, count in zip(masks, rows, strict=True):
        mask[:count, :10] = 1
    return masks


# Three people drew ED, 100, 50 and 100 pixels, and one of them ES, 40 pixels.
SAMPLE = Sample(
    np.zeros((8, 20, 20), np.uint8),
    {
        "mask": drawn(10, 4, 5, 10),
        "mask_frames": np.array([2, 6, 2, 2]),
        "ed": np.array([2]),
        "es": np.array([6]),
        "ejection_fraction": np.array(60.0),
    },
    {"spacing_mm": 0.5, "fps": 50.0},
)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        # Of the three pairs two share 50 of 150 pixels, and two people drew the same.
        (Dice, (2 / 3 + 1 + 2 / 3) / 3),
        (IoU, (1 / 2 + 1 + 1 / 2) / 3),
        (PooledDice, 2 * (50 + 100 + 50) / (150 + 200 + 150)),
        # Either may be the one that is right: 100 % too large or 50 % too small.
        (AreaError, (100 + 50 + 0 + 0 + 100 + 50) / 6),
        (Hausdorff95, hausdorff95(*drawn(10, 5)) * 2 / 3),
        (Hausdorff95Millimetres, 0.5 * hausdorff95(*drawn(10, 5)) * 2 / 3),
        # Traced areas are 250 / 3 on average at ED and 40 at ES: 52 %.
        (EjectionError, 8),
        (EjectionBias, -8),
    ],
)
def test_people_by_hand(metric, expected):
    score = metric()
    score.add_cases(as_cases(score.humans(SAMPLE)), None)
    found = score.compute()
    assert (found.n, found.value) == (1, pytest.approx(expected))


@pytest.mark.parametrize("metric", [DiceES, AreaBias, Brier])
def test_one_annotator_or_no_one_to_be_right_says_nothing(metric):
    assert metric().humans(SAMPLE) == []


def test_a_tracing_without_an_ejection_fraction_says_nothing_of_it():
    truth = {name: value for name, value in SAMPLE.truth.items() if name != "ejection_fraction"}
    assert EjectionError().humans(Sample(SAMPLE.inputs, truth)) == []
