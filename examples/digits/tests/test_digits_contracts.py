"""Every component keeps the promises of its kind."""

from functools import cached_property

import numpy as np
from kdkit_digits.domain import Digits
from kdkit_digits.metric import Accuracy
from kdkit_digits.real import HeldOut, Unlabelled
from kdkit_digits.strokes import Strokes
from kdkit_digits.student import DigitsSmall
from kdkit_digits.teacher import SHIPPED, DigitsCNN

from kdkit import Sample
from kdkit.testing import DomainContract, GeneratorContract, MetricContract, StudentContract, TeacherContract


class TestStrokes(GeneratorContract):
    component = Strokes


class TestHeldOut(GeneratorContract):
    component = HeldOut


class TestUnlabelled(GeneratorContract):
    component = Unlabelled


class TestDigitsCNN(TeacherContract):
    component = DigitsCNN
    generator = HeldOut()
    output_shape = (10,)

    @cached_property
    def options(self):
        """The shipped weights, named like a user's own."""
        path = self.folder / "teacher.safetensors"
        path.write_bytes(SHIPPED.read_bytes())
        return {"weights": path}


class TestDigitsSmall(StudentContract):
    component = DigitsSmall
    generator = Strokes()
    output_shape = (10,)


class TestAccuracy(MetricContract):
    component = Accuracy
    cases = [
        (np.eye(10, dtype=np.float32)[digit], Sample(np.zeros((8, 8), np.uint8), {"label": np.array(digit % 2)}))
        for digit in range(4)
    ]


class TestDigits(DomainContract):
    component = Digits
