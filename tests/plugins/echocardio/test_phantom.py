"""The simulated hearts: what they promise of anatomy and valve."""

from dataclasses import replace

import numpy as np
import pytest
from kdkit_echocardio.phantom import simulate
from kdkit_echocardio.phantom.anatomy import CONTOUR_STEPS, draw_anatomy
from kdkit_echocardio.phantom.geometry import move
from kdkit_echocardio.phantom.motion import Cycle, draw_contraction, draw_cycle
from kdkit_echocardio.phantom.painting import DB_FLOOR, DB_STEP, Painter, draw_tissue
from kdkit_echocardio.phantom.view import draw_view


def heart(seed, frames=24):
    rng = np.random.default_rng(seed)
    anatomy = draw_anatomy(rng)
    cycle = draw_cycle(rng, frames, None)
    return anatomy, cycle, move(anatomy, draw_contraction(rng), cycle)


def cycle_of(atrial_peak, start=0.0, fps=200.0, frames=400):
    """Two beats of a second each, systole of 0.4 s."""
    edges = np.arange(4.0)
    return Cycle(
        times=start + np.arange(frames) / fps,
        fps=fps,
        heart_rate=60.0,
        edges=edges,
        systole_ends=edges[:-1] + 0.4,
        strength=np.ones(3),
        diastasis=0.2,
        atrial_peak=atrial_peak,
    )


def test_trabeculae_are_a_part_of_the_wall_and_fill_the_apex():
    hearts = [draw_anatomy(np.random.default_rng(seed)) for seed in range(200)]
    shares = np.stack([anatomy.trabeculated for anatomy in hearts])
    assert shares.min() >= 0
    assert shares.max() < 1
    compact = np.stack([anatomy.wall for anatomy in hearts]) * (1.0 - shares)
    assert compact.min() >= 3.5 - 1e-9
    apex, base = shares[:, CONTOUR_STEPS], shares[:, [0, -1]].mean(1)
    assert np.median(apex) > 2 * np.median(base)


def test_trabeculae_sit_on_the_free_wall_rather_than_on_the_septum():
    hearts = [draw_anatomy(np.random.default_rng(seed)) for seed in range(200)]
    meshwork = np.stack([anatomy.wall * anatomy.trabeculated for anatomy in hearts])
    septum, free_wall = meshwork[:, 4:16].mean(), meshwork[:, -16:-4].mean()
    assert free_wall > 1.5 * septum


def painted(seed, fraction):
    """Level of a dark meshwork in a bright free wall at end-diastole and at end-systole, dB."""
    rng = np.random.default_rng(seed)
    anatomy = draw_anatomy(rng)
    points = 2 * CONTOUR_STEPS
    anatomy = replace(
        anatomy,
        wall=np.full(points, 14.0),
        trabeculated=np.full(points, fraction),
        trabecula=np.zeros(points),
        papillary=(),
    )
    cycle = cycle_of(0.9, fps=10.0, frames=5)
    heart = move(anatomy, draw_contraction(rng), cycle)
    tissue = replace(
        draw_tissue(rng),
        wall=[-10.0] * points,
        meshwork=[-30.0] * points,
        compaction=[1.0] * points,
        endocardium=[DB_FLOOR] * points,
        tendon=None,
        chordae=False,
    )
    view = draw_view(rng, heart, 112)
    painter = Painter(anatomy, tissue, heart, view, np.zeros(5))
    levels = []
    for frame in (0, 4):
        inner, outer = heart.endocardium[frame], heart.epicardium[frame]
        middle = slice(CONTOUR_STEPS + 8, CONTOUR_STEPS + 14)
        places = painter.to_canvas(view.to_probe(inner + 0.25 * (outer - inner)))[middle]
        column, row = np.rint(places).astype(int).T
        levels.append(float(np.median(painter.paint(frame)[row, column])) * DB_STEP + DB_FLOOR)
    return levels


@pytest.mark.parametrize("seed", range(4))
def test_systole_closes_the_trabeculae_into_a_layer_as_bright_as_the_wall(seed):
    diastole, systole = painted(seed, 0.5)
    assert abs(diastole + 30.0) < 1.0
    assert abs(systole + 10.0) < 1.0


@pytest.mark.parametrize("atrial_peak", [0.82, 0.9, 1.0])
def test_valve_is_shut_in_systole_and_moves_without_jumps(atrial_peak):
    cycle = cycle_of(atrial_peak)
    opening = cycle.opening()
    assert opening.min() >= 0
    assert opening.max() <= 1
    phase = cycle.times % 1.0
    assert not opening[(phase > 0.06) & (phase < 0.39)].any()
    assert opening[(phase > 0.5) & (phase < 0.6)].max() > 0.9
    # At 200 frames a second no leaflet crosses a sixth of its way between two frames.
    assert np.abs(np.diff(opening)).max() < 1 / 6


def test_a_late_atrial_contraction_leaves_the_valve_open_at_end_diastole():
    early, late = (cycle_of(peak, start=1.0, frames=1).opening()[0] for peak in (0.82, 1.0))
    assert early < 0.05
    assert late > 0.7


def test_ejection_fractions_cover_what_patients_have():
    fractions = np.array([heart(seed)[2].ejection_fraction for seed in range(300)])
    assert np.percentile(fractions, 5) < 25
    assert np.percentile(fractions, 95) > 65


def test_the_cavity_keeps_clear_of_the_compact_wall():
    # The traced cavity's outline is the trabecular tips: the wall's outer border lies outside of it everywhere.
    for seed in range(20):
        anatomy, _, moved = heart(seed, frames=8)
        gap = np.linalg.norm(moved.epicardium - moved.endocardium, axis=-1)
        assert (gap[0] > 0.5 * anatomy.wall.min()).all()


def test_less_variety_makes_looks_alike_and_leaves_hearts_as_they_are():
    def drawn(variety):
        made = [simulate(np.random.default_rng(seed), frames=1, fps=20.0, variety=variety) for seed in range(12)]
        return {key: np.array([float(clip.params[key]) for clip in made]) for key in made[0].params}

    full, half = drawn(1.0), drawn(0.5)
    for look in ("sector_degrees", "tilt_degrees", "wall_over_blood_db"):
        assert 0.2 < half[look].std() / full[look].std() < 0.8
    for heart in ("length_mm", "half_width_mm", "heart_rate", "end_diastolic_volume_ml"):
        assert np.array_equal(half[heart], full[heart])
