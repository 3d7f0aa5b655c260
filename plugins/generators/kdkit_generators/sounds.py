"""Sounds without a recording: what a teacher of sound can be asked about at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import field_validator

from kdkit import ComponentOptions, Field, Generator, Sample

Kind = Literal["tones", "chirps", "noise", "formants"]
KINDS: tuple[Kind, ...] = ("tones", "chirps", "noise", "formants")
FULL_SCALE = 32767
# A sound is as loud as this at its peak, in dB of full scale; the background is so much below that.
LOUDNESS_DB = (-30.0, -3.0)
BACKGROUND_DB = (-70.0, -25.0)
# Part of a sound that swells, and that fades.
EDGE = 0.1


class Sounds(Generator):
    """A soft noise in which sounds come and go: tones with overtones, chirps, bursts of coloured noise, and formants.

    One channel, (length,), int16 in -32768..32767 or float32 in -1..1. Formants are a voice's: a pulse train of 80 to
    300 Hz through the resonances of a vocal tract, in syllables (source and filter: Fant 1960; ranges after
    Peterson & Barney 1952). Truth: ``sounding``, uint8 (length,), 1 where a sound is.
    """

    class Options(ComponentOptions):
        length: int = Field(16000, ge=64, description="Values in a sample.")
        rate: int = Field(16000, ge=2000, description="Values a second, in Hz.")
        kinds: tuple[Kind, ...] = Field(KINDS, min_length=1, description="What is drawn from: " + ", ".join(KINDS))
        events: tuple[int, int] = Field((0, 4), description="Fewest and most sounds in a sample.")
        seconds: tuple[float, float] = Field((0.1, 0.6), description="Shortest and longest sound, in seconds.")
        dtype: Literal["int16", "float32"] = Field("int16", description="int16 as in WAV files, or float32 in -1..1.")

        @field_validator("events", "seconds")
        @classmethod
        def _rises(cls, pair: tuple[float, float]) -> tuple[float, float]:
            if not 0 <= pair[0] <= pair[1]:
                raise ValueError("two numbers from 0 on, the second no smaller")
            return pair

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        return {"length": 800, "rate": 8000, "seconds": (0.02, 0.05)}

    def generate(self, indices: Iterable[int]) -> Iterator[Sample]:
        for index in indices:
            sound, sounding = self._draw(self.rng(index))
            if self.options.dtype == "int16":
                sound = (sound * FULL_SCALE).round().astype(np.int16)
            info = {"name": f"sound-{index:05d}", "rate": self.options.rate}
            yield Sample(sound, {"sounding": sounding}, info)

    def _draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A sample, float32 in -1..1, and where it sounds, uint8; both (length,)."""
        from kdkit_generators import waves

        length, rate = self.options.length, self.options.rate
        sounding = np.zeros(length, np.uint8)
        sound = waves.coloured_noise(rng, length) * _gain(rng.uniform(*BACKGROUND_DB))
        for _ in range(int(rng.integers(self.options.events[0], self.options.events[1] + 1))):
            kind = self.options.kinds[int(rng.integers(len(self.options.kinds)))]
            count = min(length, max(8, round(rng.uniform(*self.options.seconds) * rate)))
            start = int(rng.integers(0, length - count + 1))
            wave = waves.DRAW[kind](rng, count, rate) * _envelope(count)
            wave *= _gain(rng.uniform(*LOUDNESS_DB)) / max(1e-9, float(np.abs(wave).max()))
            sound[start : start + count] += wave
            sounding[start : start + count] = 1
        return sound.clip(-1, 1).astype(np.float32), sounding


def _gain(decibels: float) -> float:
    return float(10 ** (decibels / 20))


def _envelope(count: int) -> np.ndarray:
    place = (np.arange(count) + 0.5) / count
    return np.minimum(1, np.minimum(place, 1 - place) / EDGE)
