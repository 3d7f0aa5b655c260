"""The contracts, kept by the generators for any domain."""

import pytest
from kdkit_generators.noise import Noise

from kdkit.testing import GeneratorContract

pytestmark = pytest.mark.filterwarnings("error::kdkit.testing.ContractAdvice")


class TestNoise(GeneratorContract):
    component = Noise
    options = {"shape": (3, 8, 9)}


class TestGrainedNoise(GeneratorContract):
    component = Noise
    options = {"shape": (4, 8, 9), "grain": 4}


class TestExampleOfNoise(GeneratorContract):
    component = Noise
