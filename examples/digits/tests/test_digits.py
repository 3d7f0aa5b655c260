"""What is particular to digits: the halves, the shipped teacher, and what files are read."""

import hashlib
import json

import numpy as np
import pytest
from kdkit_digits.domain import Digits
from kdkit_digits.halves import held_out_half, training_half
from kdkit_digits.real import HeldOut
from kdkit_digits.student import DigitsSmall
from kdkit_digits.teacher import SHIPPED, DigitsCNN
from PIL import Image

from kdkit import DataError, KdkitError


def weights(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_halves_share_no_image():
    (training, labels), (held_out, _) = training_half(), held_out_half()
    assert (len(training), len(held_out)) == (898, 899)
    assert training.dtype == np.uint8
    assert (training.min(), training.max(), set(labels.tolist())) == (0, 255, set(range(10)))
    assert not {image.tobytes() for image in training} & {image.tobytes() for image in held_out}


def test_the_shipped_teacher_is_the_one_described():
    import torch

    described = json.loads(SHIPPED.with_suffix(".json").read_text())
    assert hashlib.sha256(SHIPPED.read_bytes()).hexdigest() == described["sha256"]
    network = DigitsCNN().build().eval()
    assert weights(network) == described["weights"]
    images, labels = held_out_half()
    with torch.inference_mode():
        predictions = network(torch.from_numpy(images)).argmax(1).numpy()
    assert np.mean(predictions == labels) == pytest.approx(described["accuracy_held_out"], abs=0.002)
    assert described["accuracy_held_out"] > 0.98


def test_the_student_has_at_most_half_the_weights():
    assert weights(DigitsSmall().build()) <= weights(DigitsCNN().build()) / 2


def test_an_enlarged_digit_is_read_as_the_digit(tmp_path):
    digit = held_out_half()[0][3]
    large = digit.repeat(4, axis=0).repeat(4, axis=1)
    Image.fromarray(large).convert("RGB").save(tmp_path / "large.png")
    np.save(tmp_path / "small.npy", digit)
    for name in ("large.png", "small.npy"):
        assert np.array_equal(Digits().read(tmp_path / name).inputs, digit)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((8, 9), np.uint8), "9 x 8 pixels, not a square"),
        (np.zeros((4, 4), np.uint8), "4 x 4 pixels, not a square of 8 x 8 or more"),
        (np.zeros((8, 8)), "does not hold one array of uint8"),
        (np.zeros((8, 8, 3), np.uint8), "does not hold one array of uint8"),
        (np.array([None]), "is not a whole .npy file"),
    ],
)
def test_what_is_no_digit_is_refused(tmp_path, array, message):
    np.save(tmp_path / "odd.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=message):
        Digits().read(tmp_path / "odd.npy")


def test_the_most_probable_digit_is_told(tmp_path):
    prediction = np.full(10, 0.02, np.float32)
    prediction[7] = 0.82
    row = Digits().write(tmp_path / "a.png", None, prediction, tmp_path / "a")
    assert row == {"digit": 7, "probability": 0.82}


def test_a_teacher_that_knows_no_digit_is_refused():
    samples = list(HeldOut().generate(range(8)))
    shifted = [np.roll(np.eye(10)[int(sample.truth["label"])], 1) for sample in samples]
    with pytest.raises(KdkitError, match="knows 0 of 8 real digits"):
        Digits().check_teacher(samples, shifted)
