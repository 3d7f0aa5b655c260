"""Every metric against hand-computed values, torchmetrics, or the published cases."""

from __future__ import annotations

import importlib.util
import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from kdkit_echocardio.metrics.calibration import Brier, CalibrationError
from kdkit_echocardio.metrics.ejection import (
    AreaBias,
    AreaCorrelation,
    AreaDetermination,
    AreaError,
    AreaReduced,
    AreaRootMeanSquareError,
    DiscsBias,
    DiscsCorrelation,
    DiscsDetermination,
    DiscsError,
    DiscsReduced,
    DiscsRootMeanSquareError,
)
from kdkit_echocardio.metrics.label_free import SelfConsistency, TeacherAgreement
from kdkit_echocardio.metrics.overlap import Dice, DiceED, DiceES, IoU, PooledDice
from kdkit_echocardio.metrics.stability import Flicker
from kdkit_echocardio.metrics.surfaces import (
    Hausdorff95,
    Hausdorff95Millimetres,
    MeanSurfaceDistance,
    MeanSurfaceDistanceMillimetres,
)
from kdkit_echocardio.metrics.timing import (
    AverageFrameDistance,
    AverageTimeDistance,
    ExtraBeats,
    MissedBeats,
    OriginalFrameDistance,
    match,
    select_by_reference,
)
from sklearn.metrics import brier_score_loss, f1_score, r2_score, roc_auc_score, root_mean_squared_error
from torchmetrics.classification import BinaryCalibrationError, BinaryF1Score, BinaryJaccardIndex
from torchmetrics.regression import PearsonCorrCoef

from kdkit import DataError, Metric, Sample

_SPEC = importlib.util.spec_from_file_location("phase", Path(__file__).parents[3] / "benchmarks" / "phase.py")
assert _SPEC and _SPEC.loader
phase = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(phase)

GOLDEN = Path(__file__).parent / "golden"
OVERLAP = [Dice, DiceED, DiceES, IoU, PooledDice]
SURFACES = [Hausdorff95, Hausdorff95Millimetres, MeanSurfaceDistance, MeanSurfaceDistanceMillimetres]
EJECTION = [
    *[AreaCorrelation, AreaError, AreaBias, AreaDetermination, AreaRootMeanSquareError, AreaReduced],
    *[DiscsCorrelation, DiscsError, DiscsBias, DiscsDetermination, DiscsRootMeanSquareError, DiscsReduced],
]
TIMING = [AverageFrameDistance, AverageTimeDistance, MissedBeats, ExtraBeats, OriginalFrameDistance]
CALIBRATION = [Brier, CalibrationError]
NEED_TRUTH = OVERLAP + SURFACES + EJECTION + TIMING + CALIBRATION


def sample(
    frames: int = 4, side: int = 16, fps: float | None = 50.0, spacing_mm: float | None = 2.0, **truth: object
) -> Sample:
    info = {name: fact for name, fact in (("fps", fps), ("spacing_mm", spacing_mm)) if fact is not None}
    return Sample(np.zeros((frames, side, side), np.uint8), {k: np.asarray(v) for k, v in truth.items()}, info)


def discs_of(areas: np.ndarray, side: int = 48) -> np.ndarray:
    """A prediction whose frames are round masks of these areas, to the pixel: float32 (T, side, side)."""
    rows, columns = np.mgrid[:side, :side]
    order = np.argsort((rows - side / 2) ** 2 + (columns - side / 2.1) ** 2, axis=None, kind="stable")
    prediction = np.full((len(areas), side * side), 0.05, np.float32)
    for frame, area in zip(prediction, areas, strict=True):
        frame[order[: int(area)]] = 0.8
    return prediction.reshape(len(areas), side, side)


def value(metric: Metric, *pairs: tuple[np.ndarray, Sample]) -> float | None:
    for prediction, known in pairs:
        metric.update(prediction, known)
    return metric.compute().value


# --- overlap -----------------------------------------------------------------------------------------------------


