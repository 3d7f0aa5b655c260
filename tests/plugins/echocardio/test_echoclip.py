"""Scores by a vision-language model: a tiny random one of the same file layout stands for EchoCLIP."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from kdkit_echocardio.beats import find_beats
from kdkit_echocardio.metrics.echoclip import EchoClipPhase, EchoClipScore, phase_curve
from kdkit_echocardio.metrics.ejection import AreaCorrelation, AreaError, DiscsError
from kdkit_echocardio.metrics.timing import AverageFrameDistance
from kdkit_echocardio.metrics.zero_shot import by_rank
from pydantic import ValidationError

from kdkit import Sample, VisionLanguage

open_clip = pytest.importorskip("open_clip", reason="the extra open-clip of kdkit is not installed")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return VisionLanguage.write_example(tmp_path_factory.mktemp("model")).folder


def answering(monkeypatch, answer):
    """Have every model give these similarities; returns what it was asked about."""
    asked = []
    monkeypatch.setattr(
        VisionLanguage,
        "similarities",
        lambda self, images, prompts: asked.append((images, prompts)) or answer(images, prompts),
    )
    return asked


def clip() -> tuple[np.ndarray, Sample]:
    frames = np.random.default_rng(0).integers(30, 256, (3, 32, 32)).astype(np.uint8)
    prediction = np.zeros((3, 32, 32), np.float32)
    prediction[:, 10:20, 12:22] = 0.9
    return prediction, Sample(frames, {}, {"fps": 30.0})


def test_the_score_by_hand_uses_both_masks(model):
    prediction, known = clip()
    inside, around = known.inputs.copy(), known.inputs.copy()
    inside[:, 10:20, 12:22] = 0
    around[:, 8:22, 10:24] = 0
    asked = VisionLanguage(model)
    wall = asked.similarities(inside, ["WALL"])[:, 0]
    nothing, ventricle = asked.similarities(around, ["NOTHING", "LEFT VENTRICLE"]).T
    score = EchoClipScore(EchoClipScore.Options(model=model)).measure(prediction, known)
    assert score == [(pytest.approx(np.mean(wall + nothing - ventricle)),)]
    other = EchoClipScore(EchoClipScore.Options(model=model, nothing="A HEART")).measure(prediction, known)
    assert other != score


def test_the_images_that_are_asked_about(monkeypatch, model):
    prediction, known = clip()
    asked = answering(monkeypatch, lambda images, prompts: np.zeros((3, len(prompts))))
    EchoClipScore(EchoClipScore.Options(model=model)).measure(prediction, known)
    mask = (prediction[0] > 0.5).astype(np.uint8)
    for (images, _), black in zip(asked, (mask, cv2.dilate(mask, np.ones((5, 5), np.uint8))), strict=True):
        np.testing.assert_array_equal(images[0] == 0, black == 1)


def test_a_valve_that_closes_in_systole_gives_the_hearts_beats(monkeypatch, model):
    frames, beat = 150, 40
    systole = (np.arange(frames) - 5) % beat < 15  # ED at 5, 45, ..., ES at 20, 60, ...
    answering(monkeypatch, lambda *_: np.stack([np.where(systole, 0.3, 0.2), np.full(frames, 0.25)], 1))
    metric = EchoClipPhase(EchoClipPhase.Options(model=model))
    beats = metric.reference(Sample(np.zeros((frames, 4, 4), np.uint8), {}, {"fps": 40.0}))
    assert np.abs(beats.ed[:3] - [5, 45, 85]).max() <= 1
    assert np.abs(beats.es[:3] - [20, 60, 100]).max() <= 1


def test_a_valve_that_never_moves_shows_no_beat():
    assert len(find_beats(phase_curve(np.full(100, 0.1)), 40.0).es) == 0


def test_a_value_is_the_median_of_the_best_fifth_of_ranks_averaged_over_frames():
    values = np.arange(10) * 10
    first = -np.abs(values - 30.0)  # 30, then 20 and 40 alike: the first of equal ones
    second = -np.abs(values - 58.0)  # 60, 50
    # Ranks 1 and 2 of ten: (30 + 60) / 2 and (20 + 50) / 2.
    assert by_rank(np.stack([first, second]), values) == pytest.approx((45 + 35) / 2)


def sees(percent):
    """A model that sees this ejection fraction in every frame, whichever template asks."""
    return lambda images, prompts: np.tile(
        [-abs(float(prompt.partition("%")[0].split()[-1]) - percent) for prompt in prompts], (len(images), 1)
    )


def test_the_ejection_fraction_that_is_seen_takes_the_place_of_the_label(monkeypatch, model):
    metric = AreaError(AreaError.Options(reference=model))
    (prediction, sample), *_ = metric.example_cases()  # a ball of 30 %
    labelled = AreaError().measure(prediction, sample)
    assert labelled[0][1] == 30
    asked = answering(monkeypatch, sees(55))
    unlabelled = Sample(sample.inputs, {}, sample.info)
    ((predicted, true),) = metric.measure(prediction, unlabelled)
    # The best fifth of 202 prompts is 45 to 64 %: around 55.
    assert true == pytest.approx(55, abs=0.5)
    # Its own beats are the labelled ones, so what is predicted is the same.
    assert predicted == pytest.approx(labelled[0][0], abs=1.5)
    ((images, prompts),) = asked
    assert images is sample.inputs and len(prompts) == 202
    assert prompts[55] == "THE LEFT VENTRICULAR EJECTION FRACTION IS ESTIMATED TO BE 55% "
    assert prompts[-1] == "LV EJECTION FRACTION IS 100%. "


def test_without_a_beat_it_is_nothing_and_without_a_rate_it_is_not_counted(monkeypatch, model):
    metric = DiscsError(DiscsError.Options(reference=model, prompts=["EF {}% "]))
    (prediction, sample), *_ = metric.example_cases()
    asked = answering(monkeypatch, sees(40))
    still = np.repeat(prediction[:1], len(prediction), 0)
    assert metric.measure(still, sample) == [(0.0, pytest.approx(40, abs=0.5))]
    assert metric.measure(np.zeros_like(prediction), sample)[0][0] == 0
    assert len(asked[0][1]) == 101
    assert metric.measure(prediction, Sample(sample.inputs, sample.truth)) == []


def test_the_real_model_is_asked_and_counts_for_the_fingerprint(model, tmp_path):
    metric = AreaCorrelation(AreaCorrelation.Options(reference=model))
    prediction, sample = metric.example_cases()[0]
    ((_, true),) = metric.measure(prediction, sample)
    assert 0 <= true <= 100
    assert metric.fingerprint() != AreaCorrelation().fingerprint()
    with pytest.raises(ValidationError, match=r"has no \{\} for the percentage"):
        AreaCorrelation.Options(reference=model, prompts=["NO PLACE"])


def test_a_reference_needs_no_label(model):
    assert AreaError().needs_truth and AverageFrameDistance().needs_truth
    assert not AreaError(AreaError.Options(reference=model)).needs_truth
    assert not AverageFrameDistance(AverageFrameDistance.Options(reference=model)).needs_truth
    assert not EchoClipPhase(EchoClipPhase.Options(model=model)).needs_truth
