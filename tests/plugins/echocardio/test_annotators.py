"""Several annotators: hand-computed values, SimpleITK's figures, and annotators of known skill."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kdkit_echocardio.geometry import agreement, majority, staple


def four_annotators() -> np.ndarray:
    """Four discs that differ, each with flaws of its own: bool (4, 24, 24)."""
    rows, columns = np.mgrid[:24, :24]
    discs = ((12, 12, 8.0), (11, 13, 7.5), (13, 11, 8.5), (12, 10, 6.5))
    masks = np.array([np.hypot(rows - y, columns - x) < radius for y, x, radius in discs])
    for number, mask in enumerate(masks):
        mask ^= ((7 + number) * rows + (3 + 2 * number) * columns) % 23 == number
    return masks


def test_a_majority_is_more_than_half() -> None:
    masks = np.array([[[1, 1, 1, 0]], [[1, 1, 0, 0]], [[1, 0, 0, 0]]])
    assert majority(masks).tolist() == [[True, True, False, False]]
    assert majority(masks[:2]).tolist() == [[True, True, False, False]]
    assert majority(masks[:1]).tolist() == [[True, True, True, False]]


def test_staple_against_simpleitk() -> None:
    # SimpleITK 2.5.7: STAPLEImageFilter with 10000 iterations at most.
    found = staple(four_annotators())
    assert found.sensitivity == pytest.approx([0.950043, 0.800551, 0.937297, 0.676378], abs=2e-6)
    assert found.specificity == pytest.approx([0.935764, 0.907419, 0.870431, 0.945324], abs=2e-6)
    assert found.probability.sum() == pytest.approx(187.39985, abs=1e-3)
    assert found.mask.sum() == 192


def test_staple_finds_the_truth_and_the_skill_of_each() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((200, 200)) < 0.3
    skill = np.array([(0.95, 0.98), (0.8, 0.9), (0.7, 0.99), (0.9, 0.8), (0.6, 0.7)])
    masks = np.array([np.where(truth, rng.random(truth.shape) < p, rng.random(truth.shape) > q) for p, q in skill])
    found = staple(masks)
    assert np.stack([found.sensitivity, found.specificity], 1) == pytest.approx(skill, abs=0.03)
    assert found.probability.mean() == pytest.approx(0.3, abs=0.01)
    wrong = [(mask != truth).mean() for mask in (*masks, majority(masks), found.mask)]
    assert wrong[-1] == min(wrong)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7))
def test_the_order_of_annotators_and_pixels_does_not_matter(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    masks = np.kron(rng.random((count, 6, 7)) < rng.uniform(0.1, 0.9), np.ones((1, 2, 2))) > 0
    found, other = staple(masks), staple(masks[::-1, ::-1])
    assert other.probability[::-1] == pytest.approx(found.probability, abs=1e-6)
    assert other.sensitivity[::-1] == pytest.approx(found.sensitivity, abs=1e-6, nan_ok=True)
    assert ((found.probability >= 0) & (found.probability <= 1)).all()


def test_annotators_who_agree_are_right() -> None:
    mask = four_annotators()[0]
    for masks in (mask[None], np.array([mask] * 3)):
        found = staple(masks)
        assert (found.mask == mask).all()
        assert found.sensitivity == pytest.approx(1, abs=1e-4) and found.specificity == pytest.approx(1, abs=1e-4)


def test_empty_and_full_masks() -> None:
    empty, full = np.zeros((3, 5, 5), bool), np.ones((3, 5, 5), bool)
    assert not staple(empty).mask.any() and not majority(empty).any()
    assert np.isnan(staple(empty).sensitivity).all() and (staple(empty).specificity == 1).all()
    assert staple(full).mask.all() and majority(full).all()
    assert (staple(full).sensitivity == 1).all() and np.isnan(staple(full).specificity).all()
    assert agreement(empty).dice == agreement(full).dice == 1


def test_one_of_many_who_marks_nothing_is_outvoted() -> None:
    mask = np.zeros((12, 12), bool)
    mask[3:9, 3:9] = True
    found = staple(np.array([mask, mask, mask, np.zeros_like(mask)]))
    assert (found.mask == mask).all()
    assert found.sensitivity == pytest.approx([1, 1, 1, 0])


def test_agreement_by_hand() -> None:
    masks = np.array([[[1, 1, 1, 0]], [[1, 1, 0, 0]], [[1, 0, 0, 0]]])
    found = agreement(masks)
    assert found.dice == pytest.approx((4 / 5 + 2 / 4 + 2 / 3) / 3)
    assert found.sensitivity == pytest.approx(staple(masks).sensitivity)
    assert np.isnan(agreement(masks[:1]).dice)


@pytest.mark.parametrize("function", [majority, staple, agreement])
@pytest.mark.parametrize("shape", [(0, 4, 4), (4, 4)])
def test_no_annotator_at_all_is_refused(function: object, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="annotators"):
        function(np.zeros(shape, bool))