def test_overlap_by_hand() -> None:
    masks = np.zeros((2, 4, 4), np.uint8)
    masks[0, :2] = 1  # 8 pixels
    masks[1, 0] = 1  # 4 pixels
    prediction = np.zeros((3, 4, 4), np.float32)
    prediction[0, 1:3] = 0.5  # 8 pixels, 4 shared
    prediction[2, 0, :3] = 0.9  # 3 pixels, 3 shared
    known = sample(3, 4, mask=masks, mask_frames=[0, 2], ed=[0], es=[2])
    dice_ed, dice_es = 2 * 4 / 16, 2 * 3 / 7
    assert value(DiceED(), (prediction, known)) == pytest.approx(dice_ed)
    assert value(DiceES(), (prediction, known)) == pytest.approx(dice_es)
    assert value(Dice(), (prediction, known)) == pytest.approx((dice_ed + dice_es) / 2)
    assert value(IoU(), (prediction, known)) == pytest.approx((4 / 12 + 3 / 4) / 2)


@pytest.mark.parametrize(("metric", "reference"), [(Dice, BinaryF1Score), (IoU, BinaryJaccardIndex)])
def test_overlap_against_torchmetrics(metric: type[Metric], reference: type) -> None:
    rng = np.random.default_rng(0)
    pairs, expected = [], []
    for _ in range(5):
        prediction = rng.random((6, 12, 12)).astype(np.float32)
        masks = rng.integers(0, 2, (6, 12, 12)).astype(np.uint8)
        ed, es = [1, 5], [3]
        pairs.append((prediction, sample(6, 12, mask=masks, mask_frames=np.arange(6), ed=ed, es=es)))
        frames = [
            float(reference()(torch.from_numpy(prediction[f] >= 0.5).int(), torch.from_numpy(masks[f]).int()))
            for f in ed + es
        ]
        expected.append(np.mean(frames))
    assert value(metric(), *pairs) == pytest.approx(np.mean(expected), abs=1e-6)


@pytest.mark.parametrize("metric", OVERLAP)
@pytest.mark.parametrize(("predicted", "true", "expected"), [(0, 0, 1), (1, 0, 0), (0, 1, 0), (1, 1, 1)])
def test_overlap_of_empty_masks(metric: type[Metric], predicted: int, true: int, expected: float) -> None:
    prediction = np.full((2, 4, 4), predicted, np.float32)
    known = sample(2, 4, mask=np.full((2, 4, 4), true, np.uint8), mask_frames=[0, 1], ed=[0], es=[1])
    assert value(metric(), (prediction, known)) == expected


def test_a_frame_without_a_mask_is_left_out() -> None:
    prediction = np.ones((4, 4, 4), np.float32)
    known = sample(4, 4, mask=np.ones((1, 4, 4), np.uint8), mask_frames=[3], ed=[0], es=[3])
    assert value(Dice(), (prediction, known)) == 1
    assert DiceED().measure(prediction, known) == []


def test_every_annotator_of_a_frame_counts() -> None:
    masks = np.zeros((3, 4, 4), np.uint8)
    masks[0, :2] = 1  # 8 pixels
    masks[1, :1] = 1  # 4 pixels
    masks[2, :, :2] = 1  # 8 pixels in another frame
    prediction = np.zeros((2, 4, 4), np.float32)
    prediction[0, :2] = prediction[1, :, :2] = 1
    known = sample(2, 4, mask=masks, mask_frames=[0, 0, 1], ed=[0], es=[1])
    assert value(DiceED(), (prediction, known)) == pytest.approx((1 + 2 * 4 / 12) / 2)
    assert value(Dice(), (prediction, known)) == pytest.approx((1 + 2 * 4 / 12 + 1) / 3)
    assert value(PooledDice(), (prediction, known)) == pytest.approx(2 * (8 + 4 + 8) / (16 + 12 + 16))
    assert value(Brier(), (prediction, known)) == pytest.approx(4 / 48)


def test_masks_of_another_size_are_refused() -> None:
    known = sample(2, 4, mask=np.ones((1, 8, 8), np.uint8), mask_frames=[0], ed=[0])
    with pytest.raises(DataError, match=r"\(8, 8\).*\(4, 4\)"):
        Dice().measure(np.ones((2, 4, 4), np.float32), known)


