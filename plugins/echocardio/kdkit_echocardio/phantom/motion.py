"""The cardiac cycle: when the heart contracts, how far each part of it goes, and what that ejects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .anatomy import CONTOUR_STEPS, Anatomy, long_axis_fraction
from .noise import smooth_profile


@dataclass(frozen=True)
class Contraction:
    """How the ventricle shortens between end-diastole and end-systole (fractions of the end-diastolic size)."""

    radial: np.ndarray
    delay: np.ndarray
    longitudinal: float
    apical: float
    right: float
    atrial: float
    swing: float
    drift: tuple[float, float]
    torsion: float


@dataclass(frozen=True)
class Cycle:
    """Events and phases of a clip; times in seconds."""

    times: np.ndarray
    fps: float
    heart_rate: float
    edges: np.ndarray
    """Times of end-diastole, one per beat and one after the last: float64 (beats + 1,)."""
    systole_ends: np.ndarray
    """Times of end-systole: float64 (beats,)."""
    strength: np.ndarray
    """Contraction of each beat relative to the nominal one: float64 (beats,)."""
    diastasis: float
    """Contraction left in mid-diastole, before the atria contract: 0 to 1."""
    atrial_peak: float
    """When in diastole the atria open the mitral valve most: 0 to 1; the later, the wider open at end-diastole."""

    def activation(self, times: np.ndarray) -> np.ndarray:
        """Contraction at any times (s): 0 at end-diastole, the beat's strength at end-systole; same shape."""
        beat = np.clip(np.searchsorted(self.edges, times, side="right") - 1, 0, self.strength.size - 1)
        elapsed = times - self.edges[beat]
        systole = self.systole_ends[beat] - self.edges[beat]
        diastole = self.edges[beat + 1] - self.systole_ends[beat]
        rise = _ease(elapsed / systole)
        # Rapid filling takes the first 45 % of diastole, atrial contraction the last 28 %.
        progress = (elapsed - systole) / diastole
        fall = (
            1.0 - (1.0 - self.diastasis) * _ease(progress / 0.45) - self.diastasis * _ease((progress - 0.72) / 0.28)
        )
        # A slow drift through diastasis keeps end-diastole the one maximum of the volume.
        return self.strength[beat] * np.where(elapsed < systole, rise, np.clip(fall, 0.0, 1.0))

    def opening(self) -> np.ndarray:
        """Opening of the mitral valve in each frame, 0 shut to 1 wide open: float64 (T,)."""
        beat = np.clip(np.searchsorted(self.edges, self.times, side="right") - 1, 0, self.strength.size - 1)
        elapsed, systole = self.times - self.edges[beat], (self.systole_ends - self.edges[:-1])[beat]
        progress = (elapsed - systole) / (self.edges[beat + 1] - self.systole_ends[beat])
        # What is open when the ventricle begins to contract shuts within the first eighth of systole.
        shutting = self._diastolic_opening(np.ones(1)) * np.clip(1.0 - 8.0 * elapsed / systole, 0.0, 1.0)
        return np.where(progress < 0.0, shutting, np.where(progress > 0.05, self._diastolic_opening(progress), 0.0))

    def _diastolic_opening(self, progress: np.ndarray) -> np.ndarray:
        """Opening at fractions of diastole: rapid filling, a wide slit between, atrial contraction."""
        early = np.exp(-(((progress - 0.24) / 0.13) ** 2))
        atrial = 0.8 * np.exp(-(((progress - self.atrial_peak) / 0.08) ** 2)) if self.diastasis > 0.05 else 0.0
        between = 0.35 * _ease((progress - 0.08) / 0.1) * (1.0 - _ease((progress - self.atrial_peak - 0.04) / 0.1))
        return np.clip(np.maximum(early + atrial, between), 0.0, 1.0)

    def frames_of(self, events: np.ndarray) -> list[int]:
        """Frames nearest to those events (s) that the clip shows."""
        index = np.rint((events - self.times[0]) * self.fps).astype(int)
        return [int(frame) for frame in index if 0 <= frame < self.times.size]


def _ease(fraction: np.ndarray) -> np.ndarray:
    """A smooth step from 0 to 1 with flat ends."""
    fraction = np.clip(fraction, 0.0, 1.0)
    return 0.5 - 0.5 * np.cos(np.pi * fraction)


