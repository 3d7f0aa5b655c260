"""The contracts, kept by the generators for any domain."""

from functools import cached_property

import pytest
from kdkit_generators.adversarial import Adversarial
from kdkit_generators.diffusers import Diffusers
from kdkit_generators.folder import Folder
from kdkit_generators.inversion import Inversion
from kdkit_generators.mix import Mix
from kdkit_generators.noise import Noise
from kdkit_generators.sounds import Sounds
from kdkit_generators.tables import Tables

from kdkit.testing import AdversaryContract, GeneratorContract

from .writing import write_clip

pytestmark = pytest.mark.filterwarnings("error::kdkit.testing.ContractAdvice")


class TestNoise(GeneratorContract):
    component = Noise
    options = {"shape": (3, 8, 9)}


class TestGrainedNoise(GeneratorContract):
    component = Noise
    options = {"shape": (4, 8, 9), "grain": 4}


class TestNoiseOfSounds(GeneratorContract):
    component = Noise
    options = {"shape": (64,), "dtype": "int16", "distribution": "normal"}


class TestExampleOfNoise(GeneratorContract):
    component = Noise


class TestExampleOfSounds(GeneratorContract):
    component = Sounds


class TestExampleOfTables(GeneratorContract):
    component = Tables


class TestTablesOfRanges(GeneratorContract):
    component = Tables
    options = {"ranges": {"age": (18, 90, "whole"), "dose": (0.1, 100, "log")}}


class TestExampleOfMix(GeneratorContract):
    component = Mix


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
    output_shape = (3, 8, 8)


class TestExampleOfFolder(GeneratorContract):
    component = Folder


class TestFolderOfClips(GeneratorContract):
    component = Folder

    @cached_property
    def options(self):
        for number in range(3):
            write_clip(self.folder / f"{number}.avi", frames=3 + number, size=(16, 24), seed=number)
        return {"path": self.folder, "kind": "clips", "colour": "gray", "size": (8, 12), "frames": 3}


class TestExampleOfDiffusers(GeneratorContract):
    component = Diffusers
    sample_count = 2

    @cached_property
    def options(self):
        pytest.importorskip("diffusers")
        return Diffusers.example_options(self.folder)