def random_clips(count: int, frames: int = 6, side: int = 12) -> list[tuple[np.ndarray, Sample]]:
    """Predictions and masks of noise, the second half of the clips larger; frames 1, 3 and 5 are labelled."""
    rng = np.random.default_rng(0)
    clips = []
    for number in range(count):
        share = 0.2 if number < count / 2 else 0.7
        prediction = rng.random((frames, side, side)).astype(np.float32)
        masks = (rng.random((frames, side, side)) < share * prediction).astype(np.uint8)
        clips.append((prediction, sample(frames, side, mask=masks, mask_frames=np.arange(frames), ed=[1, 5], es=[3])))
    return clips


def labelled(clips: list[tuple[np.ndarray, Sample]]) -> tuple[np.ndarray, np.ndarray]:
    """All labelled pixels: their probability and truth."""
    frames = [1, 5, 3]
    predictions = np.concatenate([prediction[frames].ravel() for prediction, _ in clips])
    return predictions, np.concatenate([known.truth["mask"][frames].ravel() for _, known in clips])


def test_pooled_overlap_is_that_of_all_pixels_together() -> None:
    clips = random_clips(6)
    probability, true = labelled(clips)
    assert value(PooledDice(), *clips) == pytest.approx(f1_score(true, probability >= 0.5))
    assert value(PooledDice(), *clips) != pytest.approx(value(Dice(), *clips), abs=1e-3)


# --- surfaces ----------------------------------------------------------------------------------------------------


def lines(*rows: int) -> np.ndarray:
    """Masks, one a frame, of a horizontal line in this row; none where it is negative."""
    masks = np.zeros((len(rows), 16, 16), np.float32)
    for mask, row in zip(masks, rows, strict=True):
        if row >= 0:
            mask[row, 2:14] = 1
    return masks


@pytest.mark.parametrize(("pixels", "millimetres"), [SURFACES[:2], SURFACES[2:]])
def test_distances_of_borders_by_hand(pixels: type[Metric], millimetres: type[Metric]) -> None:
    truth = {"mask": lines(4, 4, 4).astype(np.uint8), "mask_frames": [0, 1, 2], "ed": [0], "es": [2]}
    clips = [
        (lines(6, 15, 9), sample(3, spacing_mm=0.5, **truth)),
        (lines(4, 4, 4), sample(3, spacing_mm=2, **truth)),
    ]
    assert value(pixels(), *clips) == pytest.approx(((2 + 5) / 2 + 0) / 2)
    assert value(millimetres(), *clips) == pytest.approx(((1 + 2.5) / 2 + 0) / 2)


@pytest.mark.parametrize("metric", SURFACES)
def test_a_ventricle_that_is_missed_is_as_far_as_can_be(metric: type[Metric]) -> None:
    truth = {"mask": lines(4, -1).astype(np.uint8), "mask_frames": [0, 1], "ed": [0], "es": [1]}
    pixel = 2.0 if metric.unit == "mm" else 1.0
    diagonal = 16 * np.sqrt(2) * pixel
    assert value(metric(), (lines(-1, -1), sample(2, **truth))) == pytest.approx(diagonal / 2)
    assert value(metric(), (lines(4, 3), sample(2, **truth))) == pytest.approx(diagonal / 2)


@pytest.mark.parametrize("metric", [Hausdorff95Millimetres, MeanSurfaceDistanceMillimetres])
def test_millimetres_need_a_spacing(metric: type[Metric]) -> None:
    truth = {"mask": lines(4).astype(np.uint8), "mask_frames": [0], "ed": [0]}
    assert metric().measure(lines(4), sample(1, spacing_mm=None, **truth)) == []


# --- ejection fraction -------------------------------------------------------------------------------------------


def clip_with(end_diastolic: int, end_systolic: int, fraction: float) -> tuple[np.ndarray, Sample]:
    prediction = discs_of(np.array([end_systolic, end_diastolic, 500, end_systolic]))
    return prediction, sample(4, 48, ed=[1], es=[0, 3], ejection_fraction=fraction)


