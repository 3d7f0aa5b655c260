"""A control of another kind than the samples is called so; one of the same kind is not."""

import numpy as np
import pytest

from kdkit.stages.control_samples import differences
from kdkit.stages.pipeline import run_stages

RNG = np.random.default_rng(0)
PICTURES = [RNG.integers(0, 256, (8, 8), dtype=np.uint8) for _ in range(16)]
SOUNDS = [(3000 * RNG.normal(size=64)).astype(np.int16) for _ in range(16)]


@pytest.mark.parametrize(
    ("inputs", "control", "expected"),
    [
        (PICTURES, PICTURES, []),
        (PICTURES, [array // 3 * 2 + 40 for array in PICTURES], []),
        (PICTURES, [array[:4] for array in PICTURES], ["shape [4, 8], not [8, 8]"]),
        ([*PICTURES, PICTURES[0][:4]], [array[:4] for array in PICTURES], []),
        (SOUNDS, [array.astype(np.float32) for array in SOUNDS], ["type float32, not int16"]),
        (SOUNDS, [np.zeros(9, np.int8)], ["shape [9], not [64]", "type int8, not int16"]),
        (PICTURES, [array // 16 for array in PICTURES], ["range 0 to 15, not 0 to 255"]),
        ([np.full(4, 0.0)], [np.full(4, 3.0)], ["range 3 to 3, not 0 to 0"]),
        ([np.array([0.0, 1.0])], [np.array([5.0, 6.0])], ["range 5 to 6, not 0 to 1"]),
        ([np.array([0.0, 1.0] * 50)], [np.array([0.0] * 99 + [1.0])], ["standard deviation 0.0995, not 0.5"]),
        ([np.array([True])], [np.array([False])], []),
    ],
)
def test_what_differs_is_named(inputs, control, expected):
    assert list(differences(inputs, control)) == expected


def test_a_run_says_so_of_its_control_and_of_no_other(prepare):
    said = []
    for shape in ("[4, 16, 16]", "[4, 16, 12]"):
        run = prepare(
            "samples.train=6", "samples.validation=2", "samples.evaluation=3", "training.window=null",
            f"controls.0.generator={{name: noise, shape: {shape}}}",
        )  # fmt: skip
        run.progress.say = lambda stage, what, text: said.append((what, text))
        run_stages(run, last="generate")
    assert said == [("control", "no fair control: shape [4, 16, 12], not [4, 16, 16] as discs gives")]
