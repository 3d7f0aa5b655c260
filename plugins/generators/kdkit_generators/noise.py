"""Noise: the control that any other generator has to beat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import model_validator

from kdkit import ComponentOptions, Field, Generator, Sample

Dtype = Literal["uint8", "int8", "uint16", "int16", "int32", "int64", "float16", "float32", "float64"]
# Types whose every value is a plausible sample; of the larger ones (token ids, say) nobody means the whole range.
WHOLE = ("uint8", "int8", "uint16", "int16")
# Of the normal distribution: the range is so many standard deviations wide.
SIGMAS = 6


class Noise(Generator):
    """Independent noise of any shape and type, in blocks of ``grain`` equal values along each axis.

    A student distilled on it learns what the teacher says of nothing: its score is the floor under every other.
    A fair floor is of the type and the range of the other samples; uint8 in 0..255 unless it is set otherwise.
    """

    class Options(ComponentOptions):
        shape: tuple[int, ...] = Field(min_length=1, description="Shape of a sample, for example [32, 112, 112].")
        grain: int = Field(1, ge=1, description="Side of the blocks of equal value, in array elements.")
        dtype: Dtype = Field("uint8", description="Type of the values: uint8 (pictures), int16 (sound), ...")
        range: tuple[float, float] | None = Field(
            None,
            description="Lowest and highest value, both included; null takes all that an integer of up to 16 bits "
            "holds, and 0 to 1 for floats.",
        )
        distribution: Literal["uniform", "normal"] = Field(
            "uniform",
            description="uniform in the range, or normal around its middle, three standard deviations to each end, "
            "where it is cut off.",
        )

        @model_validator(mode="after")
        def _fits(self) -> Noise.Options:
            if min(self.shape) < 1:
                raise ValueError("a shape of positive numbers")
            if self.range is None:
                if self.dtype in ("int32", "int64"):
                    raise ValueError(f"a range beside {self.dtype}, say [0, 999] for the ids of 1000 tokens")
                return self
            low, high = self.range
            if not low < high:
                raise ValueError("a range that rises: [lowest, highest]")
            limits = np.iinfo(self.dtype) if np.dtype(self.dtype).kind in "iu" else np.finfo(self.dtype)
            if low < limits.min or high > limits.max:
                raise ValueError(f"a range within {self.dtype}, which holds {limits.min} to {limits.max}")
            if isinstance(limits, np.iinfo) and not (low.is_integer() and high.is_integer()):
                raise ValueError(f"a range of whole numbers for {self.dtype}")
            return self

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        return {"shape": (4, 8, 8), "grain": 2}

    def generate(self, indices: Iterable[int]) -> Iterator[Sample]:
        shape, grain = self.options.shape, self.options.grain
        coarse = tuple(-(-side // grain) for side in shape)
        for index in indices:
            values = self._draw(self.rng(index), coarse)
            for axis in range(values.ndim):
                values = np.repeat(values, grain, axis=axis)
            yield Sample(values[tuple(slice(side) for side in shape)], info={"name": f"noise-{index:05d}"})

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        dtype = np.dtype(self.options.dtype)
        low, high = self._limits()
        if self.options.distribution == "normal":
            values = rng.normal((low + high) / 2, (high - low) / SIGMAS, shape).clip(low, high)
            return (values.round() if dtype.kind in "iu" else values).astype(dtype)
        if dtype.kind in "iu":
            return rng.integers(int(low), int(high), shape, dtype=dtype, endpoint=True)
        return rng.uniform(low, high, shape).astype(dtype)

    def _limits(self) -> tuple[float, float]:
        if self.options.range is not None:
            return self.options.range
        if self.options.dtype in WHOLE:
            limits = np.iinfo(self.options.dtype)
            return float(limits.min), float(limits.max)
        return 0.0, 1.0