def draw_cycle(rng: np.random.Generator, frames: int, fps: float | None) -> Cycle:
    """Draw heart rate, beat-to-beat variation and the starting phase of a clip of that many frames.

    Systole follows Weissler et al. (Circulation 1968;37:149-159): electromechanical systole of 546 - 2.1 HR
    milliseconds, here with a deviation of 25 ms and at most 55 % of the beat.
    """
    heart_rate = float(np.clip(rng.normal(72.0, 15.0), 42.0, 125.0))
    interval = 60.0 / heart_rate
    if fps is None:
        # Most clips show a whole beat, some only a part of one.
        beats_shown = rng.uniform(1.05, 2.6) if rng.random() < 0.85 else rng.uniform(0.4, 1.05)
        fps = float(np.clip(frames / (beats_shown * interval), 20.0, 80.0))
    irregular = rng.uniform(0.1, 0.25) if rng.random() < 0.12 else rng.uniform(0.005, 0.04)
    beats = int(np.ceil(frames / fps / interval)) + 3
    intervals = interval * np.clip(1.0 + irregular * rng.standard_normal(beats), 0.6, 1.6)
    edges = np.concatenate([[0.0], np.cumsum(intervals)])
    systole = (546.0 - 2.1 * 60.0 / intervals + rng.normal(0.0, 25.0)) / 1000.0
    systole = np.minimum(np.maximum(systole, 0.2), 0.55 * intervals)
    start = rng.uniform(0.0, intervals[0])
    # In atrial fibrillation a short filling gives a weak beat, and no atrial contraction tops the volume up.
    strength = np.clip(1.0 + 0.5 * (intervals / interval - 1.0) + 0.02 * rng.standard_normal(beats), 0.6, 1.15)
    return Cycle(
        times=start + np.arange(frames) / fps,
        fps=fps,
        heart_rate=heart_rate,
        edges=edges,
        systole_ends=edges[:-1] + systole,
        strength=strength,
        diastasis=rng.uniform(0.08, 0.4),
        atrial_peak=rng.uniform(0.82, 1.0),
    )


def draw_contraction(rng: np.random.Generator) -> Contraction:
    """Draw a contraction that ejects about 10 to 80 % of the volume.

    The traced long axis takes 20 to 40 % of the ejection fraction: the annulus descends, and the apex recedes where
    its trabeculae close. The short axes take the rest: 1 - EF = (1 - longitudinal) (1 - radial)^2.
    """
    fraction = float(rng.beta(3.2, 1.9) * 0.70 + 0.10) if rng.random() < 0.6 else float(rng.uniform(0.10, 0.80))
    along = fraction * rng.uniform(0.2, 0.4)
    radial = 1.0 - np.sqrt((1.0 - fraction) / (1.0 - along))
    points = 2 * CONTOUR_STEPS
    side = np.concatenate([long_axis_fraction()[::-1], long_axis_fraction()])
    # The fibrous annulus narrows less than the muscle above it.
    basal = rng.uniform(0.1, 0.6) * np.clip((side - 0.65) / 0.35, 0.0, 1.0) ** 1.5
    pattern = (1.0 + rng.uniform(0.03, 0.15) * smooth_profile(rng, points, 4)) * (1.05 - basal)
    if rng.random() < 0.3:
        centre, width = rng.uniform(0, points), rng.uniform(4.0, 10.0)
        akinesia = rng.uniform(0.4, 1.15)
        pattern = pattern * (1.0 - akinesia * np.exp(-(((np.arange(points) - centre) / width) ** 2)))
    delay = rng.uniform(0.0, 0.02) * smooth_profile(rng, points, 3)
    if rng.random() < 0.1:
        delay = delay + rng.uniform(0.02, 0.07) * np.linspace(-1.0, 1.0, points)
    return Contraction(
        radial=np.clip(radial * pattern, -0.06, 0.62),
        delay=delay,
        longitudinal=along,
        apical=rng.uniform(0.1, 0.7),
        right=rng.uniform(0.12, 0.45),
        atrial=rng.uniform(0.05, 0.3),
        swing=rng.normal(0.0, 0.03),
        drift=(rng.normal(0.0, 1.5), rng.normal(0.0, 1.0)),
        torsion=rng.uniform(0.2, 1.5),
    )


def discs_volume(half_widths: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Volume (ml) by the method of discs: pi/4 d^2 summed along the axis (Schiller et al., JASE
    1989;2:358-367).

    Args:
        half_widths: (..., 2 * CONTOUR_STEPS) distances of the contour from the axis, septal base to lateral
        base, in mm. height: (...) length of the axis, in mm.
    """
    diameter = half_widths[..., :CONTOUR_STEPS][..., ::-1] + half_widths[..., CONTOUR_STEPS:]
    section = np.pi / 4.0 * diameter**2
    return np.trapezoid(section, long_axis_fraction(), axis=-1) * height / 1000.0


def plane_area(half_widths: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Area (mm^2) of the cavity in the image plane; arguments as in :func:`discs_volume`."""
    diameter = half_widths[..., :CONTOUR_STEPS][..., ::-1] + half_widths[..., CONTOUR_STEPS:]
    return np.trapezoid(diameter, long_axis_fraction(), axis=-1) * height


def diastolic_half_widths(anatomy: Anatomy) -> np.ndarray:
    """Distances of the endocardium from the curved long axis at end-diastole, mm: float64 (2 *
    CONTOUR_STEPS,).

    A superellipse from the apex to the widest level, then a cosine taper to the annulus.
    """
    fraction = long_axis_fraction()
    power = anatomy.apex_power
    apical = (1.0 - np.clip(1.0 - fraction / anatomy.widest, 0.0, 1.0) ** power) ** (1.0 / power)
    basal = np.clip((fraction - anatomy.widest) / (1.0 - anatomy.widest), 0.0, 1.0)
    taper = 1.0 - (1.0 - anatomy.annulus_ratio) * (0.5 - 0.5 * np.cos(np.pi * basal)) * basal**0.3
    profile = anatomy.half_width * apical * taper
    bulge = anatomy.septal_bulge * np.exp(-(((fraction - 0.82) / 0.12) ** 2))
    septal = np.maximum(profile * anatomy.septal_share - bulge, 0.0)
    return np.concatenate([septal[::-1], profile * (2.0 - anatomy.septal_share)])