def test_area_ejection_fraction_by_hand() -> None:
    clips = [clip_with(1000, 700, 40), clip_with(800, 400, 60), clip_with(900, 810, 20)]  # 30, 50, 10 %
    assert value(AreaBias(), *clips) == pytest.approx(-10)
    assert value(AreaError(), *clips) == pytest.approx(10)
    assert value(AreaCorrelation(), *clips) == pytest.approx(1)
    opposed = [clip_with(1000, 700, 25), clip_with(800, 400, 60)]
    assert value(AreaBias(), *opposed) == pytest.approx((5 - 10) / 2)
    assert value(AreaError(), *opposed) == pytest.approx((5 + 10) / 2)


def test_discs_ejection_fraction_of_balls() -> None:
    # The volume of a ball goes with area to the power 3/2.
    truth = [100 * (1 - (s / d) ** 1.5) for d, s in ((1000, 600), (1200, 500), (800, 700))]
    clips = [clip_with(d, s, f) for (d, s), f in zip(((1000, 600), (1200, 500), (800, 700)), truth, strict=True)]
    assert value(DiscsError(), *clips) == pytest.approx(0, abs=1.5)
    assert value(DiscsBias(), *clips) == pytest.approx(0, abs=1.5)
    assert value(DiscsCorrelation(), *clips) == pytest.approx(1, abs=1e-2)


def test_correlation_against_torchmetrics() -> None:
    rng = np.random.default_rng(0)
    cases = rng.normal(50, 15, (40, 2))
    expected = PearsonCorrCoef()(torch.from_numpy(cases[:, 0]), torch.from_numpy(cases[:, 1]))
    assert AreaCorrelation().summarize(cases) == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize(
    ("metric", "reference"),
    [(AreaDetermination, r2_score), (AreaRootMeanSquareError, root_mean_squared_error)],
)
def test_errors_against_scikit_learn(metric: type[Metric], reference: object) -> None:
    cases = np.random.default_rng(1).normal(50, 15, (40, 2))
    assert metric().summarize(cases) == pytest.approx(reference(cases[:, 1], cases[:, 0]))


def test_finding_reduced_hearts_against_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    true = rng.normal(50, 15, 60)
    predicted = np.round(true + rng.normal(0, 15, 60), -1)  # with ties
    expected = roc_auc_score(true < 50, -predicted)
    assert 0.6 < expected < 0.95
    assert AreaReduced().summarize(np.stack([predicted, true], 1)) == pytest.approx(expected)


def test_what_ejection_fractions_without_contrast_cannot_tell() -> None:
    same = np.array([[40.0, 60.0], [50.0, 60.0], [60.0, 60.0]])
    assert np.isnan(AreaDetermination().summarize(same))
    assert np.isnan(AreaReduced().summarize(same)) and np.isnan(AreaReduced().summarize(same - 20))
    # 50 % is not reduced.
    assert AreaReduced().summarize(np.array([[30.0, 49.9], [40.0, 50.0]])) == 1


def test_correlation_needs_three_clips_and_some_spread() -> None:
    two = [clip_with(1000, 700, 40), clip_with(800, 400, 60)]
    assert value(AreaCorrelation(), *two) is None
    score = AreaCorrelation()
    for prediction, known in [clip_with(1000, 700, fraction) for fraction in (30, 40, 50, 60)]:
        score.update(prediction, known)
    assert score.compute().value is None
    assert score.compute().n == 4


@pytest.mark.parametrize("metric", [AreaBias, DiscsBias])
def test_a_ventricle_that_is_not_found_counts_as_zero(metric: type[Metric]) -> None:
    assert value(metric(), clip_with(0, 0, 55)) == -55


@pytest.mark.parametrize("metric", [AreaBias, DiscsBias])
def test_specks_do_not_count(metric: type[Metric]) -> None:
    prediction, known = clip_with(1000, 600, 50)
    clean = value(metric(), (prediction, known))
    prediction[1, 0, ::2] = 1
    assert value(metric(), (prediction, known)) == clean


# --- timing ------------------------------------------------------------------------------------------------------


