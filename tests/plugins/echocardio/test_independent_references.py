"""The metrics beside MONAI's, SimpleITK's, scikit-learn's and SciPy's, on random masks and on awkward ones.

Conventions that differ:

- MONAI gives NaN or infinity for the distance of borders where a mask is empty, ours 0 for two empty masks and the
  frame's diagonal for one: compared where neither is empty.
- A Hausdorff distance runs between borders here and in MONAI, between whole sets in SimpleITK's filter, where a mask
  within another is 0 away: SimpleITK's distances are therefore taken from its distance map at its own contours.
- SimpleITK's contour leaves the frame's edge out, MONAI's and ours count it: a row of background is laid around.
- MONAI's Dice leaves two empty masks out unless told otherwise, SimpleITK gives infinity; ours is 1.
"""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import torch
from kdkit_echocardio.geometry import hausdorff95, mean_surface_distance, staple, surface_distances
from kdkit_echocardio.metrics.calibration import BINS, Brier, CalibrationError
from kdkit_echocardio.metrics.ejection import (
    AreaCorrelation,
    AreaDetermination,
    AreaError,
    AreaReduced,
    AreaRootMeanSquareError,
)
from kdkit_echocardio.metrics.overlap import Dice, IoU
from monai.metrics import (
    CalibrationErrorMetric,
    compute_average_surface_distance,
    compute_dice,
    compute_hausdorff_distance,
    compute_iou,
)
from scipy.ndimage import gaussian_filter
from scipy.stats import pearsonr
from sklearn.metrics import (
    brier_score_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

from kdkit import Sample

SIDE = 24


def awkward() -> dict[str, np.ndarray]:
    """Masks, bool (24, 24), on which implementations part ways."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    disc = np.hypot(rows - 11, columns - 13) < 7
    masks = {
        "empty": np.zeros_like(disc),
        "full": np.ones_like(disc),
        "one pixel": (rows == 5) & (columns == 17),
        "corner pixel": (rows == 0) & (columns == 23),
        "two parts": (np.hypot(rows - 5, columns - 5) < 3) | (np.hypot(rows - 18, columns - 17) < 4),
        "cut by the frame": np.hypot(rows - 2, columns - 12) < 8,
        "frame without inside": (rows % 23 == 0) | (columns % 23 == 0),
        "ring": disc & (np.hypot(rows - 11, columns - 13) > 4),
        "disc": disc,
        "diagonal": rows == columns,
    }
    for seed in range(6):
        rng = np.random.default_rng(seed)
        field = gaussian_filter(rng.normal(size=disc.shape), rng.uniform(0.3, 4))
        masks[f"random {seed}"] = field > np.quantile(field, rng.uniform(0.1, 0.9))
    return masks


MASKS = awkward()
PAIRS = [(one, other) for one in MASKS for other in MASKS]
BOTH = [(one, other) for one, other in PAIRS if "empty" not in (one, other)]


def tensors(pairs: list[tuple[str, str]]) -> list[torch.Tensor]:
    """The first and the second mask of each pair as MONAI takes them: (pairs, 1, H, W)."""
    return [torch.from_numpy(np.stack([MASKS[pair[side]] for pair in pairs])[:, None]) for side in (0, 1)]


def clip(predicted: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, Sample]:
    """A clip of one frame."""
    truth = {"mask": true[None].astype(np.uint8), "mask_frames": np.array([0]), "ed": np.array([0])}
    return predicted[None].astype(np.float32), Sample(np.zeros((1, *true.shape), np.uint8), truth)


def measured(metric: Dice | IoU) -> np.ndarray:
    return np.array([metric.measure(*clip(MASKS[one], MASKS[other]))[0][0] for one, other in PAIRS])


def image(mask: np.ndarray) -> sitk.Image:
    return sitk.GetImageFromArray(np.pad(mask, 1).astype(np.uint8))


@pytest.mark.parametrize(("metric", "reference"), [(Dice, compute_dice), (IoU, compute_iou)])
def test_overlap_against_monai(metric: type, reference: object) -> None:
    wanted = reference(*tensors(PAIRS), include_background=True, ignore_empty=False)
    assert measured(metric()) == pytest.approx(wanted.ravel().numpy(), abs=1e-6)


def test_overlap_against_simpleitk() -> None:
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    for pair, dice, iou in zip(PAIRS, measured(Dice()), measured(IoU()), strict=True):
        if pair == ("empty", "empty"):
            continue
        overlap.Execute(*(image(MASKS[name]) for name in pair))
        assert (dice, iou) == pytest.approx((overlap.GetDiceCoefficient(), overlap.GetJaccardCoefficient())), pair


@pytest.mark.parametrize("spacing", [1.0, 0.4])
def test_distances_of_borders_against_monai(spacing: float) -> None:
    # Given a spacing, MONAI takes its borders between pixels, which is another definition: it is multiplied here.
    far = compute_hausdorff_distance(*tensors(BOTH), include_background=True, percentile=95).ravel().numpy()
    mean = compute_average_surface_distance(*tensors(BOTH), include_background=True, symmetric=True).ravel().numpy()
    for pair, wanted_far, wanted_mean in zip(BOTH, spacing * far, spacing * mean, strict=True):
        one, other = (MASKS[name] for name in pair)
        assert hausdorff95(one, other, spacing) == pytest.approx(wanted_far, abs=1e-5), pair
        assert mean_surface_distance(one, other, spacing) == pytest.approx(wanted_mean, abs=1e-5), pair


def test_distances_of_borders_against_simpleitk() -> None:
    for pair in BOTH:
        contours = [sitk.LabelContour(image(MASKS[name]), fullyConnected=False) for name in pair]
        there, goal = (sitk.GetArrayFromImage(contour) > 0 for contour in contours)
        away = sitk.SignedMaurerDistanceMap(contours[1], insideIsPositive=False, squaredDistance=False)
        distances = np.abs(sitk.GetArrayFromImage(away))
        distances[goal] = 0
        found = surface_distances(*(MASKS[name] for name in pair))
        assert np.sort(found) == pytest.approx(np.sort(distances[there]), abs=1e-5), pair


# With two annotators the likelihood is nearly flat where the errors of one are traded for the other's: where the
# iteration ends then depends on when it stops.
@pytest.mark.parametrize("count", [3, 5])
def test_the_consensus_against_simpleitk(count: int) -> None:
    rng = np.random.default_rng(count)
    masks = np.stack([MASKS["disc"] ^ (rng.random((SIDE, SIDE)) < share) for share in rng.uniform(0.02, 0.2, count)])
    reference = sitk.STAPLEImageFilter()
    reference.SetForegroundValue(1)
    reference.SetMaximumIterations(10000)
    wanted = reference.Execute([sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in masks])
    found = staple(masks)
    assert found.probability == pytest.approx(sitk.GetArrayFromImage(wanted), abs=1e-4)
    assert found.sensitivity == pytest.approx(reference.GetSensitivity(), abs=1e-4)
    assert found.specificity == pytest.approx(reference.GetSpecificity(), abs=1e-4)


def test_calibration_against_monai_and_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for name, true in MASKS.items():
        probability = rng.random((SIDE, SIDE)).astype(np.float32)
        pair = clip(probability, true)
        ece, brier = CalibrationError(), Brier()
        ece.update(*pair), brier.update(*pair)
        reference = CalibrationErrorMetric(num_bins=BINS)
        reference(torch.from_numpy(probability)[None, None], torch.from_numpy(true)[None, None].float())
        assert ece.compute().value == pytest.approx(float(reference.aggregate()), abs=1e-6), name
        wanted = brier_score_loss(true.ravel(), probability.ravel(), labels=[0, 1])
        assert brier.compute().value == pytest.approx(wanted), name


@pytest.mark.parametrize("seed", range(3))
def test_ejection_fractions_against_scikit_learn_and_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true = rng.uniform(15, 80, 50)
    predicted = np.clip(np.round(0.7 * true + rng.normal(0, 12, 50)), 0, 100)  # with ties
    cases = np.stack([predicted, true], 1)
    for metric, wanted in (
        (AreaCorrelation, pearsonr(predicted, true).statistic),
        (AreaError, mean_absolute_error(true, predicted)),
        (AreaRootMeanSquareError, root_mean_squared_error(true, predicted)),
        (AreaDetermination, r2_score(true, predicted)),
        (AreaReduced, roc_auc_score(true < 50, -predicted)),
    ):
        assert metric().summarize(cases) == pytest.approx(wanted), metric.__name__
