"""What is doubtful about a prediction is flagged, and a true outline is not."""

from itertools import count, islice

import numpy as np
import pytest
from kdkit_echocardio.beats import find_beats
from kdkit_echocardio.doubts import find_doubts, rate_doubt
from kdkit_echocardio.flags import FLAGS
from kdkit_echocardio.geometry import area_curve, clean
from kdkit_echocardio.phantom import simulate

DRAWN = (simulate(np.random.default_rng(5000 + seed), frames=64, fps=50.0) for seed in count())
# Some simulated walls are as dark as blood, and that is doubtful.
CLIPS = list(islice((clip for clip in DRAWN if clip.params["wall_over_blood_db"] > 12.0), 6))
CLIP = CLIPS[0]


def doubts(masks, clip=CLIP, frames=None):
    masks = clean(np.asarray(masks, bool))
    areas = area_curve(masks)
    found = list(
        find_doubts(clip.frames if frames is None else frames, masks, areas, find_beats(areas, clip.fps), clip.fps)
    )
    assert set(found) <= set(FLAGS)
    return found


@pytest.mark.parametrize("clip", CLIPS)
def test_a_true_outline_is_not_doubted(clip):
    assert doubts(clip.mask, clip) == []


def test_a_mask_that_does_not_beat():
    assert doubts(np.repeat(CLIP.mask[:1], 64, 0)) == ["no-beat"]


def test_masks_of_no_size_that_a_ventricle_has():
    small = np.zeros(CLIP.mask.shape, bool)
    small[:, 50:54, 50:54] = True
    assert "implausible-area" in doubts(small)
    assert "implausible-area" in doubts(np.ones(CLIP.mask.shape, bool))
    assert doubts(np.zeros(CLIP.mask.shape, bool)) == ["no-beat", "implausible-area"]
    lost = np.array(CLIP.mask, bool)
    lost[::8] = False
    assert "implausible-area" in doubts(lost)


def test_one_frame_that_leaks():
    leaking = np.array(CLIP.mask, bool)
    leaking[20] |= np.roll(leaking[20], 12, 1)
    assert "area-jump" in doubts(leaking)


def test_an_area_that_trembles_and_does_not_jump():
    areas = area_curve(CLIP.mask)
    rng = np.random.default_rng(0)
    trembling = np.array(CLIP.mask, bool)
    for number, frame in enumerate(trembling):
        rows, columns = np.nonzero(frame)
        some = rng.permutation(len(rows))[: int(rng.uniform(0, 0.12) * areas[number])]
        order = np.argsort(rows[some])
        frame[rows[some][order], columns[some][order]] = False
    changes = np.abs(np.diff(area_curve(clean(trembling)))).max() / np.median(areas)
    assert changes < 0.2 and "trembles" in doubts(trembling)


def test_an_outline_along_the_edge_of_the_sector():
    assert "at-edge" in doubts(np.roll(CLIP.mask, 30, 2))


def test_a_cavity_that_is_no_darker_than_its_walls():
    assert "low-contrast" in doubts(CLIP.mask, frames=np.where(CLIP.mask, 200, CLIP.frames).astype(np.uint8))


def test_two_stills_need_not_beat():
    assert "no-beat" not in doubts(CLIP.mask[:2], frames=CLIP.frames[:2])


def test_doubt_grows_with_flags_and_blur_and_stays_below_one():
    sharp = CLIP.mask.astype(np.float32)
    blurred = np.clip(sharp * 0.3 + 0.35, 0, 1)
    assert rate_doubt([], sharp, CLIP.mask) == 0 < rate_doubt([], blurred, CLIP.mask)
    assert (
        0.3 <= rate_doubt(["trembles"], sharp, CLIP.mask) < rate_doubt(["trembles", "at-edge"], sharp, CLIP.mask) < 1
    )
    assert rate_doubt(FLAGS, blurred, CLIP.mask) <= 1
