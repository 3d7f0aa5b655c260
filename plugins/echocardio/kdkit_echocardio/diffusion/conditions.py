"""The condition of each clip: its ejection fraction."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import model_validator

from kdkit import ComponentOptions, DataError, Field

if TYPE_CHECKING:
    from typing import Self

Percent = tuple[float, float]

PUBLISHED_RANGE: Percent = (10.0, 90.0)
"""Ejection fractions in percent that EchoNet-Synthetic draws from."""


class EjectionFractions(ComponentOptions):
    """Ejection fractions in percent: evenly from ``low`` to ``high``, one of ``values``, or a normal distribution."""

    in_words: ClassVar[str] = "{low, high, values, mean, deviation}"

    low: float | None = Field(None, ge=0, le=100, description="Smallest, percent. null: the model's own.")
    high: float | None = Field(None, ge=0, le=100, description="Largest, percent. null: the model's own.")
    values: tuple[float, ...] | None = Field(
        None, min_length=1, description="Draw one of these instead, percent; low and high then say nothing."
    )
    mean: float | None = Field(
        None, ge=0, le=100, description="Mean of a normal distribution instead, percent; cut at low and high."
    )
    deviation: float | None = Field(None, gt=0, description="Its standard deviation, percentage points.")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low is {self.low:g}, above high, {self.high:g}")
        if (self.mean is None) != (self.deviation is None):
            raise ValueError("mean and deviation belong together")
        if self.values is not None and self.mean is not None:
            raise ValueError("choose either values or mean and deviation")
        if self.values is not None and not all(0 <= value <= 100 for value in self.values):
            raise ValueError("values are percent, 0..100")
        return self

    def draw(self, rng: np.random.Generator, model_range: Percent) -> float:
        """One ejection fraction in percent; ``model_range``: the model's range, used for what the options leave open.

        Raises :class:`kdkit.DataError` when the resulting range is empty.
        """
        if self.values is not None:
            return float(rng.choice(self.values))
        low = model_range[0] if self.low is None else self.low
        high = model_range[1] if self.high is None else self.high
        if low > high:
            raise DataError(
                f"no ejection fraction lies between {low:g} and {high:g} percent",
                f"The model's own range is {model_range[0]:g} to {model_range[1]:g}; "
                "set both ejection_fraction.low and .high.",
            )
        if self.mean is not None and self.deviation is not None:
            return float(np.clip(rng.normal(self.mean, self.deviation), low, high))
        return float(rng.uniform(low, high))
