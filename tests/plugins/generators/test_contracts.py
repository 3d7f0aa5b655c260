"""The contracts, kept by the generators for any domain."""

import pytest
from kdkit_generators.adversarial import Adversarial
from kdkit_generators.inversion import Inversion
from kdkit_generators.noise import Noise

from kdkit.testing import AdversaryContract, GeneratorContract

pytestmark = pytest.mark.filterwarnings("error::kdkit.testing.ContractAdvice")


class TestNoise(GeneratorContract):
    component = Noise
    options = {"shape": (3, 8, 9)}


class TestGrainedNoise(GeneratorContract):
    component = Noise
    options = {"shape": (4, 8, 9), "grain": 4}


class TestExampleOfNoise(GeneratorContract):
    component = Noise


class TestExampleOfInversion(GeneratorContract):
    component = Inversion


class TestInversionOfClips(GeneratorContract):
    component = Inversion
    options = {"shape": (2, 6, 7), "layout": "thw", "answers": "masks", "total_variation": 0.1, "l2": 0.1, "steps": 3}


class TestExampleOfAdversarial(AdversaryContract):
    component = Adversarial


class TestAdversarialOfColour(AdversaryContract):
    component = Adversarial
    options = {
        "shape": (9, 17, 3),
        "layout": "hwc",
        "distance": "kl",
        "one_hot": 1,
        "balance": 5,
        "activity": 0.1,
        "activity_layer": "3",
        "width": 4,
    }


class TestAdversarialOfClips(AdversaryContract):
    component = Adversarial
    options = {"shape": (3, 8, 8), "layout": "thw", "width": 4}
    answer_shape = (3, 8, 8)
