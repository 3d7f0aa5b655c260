"""Samples optimised through the teacher's gradients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import model_validator

from kdkit import ComponentOptions, Field, Generator, KdkitError, Sample, Teacher
from kdkit_generators.layout import AXES, MEANING, Layout

if TYPE_CHECKING:
    import torch


class Inversion(Generator):
    """Samples optimised from noise until the teacher is sure of them.

    DeepInversion (Yin et al. 2020, arXiv:1912.08795); uint8 of any image or clip shape. A block of samples is made
    together: towards confident and varied predictions, towards the statistics that the teacher's batch normalisation
    remembers, and, as options, towards smooth and dark images. Sample i belongs to block i // ``block``, which is the
    same whatever part of it is made.
    """

    needs_gradients = True

    class Options(ComponentOptions):
        shape: tuple[int, ...] = Field(min_length=2, max_length=3, description="Shape of a sample, say [32, 32, 3].")
        layout: Layout = Field("hw", description=MEANING)
        answers: Literal["classes", "masks", "any"] = Field(
            "classes",
            description="What predictions are sought: classes (cross-entropy with a class drawn for each sample, the "
            "classes on the last axis), masks (certain values, and for each sample a share of foreground), or any.",
        )
        confidence: float = Field(
            1.0, ge=0, description="Weight of the predictions that are sought (L, Yin et al. 2020)."
        )
        batch_norm: float = Field(
            1.0, ge=0, description="Weight of the batch normalisation statistics (R_BN, Yin et al. 2020)."
        )
        total_variation: float = Field(0.0, ge=0, description="Weight of smoothness (R_TV, Yin et al. 2020).")
        l2: float = Field(0.0, ge=0, description="Weight of the mean squared brightness (R_l2, Yin et al. 2020).")
        steps: int = Field(200, ge=1, description="Steps of the optimisation.")
        learning_rate: float = Field(0.1, gt=0, description="Of Adam, for values before a sigmoid.")
        block: int = Field(250, ge=1, description="Samples that are optimised together.")

        @model_validator(mode="after")
        def _fits(self) -> Inversion.Options:
            if len(self.shape) != AXES[self.layout] or min(self.shape) < 1:
                raise ValueError(f"a shape of {AXES[self.layout]} positive numbers for the layout {self.layout}")
            confidence = self.confidence if self.answers != "any" else 0.0
            if not any((confidence, self.batch_norm, self.total_variation, self.l2)):
                raise ValueError("at least one of the weights above 0")
            return self

    def __init__(self, options: ComponentOptions | None = None, seed: int = 0) -> None:
        super().__init__(options, seed)
        self._network: torch.nn.Module | None = None
        self._last: tuple[int, np.ndarray] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_network": None, "_last": None}

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        return {"shape": (6, 6), "steps": 2, "block": 3}

    @classmethod
    def example_teacher(cls, folder: Path) -> Teacher:
        from kdkit_generators.example import Example

        return Example()

    def generate(self, indices: Iterable[int]) -> Iterator[Sample]:
        size = self.options.block
        for index in indices:
            number = index // size
            if self._last is None or self._last[0] != number:
                self._last = number, self._block(number)
            array = self._last[1][index % size].copy()
            yield Sample(array, info={"name": f"inversion-{index:05d}"})

    def _block(self, number: int) -> np.ndarray:
        """Every sample of a block: uint8 (block, \\*shape)."""
        import torch

        from kdkit_generators.optimisation import invert

        if self.teacher is None:
            raise KdkitError("inversion was given no teacher", "Call bind(teacher) before generate().")
        if self._network is None:
            with torch.random.fork_rng(devices=[]):
                self._network = self.teacher.build().eval().requires_grad_(False)
        return invert(self._network, self.options, self.rng(number))
