"""The waves that sounds are made of: float64 (count,), of any height."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.signal import lfilter

# Lowest and highest frequency of the first three resonances of a vocal tract, in Hz (Peterson & Barney 1952).
FORMANTS_HZ = ((270, 850), (840, 2800), (1700, 3300))
BANDWIDTHS_HZ = (60, 90, 150)
VOICE_HZ = (80, 300)
LOWEST_HZ = 60
OVERTONES = 8
SYLLABLE_SECONDS = 0.18


def tone(rng: np.random.Generator, count: int, rate: int) -> np.ndarray:
    """A tone and its overtones, which fall off at random; none lies above half the rate."""
    frequency = _frequency(rng, rate)
    phase = 2 * np.pi * frequency * np.arange(count) / rate
    orders = np.arange(1, OVERTONES + 1)
    orders = orders[orders * frequency < rate / 2]
    heights = rng.uniform(0, 1, len(orders)) / orders ** rng.uniform(0.5, 2)
    heights[0] = 1
    return np.asarray(heights @ np.sin(orders[:, None] * phase + rng.uniform(0, 2 * np.pi, (len(orders), 1))))


def chirp(rng: np.random.Generator, count: int, rate: int) -> np.ndarray:
    """A tone that glides from one frequency to another, evenly in octaves."""
    frequency = np.geomspace(_frequency(rng, rate), _frequency(rng, rate), count)
    return np.sin(2 * np.pi * np.cumsum(frequency) / rate)


def burst(rng: np.random.Generator, count: int, rate: int) -> np.ndarray:
    """Coloured noise."""
    return coloured_noise(rng, count)


def formants(rng: np.random.Generator, count: int, rate: int) -> np.ndarray:
    """A voice: pulses whose pitch wavers, through resonances that change from syllable to syllable."""
    first, last = rng.uniform(*VOICE_HZ) * rng.uniform(0.85, 1.15, 2)
    pitch = np.linspace(first, last, count)
    pulses = np.diff(np.floor(np.cumsum(pitch) / rate), prepend=0.0)
    # The glottis lets the higher partials fall off by some 12 dB an octave, the lips give 6 of them back.
    voice = lfilter([1.0], [1.0, -0.95], pulses - pulses.mean() + rng.normal(0, 0.01, count))
    syllables = max(1, round(count / rate / SYLLABLE_SECONDS))
    return np.concatenate([_resonate(rng, part, rate) for part in np.array_split(voice, syllables)])


def coloured_noise(rng: np.random.Generator, count: int) -> np.ndarray:
    """Noise whose power falls with the frequency as 1 / f^a, a between 0 (white) and 2 (brown); its peak is 1."""
    spectrum = np.fft.rfft(rng.normal(0, 1, count))
    order = np.arange(len(spectrum))
    spectrum[0] = 0
    spectrum[1:] /= order[1:] ** rng.uniform(0, 1)
    noise = np.fft.irfft(spectrum, count)
    return noise / max(1e-9, float(np.abs(noise).max()))


def _frequency(rng: np.random.Generator, rate: int) -> float:
    return float(np.exp(rng.uniform(np.log(LOWEST_HZ), np.log(0.4 * rate))))


def _resonate(rng: np.random.Generator, voice: np.ndarray, rate: int) -> np.ndarray:
    """Through one resonator for each formant, one after the other (Klatt 1980, JASA 67:971, equation 2)."""
    for (low, high), width in zip(FORMANTS_HZ, BANDWIDTHS_HZ, strict=True):
        frequency = rng.uniform(low, high)
        if frequency >= 0.45 * rate:
            continue
        c = -np.exp(-2 * np.pi * width / rate)
        b = 2 * np.exp(-np.pi * width / rate) * np.cos(2 * np.pi * frequency / rate)
        voice = lfilter([1 - b - c], [1.0, -b, -c], voice)
    height = float(np.abs(voice).max())
    return voice / height if height > 0 else voice


DRAW: dict[str, Callable[[np.random.Generator, int, int], np.ndarray]] = {
    "tones": tone,
    "chirps": chirp,
    "noise": burst,
    "formants": formants,
}