def heart(frames: int, beat: float, start: float = 5.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    curve = 700 + 300 * np.cos(2 * np.pi * (np.arange(frames) - start) / beat)
    events = [np.arange(start + shift, frames, beat).round().astype(np.int64) for shift in (0, beat / 2)]
    return curve, *events


def test_matching_is_one_to_one_and_nearest_first() -> None:
    distances, left = match(np.array([10, 13, 90]), np.array([12, 40, 88]), reach=25)
    assert distances.tolist() == [1, np.nan, 2] or np.array_equal(distances, [1, np.nan, 2], equal_nan=True)
    assert left.tolist() == [10]
    distances, left = match(np.array([], np.int64), np.array([12]), reach=25)
    assert np.isnan(distances).tolist() == [True] and len(left) == 0


def test_distances_by_hand() -> None:
    curve, ed, es = heart(150, 40)
    prediction = discs_of(curve)
    known = sample(150, 48, fps=40.0, ed=ed + 2, es=es - 1)
    count = len(ed) + len(es)
    expected = (2 * len(ed) + len(es)) / count
    assert value(AverageFrameDistance(), (prediction, known)) == pytest.approx(expected, abs=0.3)
    assert value(AverageTimeDistance(), (prediction, known)) == pytest.approx(expected * 25, abs=8)
    assert value(MissedBeats(), (prediction, known)) == 0
    assert value(ExtraBeats(), (prediction, known)) == 0


def test_missed_and_extra_beats() -> None:
    curve, ed, es = heart(150, 40)  # ED 5 45 85 125, ES 25 65 105 145
    prediction = discs_of(curve)
    sparse = sample(150, 48, fps=40.0, ed=ed[[0, 3]], es=es[[0, 3]])
    assert value(MissedBeats(), (prediction, sparse)) == 0
    assert value(ExtraBeats(), (prediction, sparse)) == pytest.approx(4 / 4)
    part = sample(150, 48, fps=40.0, ed=ed[[1]], es=es[[1]])
    assert value(ExtraBeats(), (prediction, part)) == 0, "nobody looked for events beyond the annotated ones"
    dense = sample(150, 48, fps=40.0, ed=np.sort([*ed, *(ed + 10)]), es=es)
    assert value(MissedBeats(), (prediction, dense)) == pytest.approx(4 / 12)
    assert value(AverageFrameDistance(), (prediction, dense)) == pytest.approx(4 * 20 / 12, abs=0.6)


def test_a_constant_curve_misses_everything_at_full_cost() -> None:
    _, ed, es = heart(100, 40)
    known = sample(100, 48, fps=40.0, ed=ed, es=es)
    for areas in (np.full(100, 700), np.zeros(100)):
        prediction = discs_of(areas)
        assert value(AverageFrameDistance(), (prediction, known)) == 20  # half a second
        assert value(MissedBeats(), (prediction, known)) == 1
        assert value(ExtraBeats(), (prediction, known)) == 0
        assert value(OriginalFrameDistance(), (prediction, known)) == np.mean([*ed, *es])


def golden_cases() -> list[dict]:
    return json.loads((GOLDEN / "afd_original.json").read_text())


@pytest.mark.parametrize("case", golden_cases(), ids=lambda case: f"{case['kind']}-{len(case['area'])}")
def test_the_published_selection_is_reproduced(case: dict) -> None:
    areas = np.array(case["area"])
    assert select_by_reference(areas, case["reference_frame"]) == case["selected_ES"]
    assert select_by_reference(-areas, case["reference_frame"]) == case["selected_ED"]


def test_the_published_rule_is_measured_against_the_reference() -> None:
    case = next(case for case in golden_cases() if case["kind"] == "sine")
    areas, reference = np.array(case["area"]), case["reference_frame"]
    known = sample(len(areas), 48, ed=[reference], es=[reference])
    expected = (abs(case["selected_ES"] - reference) + abs(case["selected_ED"] - reference)) / 2
    assert value(OriginalFrameDistance(), (discs_of(areas), known)) == expected


def test_noise_games_the_published_rule_and_not_ours() -> None:
    rng = np.random.default_rng(0)
    metrics = {kind: (OriginalFrameDistance(), AverageFrameDistance()) for kind in ("noise", "heart")}
    for _ in range(12):
        curve, ed, es = heart(120, 45, start=float(rng.integers(5, 15)))
        known = sample(120, 48, fps=50.0, ed=ed, es=es)
        curves = {"noise": rng.integers(300, 1200, 120), "heart": curve + rng.normal(0, 15, 120)}
        for kind, areas in curves.items():
            for metric in metrics[kind]:
                metric.update(discs_of(areas), known)
    scores = {kind: [metric.compute().value for metric in pair] for kind, pair in metrics.items()}
    assert scores["noise"][0] < 2 and scores["noise"][1] > 20
    assert scores["heart"][0] < 3 and scores["heart"][1] < 3


@lru_cache
def controls() -> dict[str, dict[str, float]]:
    return phase.table(clips=40)


@pytest.mark.parametrize("control", ["noise", "alternating", "constant"])
def test_the_table_of_controls_shows_who_can_be_gamed(control: str) -> None:
    """The rows of docs/phase.md: a control does well under the published rule, or cannot be told apart by it."""
    scores = controls()
    assert scores[control]["afd"] > 12 and scores[control]["missed-beats"] > 0.5
    assert scores["exact"]["afd"] < 1 and scores["exact"]["missed-beats"] == 0
    if control != "constant":
        assert scores[control]["afd-original"] < 2.5 < scores["late by 3 frames"]["afd-original"]


def test_the_area_counts_what_the_published_rule_counts() -> None:
    """More than 25 of 255, where the other metrics ask for one half."""
    prediction = np.zeros((9, 16, 16), np.float32)
    for frame, area in enumerate([9, 8, 7, 2, 7, 8, 9, 9, 9]):
        prediction[frame].flat[:area] = 26 / 255
        prediction[frame].flat[area : 2 * area] = 25 / 255
    assert value(OriginalFrameDistance(), (prediction, sample(9, ed=[], es=[3]))) == 0
    assert value(OriginalFrameDistance(), (prediction * 25 / 26, sample(9, ed=[], es=[3]))) == 3


def size_table(path: Path, **curves: np.ndarray) -> Path:
    """EchoNet-Dynamic's size.csv, rows out of order."""
    rows = [
        f"{name}.avi,{frame},{area:.0f},0,0,0" for name, areas in curves.items() for frame, area in enumerate(areas)
    ]
    path.write_text("\n".join(["Filename,Frame,Size,HumanLarge,HumanSmall,ComputerSmall", *rows[::-1]]) + "\n")
    return path


def of_reference(path: Path) -> AverageFrameDistance:
    return AverageFrameDistance(AverageFrameDistance.Options(reference=path))


def test_a_published_table_of_areas_is_a_reference(tmp_path: Path) -> None:
    curve, _, _ = heart(150, 40)
    known = Sample(np.zeros((150, 48, 48), np.uint8), {}, {"name": "a", "fps": 40.0})
    metric = of_reference(size_table(tmp_path / "size.csv", a=heart(150, 40, start=7)[0], b=curve))
    assert value(metric, (discs_of(curve), known)) == pytest.approx(2, abs=0.6)
    assert AverageFrameDistance().measure(discs_of(curve), known) == [], "the clip has no truth of its own"
    assert metric.measure(discs_of(curve), Sample(known.inputs, {}, {"name": "c", "fps": 40.0})) == []
    original = OriginalFrameDistance(OriginalFrameDistance.Options(reference=tmp_path / "size.csv"))
    assert value(original, (discs_of(curve), known)) < 4


def test_the_predictions_of_another_run_are_a_reference(tmp_path: Path) -> None:
    curve, _, _ = heart(120, 40)
    np.savez(tmp_path / "a.npz", probability=discs_of(heart(120, 40, start=8)[0]).astype(np.float16))
    known = Sample(np.zeros((120, 48, 48), np.uint8), {}, {"name": "a", "fps": 40.0})
    assert value(of_reference(tmp_path), (discs_of(curve), known)) == pytest.approx(3, abs=0.6)
    before = of_reference(tmp_path).fingerprint()
    np.savez(tmp_path / "a.npz", probability=discs_of(curve).astype(np.float16))
    assert value(of_reference(tmp_path), (discs_of(curve), known)) == 0
    assert of_reference(tmp_path).fingerprint() != before


def test_a_reference_that_does_not_fit_is_told(tmp_path: Path) -> None:
    curve, _, _ = heart(100, 40)
    known = Sample(np.zeros((90, 48, 48), np.uint8), {}, {"name": "a", "fps": 40.0})
    metric = of_reference(size_table(tmp_path / "size.csv", a=curve))
    with pytest.raises(DataError, match=r"100 frames of a, which has 90"):
        metric.measure(discs_of(curve[:90]), known)
    for line, message in (("a.avi,0,many", "line 2"), ("a.avi,1,5\na.avi,1,5", "each once")):
        (tmp_path / "bad.csv").write_text(f"Filename,Frame,Size\n{line}\n")
        with pytest.raises(DataError, match=message):
            of_reference(tmp_path / "bad.csv").measure(discs_of(curve[:90]), known)
    (tmp_path / "a.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"a\.npz holds no prediction"):
        of_reference(tmp_path).measure(discs_of(curve[:90]), known)
    with pytest.raises(ValueError, match="does not exist"):
        of_reference(tmp_path / "nowhere.csv")


# --- steadiness --------------------------------------------------------------------------------------------------


def test_flicker_by_hand() -> None:
    areas = np.array([100, 110, 90, 100, 100])  # second differences -30, 30, -10; mean 100
    assert value(Flicker(), (discs_of(areas), sample(5, 48))) == pytest.approx(100 * (70 / 3) / 100)


def test_a_constant_or_steadily_growing_ventricle_does_not_flicker() -> None:
    for areas in (np.full(10, 500), np.arange(500, 600, 10)):
        assert value(Flicker(), (discs_of(areas), sample(len(areas), 48))) == 0


def test_noise_flickers_more_than_a_beating_heart() -> None:
    rng = np.random.default_rng(0)
    curve, _, _ = heart(60, 40)
    steady, trembling = (
        value(Flicker(), (discs_of(areas), sample(60, 48))) for areas in (curve, curve + rng.normal(0, 40, 60))
    )
    assert trembling > 5 * steady


def test_flicker_of_nothing_is_not_counted() -> None:
    assert Flicker().measure(np.zeros((9, 16, 16), np.float32), sample(9)) == []
    assert Flicker().measure(np.ones((2, 16, 16), np.float32), sample(2)) == []


# --- without labels ----------------------------------------------------------------------------------------------


def test_agreement_by_hand() -> None:
    prediction = np.zeros((3, 4, 4), np.float32)
    prediction[0, :2] = prediction[2, 0] = 0.9  # 8 and 4 pixels
    teacher = np.zeros((3, 4, 4), np.float32)
    teacher[0, 1:3] = teacher[1, 0] = 0.5  # 8, of which 4 are shared, and 4
    assert value(TeacherAgreement(), (prediction, sample(3, 4, teacher=teacher))) == pytest.approx(2 * 4 / 24)
    empty = np.zeros((3, 4, 4), np.float32)
    assert value(TeacherAgreement(), (empty, sample(3, 4, teacher=empty))) == 1
    assert TeacherAgreement().measure(prediction, sample(3, 4)) == []


def test_consistency_turns_the_clip_round_again() -> None:
    prediction = np.zeros((3, 4, 4), np.float32)
    prediction[0] = 1
    probes = np.stack([prediction[::-1], prediction, np.zeros_like(prediction)])
    assert value(SelfConsistency(), (prediction, sample(3, 4, probes=probes))) == pytest.approx(2 / 3)
    turned = np.stack([prediction] * 3)
    assert value(SelfConsistency(), (prediction, sample(3, 4, probes=turned))) == pytest.approx(2 / 3)


def test_the_probes_of_consistency() -> None:
    clip = np.random.default_rng(0).integers(0, 256, (5, 8, 8)).astype(np.uint8)
    backwards, louder, noisy = SelfConsistency().probes(Sample(clip))
    np.testing.assert_array_equal(backwards, clip[::-1])
    np.testing.assert_array_equal(louder, np.minimum(np.rint(clip * np.float32(1.2)), 255))
    assert 4 < np.abs(noisy.astype(float) - clip).mean() < 8
    assert {probe.dtype for probe in (backwards, louder, noisy)} == {np.dtype(np.uint8)}
    assert SelfConsistency().probes(Sample(clip[:2])) == [], "stills have no order in time"


# --- calibration -------------------------------------------------------------------------------------------------


def test_the_brier_score_against_scikit_learn() -> None:
    clips = random_clips(4)
    expected = [brier_score_loss(true, probability) for probability, true in (labelled([clip]) for clip in clips)]
    assert value(Brier(), *clips) == pytest.approx(np.mean(expected))


def test_the_calibration_error_against_torchmetrics() -> None:
    clips = random_clips(4)
    probability, true = labelled(clips)
    reference = BinaryCalibrationError(n_bins=15, norm="l1")(torch.from_numpy(probability), torch.from_numpy(true))
    assert value(CalibrationError(), *clips) == pytest.approx(float(reference), abs=1e-5)


def test_probabilities_that_are_frequencies_are_calibrated() -> None:
    # A quarter of the pixels that are called 0.25, and everything that is called 1.
    prediction = np.full((1, 4, 4), 0.25, np.float32)
    prediction[0, 0] = 1
    mask = np.zeros((1, 4, 4), np.uint8)
    mask[0, 0] = mask[0, 1:, 0] = 1
    known = sample(1, 4, mask=mask, mask_frames=[0], ed=[0])
    assert value(CalibrationError(), (prediction, known)) == pytest.approx(0, abs=1e-6)
    assert value(CalibrationError(), (np.ones_like(prediction), known)) == pytest.approx(9 / 16)
    assert value(Brier(), (prediction, known)) == pytest.approx((3 * 0.75**2 + 9 * 0.25**2) / 16)


# --- all of them -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", NEED_TRUTH)
def test_nothing_known_is_not_counted(metric: type[Metric]) -> None:
    score = metric()
    score.update(np.ones((4, 16, 16), np.float32), sample())
    assert score.compute().n == 0 and score.compute().value is None


@pytest.mark.parametrize("metric", TIMING[:4])
def test_timing_needs_a_frame_rate(metric: type[Metric]) -> None:
    assert metric().measure(np.ones((4, 16, 16), np.float32), sample(fps=None, ed=[0], es=[2])) == []


@pytest.mark.parametrize("metric", [*NEED_TRUTH, Flicker])
def test_scores_carry_unit_direction_and_interval(metric: type[Metric]) -> None:
    rng = np.random.default_rng(0)
    score = metric()
    for _ in range(5):
        areas = rng.uniform(0.7, 1.3) * heart(60, 30)[0] * (1 + 0.02 * rng.normal(size=60))
        prediction = discs_of(areas)
        truth = {"mask": discs_of(heart(60, 30)[0]) > 0.5, "mask_frames": np.arange(60)}
        score.update(
            prediction, sample(60, 48, ed=[5, 35], es=[20, 50], ejection_fraction=rng.uniform(30, 70), **truth)
        )
    result = score.compute()
    assert result.n == 5 and result.value is not None
    if metric is ExtraBeats:  # there are none in any of the five
        assert (result.value, result.ci_low, result.ci_high) == (0, None, None)
    else:
        assert result.ci_low is not None and result.ci_high is not None
        assert result.ci_low <= result.value <= result.ci_high
    assert result.unit == metric.unit and result.higher_is_better is metric.higher_is_better


@pytest.mark.parametrize("metric", [*NEED_TRUTH, Flicker])
def test_every_metric_says_what_it_computes(metric: type[Metric]) -> None:
    assert metric.__doc__ and metric.unit in {"", "%", "points", "frames", "ms", "pixels", "mm"}
    assert metric.higher_is_better in {True, False, None}


@pytest.mark.parametrize("metric", [*NEED_TRUTH, Flicker])
def test_intervals_are_drawn_over_patients(metric: type[Metric]) -> None:
    by_clip, by_patient = metric(), metric()
    for prediction, known in metric().example_cases():
        by_clip.update(prediction, known)
        by_patient.update(prediction, Sample(known.inputs, known.truth, {**known.info, "unit": "one"}))
    one, all_of_one = by_clip.compute(), by_patient.compute()
    assert all_of_one.value == one.value and all_of_one.n == one.n == 4
    assert all_of_one.units == 1 and all_of_one.ci_low is None, "one patient has no interval"
