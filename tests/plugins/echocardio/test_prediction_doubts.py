"""What is doubtful about a prediction is flagged, and a true outline is not."""

from itertools import count, islice

import numpy as np
import pytest
from kdkit_echocardio.beats import find_beats
from kdkit_echocardio.doubts import doubt_heart_rate, find_doubts, rate_doubt
from kdkit_echocardio.flags import FLAGS
from kdkit_echocardio.geometry import area_curve, clean
from kdkit_echocardio.phantom import simulate

COUNT = 4


@pytest.fixture(scope="module")
def clips():
    drawn = (simulate(np.random.default_rng(5000 + seed), frames=64, fps=50.0) for seed in count())
    # Some simulated walls are as dark as blood, and that is doubtful.
    return list(islice((clip for clip in drawn if clip.params["wall_over_blood_db"] > 12.0), COUNT))


@pytest.fixture(scope="module")
def clip(clips):
    return clips[0]


def doubts(clip, masks, frames=None):
    masks = clean(np.asarray(masks, bool))
    areas = area_curve(masks)
    found = list(
        find_doubts(clip.frames if frames is None else frames, masks, areas, find_beats(areas, clip.fps), clip.fps)
    )
    assert set(found) <= set(FLAGS)
    return found


@pytest.mark.parametrize("number", range(COUNT))
def test_a_true_outline_is_not_doubted(clips, number):
    assert doubts(clips[number], clips[number].mask) == []


def test_a_mask_that_does_not_beat(clip):
    assert doubts(clip, np.repeat(clip.mask[:1], 64, 0)) == ["no-beat"]


def test_masks_of_no_size_that_a_ventricle_has(clip):
    small = np.zeros(clip.mask.shape, bool)
    small[:, 50:54, 50:54] = True
    assert "implausible-area" in doubts(clip, small)
    assert "implausible-area" in doubts(clip, np.ones(clip.mask.shape, bool))
    assert doubts(clip, np.zeros(clip.mask.shape, bool)) == ["no-beat", "implausible-area"]
    lost = np.array(clip.mask, bool)
    lost[::8] = False
    assert "implausible-area" in doubts(clip, lost)


def test_one_frame_that_leaks(clip):
    leaking = np.array(clip.mask, bool)
    leaking[20] |= np.roll(leaking[20], 12, 1)
    assert "area-jump" in doubts(clip, leaking)


def test_an_area_that_trembles_and_does_not_jump(clip):
    areas = area_curve(clip.mask)
    rng = np.random.default_rng(0)
    trembling = np.array(clip.mask, bool)
    for number, frame in enumerate(trembling):
        rows, columns = np.nonzero(frame)
        some = rng.permutation(len(rows))[: int(rng.uniform(0, 0.12) * areas[number])]
        order = np.argsort(rows[some])
        frame[rows[some][order], columns[some][order]] = False
    changes = np.abs(np.diff(area_curve(clean(trembling)))).max() / np.median(areas)
    assert changes < 0.2 and "trembles" in doubts(clip, trembling)


def test_an_outline_along_the_edge_of_the_sector(clip):
    assert "at-edge" in doubts(clip, np.roll(clip.mask, 30, 2))


def test_a_cavity_that_is_no_darker_than_its_walls(clip):
    assert "low-contrast" in doubts(clip, clip.mask, frames=np.where(clip.mask, 200, clip.frames).astype(np.uint8))


def test_two_stills_need_not_beat(clip):
    assert "no-beat" not in doubts(clip, clip.mask[:2], frames=clip.frames[:2])


@pytest.mark.parametrize(("rate", "found"), [(29, True), (30, False), (220, False), (221, True), (None, False)])
def test_a_heart_rate_that_hearts_hardly_have(rate, found):
    assert list(doubt_heart_rate(rate)) == ["heart-rate"] * found


def test_doubt_grows_with_flags_and_blur_and_stays_below_one(clip):
    sharp = clip.mask.astype(np.float32)
    blurred = np.clip(sharp * 0.3 + 0.35, 0, 1)
    assert rate_doubt([], sharp, clip.mask) == 0 < rate_doubt([], blurred, clip.mask)
    assert (
        0.3 <= rate_doubt(["trembles"], sharp, clip.mask) < rate_doubt(["trembles", "at-edge"], sharp, clip.mask) < 1
    )
    assert rate_doubt(FLAGS, blurred, clip.mask) <= 1
