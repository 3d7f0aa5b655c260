"""From echogenicity to envelope: what the beam, the chest and the receiver do to the echoes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .chest import blood_pattern, stationary_clutter, transmission
from .noise import draw_window, receiver_stock
from .painting import CANVAS, DB_FLOOR, DB_STEP, Tissue
from .texture import Scatterers
from .view import LINES, SAMPLES, View


@dataclass(frozen=True)
class Beam:
    """Point spread and clutter of one scanner; widths are standard deviations in polar samples, levels in dB."""

    axial: float
    lateral_focus: float
    lateral_far: float
    focus: float
    sidelobe: float
    sidelobe_width: int
    reverberation: float
    reverberation_delay: int
    noise: float


def draw_beam(rng: np.random.Generator, tissue: Tissue, view: View) -> Beam:
    """Draw a phased-array beam at 1.7 to 4 MHz, after the ranges of Szabo (Diagnostic Ultrasound Imaging, 2014).

    Pulses are 0.8 to 2.4 mm long, beams 0.8 to 2.4 degrees wide at the focus (at half the height).
    """
    per_sample, per_line = view.depth / SAMPLES, np.rad2deg(2.0 * view.half_angle) / LINES
    focus = rng.uniform(0.35, 1.0)
    return Beam(
        axial=max(0.45, rng.uniform(0.35, 1.0) / per_sample),
        lateral_focus=focus / per_line,
        lateral_far=focus * rng.uniform(1.0, 2.0) / per_line,
        focus=rng.uniform(0.35, 0.8),
        sidelobe=rng.uniform(-34.0, -15.0),
        sidelobe_width=int(rng.integers(6, 20)) * 2 + 1,
        reverberation=rng.uniform(-40.0, -14.0),
        reverberation_delay=int(rng.integers(12, 50)),
        noise=tissue.blood + rng.uniform(-25.0, -1.0),
    )


class Imager:
    """Turns the echogenicity maps of one clip into envelopes on the polar grid."""

    def __init__(
        self, rng: np.random.Generator, tissue: Tissue, beam: Beam, view: View, scatterers: Scatterers
    ) -> None:
        self.rng, self.beam, self.scatterers = rng, beam, scatterers
        self.x, self.y = view.polar_points()
        scale = np.float32(CANVAS / view.depth)
        self.column, self.row = self.x * scale + np.float32(CANVAS / 2), self.y * scale
        decibels = DB_FLOOR + DB_STEP * np.arange(256, dtype=np.float32)
        self.amplitude = (10.0 ** (decibels / 20.0)).astype(np.float32)
        self.amplitude[0] = 0.0
        # Blurring white noise lowers its level; these factors restore it.
        far = float(np.hypot(beam.lateral_focus, beam.lateral_far))
        self.restore_focus = np.float32(2.0 * np.sqrt(np.pi * beam.axial * beam.lateral_focus))
        self.restore_far = np.float32(np.sqrt(far / beam.lateral_focus))
        self.gain = transmission(rng)[..., None]
        self.clutter = stationary_clutter(rng, tissue, view)
        self.blood = np.float32(10.0 ** (tissue.blood / 20.0)) * blood_pattern(rng)[..., None]
        rise = np.linspace(-8.0, 4.0, SAMPLES, dtype=np.float32)[:, None, None]
        self.receiver = (10.0 ** ((beam.noise + rise) / 20.0)).astype(np.float32)
        depth = np.linspace(0.0, 1.0, SAMPLES, dtype=np.float32)[:, None, None]
        self.defocus = np.clip(np.abs(depth - np.float32(beam.focus)) * 2.2, 0.0, 1.0).astype(np.float32)

    def envelope(self, frame: int, echogenicity: np.ndarray) -> np.ndarray:
        """Envelope of one frame, linear: float32 (SAMPLES, LINES), from its map uint8 (CANVAS, CANVAS)."""
        beam = self.beam
        amplitude = self.amplitude[cv2.remap(echogenicity, self.column, self.row, cv2.INTER_NEAREST)]
        echo = self.scatterers.sample(frame, self.x, self.y) * amplitude[..., None]
        # Blood renews its scatterers between frames; tissue keeps them.
        echo += self.blood * self._fresh()
        focused = cv2.GaussianBlur(echo, (0, 0), sigmaX=beam.lateral_focus, sigmaY=beam.axial) * self.restore_focus
        far_field = cv2.GaussianBlur(focused, (0, 0), sigmaX=beam.lateral_far, sigmaY=0.3)
        far_field *= self.restore_far
        field = focused + self.defocus * (far_field - focused)
        lobe = cv2.blur(field, (beam.sidelobe_width, 1)) * np.float32(np.sqrt(beam.sidelobe_width))
        field = field + np.float32(10.0 ** (beam.sidelobe / 20.0)) * lobe
        delay = beam.reverberation_delay
        field[delay:] += np.float32(10.0 ** (beam.reverberation / 20.0)) * field[:-delay]
        field *= self.gain
        field += self.clutter
        field += self.receiver * self._fresh()
        return np.asarray(cv2.magnitude(field[..., 0], field[..., 1]))

    def _fresh(self) -> np.ndarray:
        """New complex noise: float32 (SAMPLES, LINES, 2)."""
        return draw_window(self.rng, receiver_stock, (SAMPLES, LINES))
