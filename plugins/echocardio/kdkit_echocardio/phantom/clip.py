"""One simulated clip: anatomy, motion, view and scanner put together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .acoustics import Imager, draw_beam
from .anatomy import draw_anatomy
from .display import Monitor, draw_display
from .geometry import move
from .motion import draw_contraction, draw_cycle
from .narrow_ranges import narrow_ranges
from .painting import Painter, draw_tissue
from .texture import Scatterers
from .view import draw_view


@dataclass(frozen=True)
class PhantomClip:
    """A simulated apical four-chamber clip and what is known of it exactly."""

    frames: np.ndarray
    """Grey pictures: uint8 (T, H, W), 0 outside the sector unless the drawn display lifts it."""
    mask: np.ndarray
    """Left ventricle as people trace it, papillary muscles inside, straight at the annulus: bool (T, H, W)."""
    fps: float
    ed: list[int]
    """Frames nearest to every end-diastole that the clip shows."""
    es: list[int]
    """Frames nearest to every end-systole that the clip shows."""
    ejection_fraction: float
    """Percent, by the method of discs from the geometry of the nominal beat."""
    area_ef: float
    """Percent of the end-diastolic cavity area, same beat."""
    spacing_mm: float
    """Millimetres per pixel: the geometric mean where the picture is stretched (``params["aspect"]``)."""
    params: dict[str, float | int | str | bool]
    """Drawn parameters, ready for JSON."""


def simulate(
    rng: np.random.Generator, *, frames: int = 32, size: int = 112, fps: float | None = None, variety: float = 1.0
) -> PhantomClip:
    """Simulate one clip: a pure function of the generator's state and the arguments.

    Args:
        rng: source of all randomness.
        frames: number of frames, at least 1.
        size: height and width in pixels.
        fps: frames per second; drawn from 20 to 80 so that most clips show a whole beat when not given.
        variety: how much clips differ in view, tissue and scanner, 0 to 1: the share of each range that is drawn
            from, about its middle. Anatomy and motion always vary in full.
    """
    anatomy = draw_anatomy(rng)
    cycle = draw_cycle(rng, frames, fps)
    contraction = draw_contraction(rng)
    heart = move(anatomy, contraction, cycle)
    look = narrow_ranges(rng, variety)
    view = draw_view(look, heart, size)
    tissue = draw_tissue(look)
    beam = draw_beam(look, tissue, view)
    display = draw_display(look)
    painter = Painter(anatomy, tissue, heart, view, cycle.opening())
    imager = Imager(look, tissue, beam, view, Scatterers(rng, heart, view, contraction.torsion))
    monitor = Monitor(rng, display, view, cycle.fps, size)

    for _ in range(monitor.warm_up):
        monitor.show(imager.envelope(0, painter.paint(0)))
    pictures = np.empty((frames, size, size), np.uint8)
    mask = np.empty((frames, size, size), bool)
    for frame in range(frames):
        pictures[frame] = monitor.show(imager.envelope(frame, painter.paint(frame)))
        mask[frame] = view.rasterise(view.to_probe(heart.endocardium[frame]), size) & monitor.inside
    return PhantomClip(
        frames=pictures,
        mask=mask,
        fps=cycle.fps,
        ed=cycle.frames_of(cycle.edges),
        es=cycle.frames_of(cycle.systole_ends),
        ejection_fraction=heart.ejection_fraction,
        area_ef=heart.area_fraction,
        spacing_mm=view.spacing,
        params={
            "heart_rate": cycle.heart_rate,
            "end_diastolic_volume_ml": heart.end_diastolic_volume,
            "length_mm": anatomy.length,
            "half_width_mm": anatomy.half_width,
            "wall_mm": float(anatomy.wall.mean()),
            "wall_over_blood_db": float(np.mean(tissue.wall)) - tissue.blood,
            "depth_mm": view.depth,
            "sector_degrees": float(np.rad2deg(2.0 * view.half_angle)),
            "tilt_degrees": float(np.rad2deg(view.tilt)),
            "mirrored": view.mirrored,
            "aspect": view.aspect,
            "dynamic_range_db": monitor.white - monitor.black,
            "gamma": display.gamma,
            "persistence_s": display.persistence,
        },
    )
