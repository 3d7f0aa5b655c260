"""What the way through the chest does to the echoes: attenuation, shadows, and clutter that does not move."""

from __future__ import annotations

import cv2
import numpy as np

from .noise import smooth_map
from .painting import Tissue
from .view import LINES, SAMPLES, View

_POLAR = (SAMPLES, LINES)
_SLIDERS = 8
"""Time-gain compensation is set by hand, a slider for each zone of depth."""


def transmission(rng: np.random.Generator) -> np.ndarray:
    """What reaches each place and returns: linear gain, float32 (SAMPLES, LINES).

    Attenuation that time-gain compensation left over, uneven lateral gain, shadows of ribs and lung.
    """
    depth = np.linspace(0.0, 1.0, SAMPLES)[:, None]
    line = np.linspace(-1.0, 1.0, LINES)[None]
    decibel = rng.normal(0.0, 8.0) * (depth - 0.5)
    decibel = decibel + rng.uniform(0.0, 5.0) * smooth_map(rng, (_SLIDERS, 1), (SAMPLES, 1))
    decibel = decibel + rng.normal(0.0, 3.0) * line
    decibel = decibel + rng.normal(0.0, 2.0) * np.cos(np.pi * line + rng.uniform(0, 2 * np.pi))
    if rng.random() < 0.5:
        # Contact is worst at the edges of the probe.
        decibel = decibel - rng.uniform(3.0, 25.0) * np.abs(line) ** rng.uniform(2.0, 8.0)
    for _ in range(rng.choice(4, p=(0.45, 0.3, 0.15, 0.1))):
        centre, width = rng.uniform(-1.1, 1.1), rng.uniform(0.04, 0.25)
        start, softness = rng.uniform(-0.05, 0.5), rng.uniform(0.02, 0.15)
        shade = np.exp(-(((line - centre) / width) ** 2)) / (1.0 + np.exp(-(depth - start) / softness))
        decibel = decibel - rng.uniform(3.0, 28.0) * shade
    decibel = decibel + rng.uniform(0.0, 4.0) * smooth_map(rng, (6, 6), _POLAR)
    white = rng.standard_normal((1, LINES), dtype=np.float32)
    streaks = np.asarray(cv2.GaussianBlur(white, (0, 0), sigmaX=rng.uniform(0.8, 3.0)))
    decibel = decibel + rng.uniform(0.0, 4.0) * streaks * depth
    return np.asarray(10.0 ** (np.clip(decibel, -45.0, 30.0) / 20.0), dtype=np.float32)


def stationary_clutter(rng: np.random.Generator, tissue: Tissue, view: View) -> np.ndarray:
    """Echoes of the chest wall that do not move with the heart: complex float32 (SAMPLES, LINES, 2).

    Near-field reverberation between the probe and the ribs fades with depth; arcs repeat at the thickness of a
    layer (Fatemi et al., Ultrasound Med Biol 2019); patchy haze lies over the whole sector.
    """
    mm = np.linspace(0.0, view.depth, SAMPLES, dtype=np.float32)[:, None]
    near = tissue.blood + rng.uniform(-5.0, 24.0) - mm / rng.uniform(0.6, 2.2)
    chest = tissue.blood + rng.uniform(5.0, 40.0) - np.maximum(mm - rng.uniform(3.0, 16.0), 0.0) * 4.0
    haze = tissue.blood + rng.uniform(-20.0, 4.0) + rng.uniform(2.0, 7.0) * smooth_map(rng, (7, 5), _POLAR)
    power = 10.0 ** (near / 10.0) + 10.0 ** (chest / 10.0) + 10.0 ** (haze / 10.0)
    if rng.random() < 0.5:
        gap, first = rng.uniform(4.0, 14.0), rng.uniform(2.0, 10.0)
        arcs = np.exp(-((((mm - first) % gap) - gap / 2) ** 2) / rng.uniform(0.5, 3.0))
        power = power + 10.0 ** ((near + rng.uniform(1.0, 9.0)) / 10.0) * arcs
    white = rng.standard_normal((SAMPLES, LINES, 2), dtype=np.float32)
    width, length = rng.uniform(1.0, 5.0), rng.uniform(0.5, 1.2)
    noise = np.asarray(cv2.GaussianBlur(white, (0, 0), sigmaX=width, sigmaY=length))
    return np.asarray(noise / noise.std() * np.sqrt(power)[..., None], dtype=np.float32)


def blood_pattern(rng: np.random.Generator) -> np.ndarray:
    """Uneven filling of the cavity by slice-thickness clutter: linear gain, float32 (SAMPLES, LINES).

    Broad parts of the cavity differ, and patches within them.
    """
    decibel = rng.uniform(0.0, 3.0) * smooth_map(rng, (8, 6), _POLAR)
    decibel += rng.uniform(0.0, 5.0) * smooth_map(rng, (4, 3), _POLAR)
    return np.asarray(10.0 ** (decibel / 20.0), dtype=np.float32)
