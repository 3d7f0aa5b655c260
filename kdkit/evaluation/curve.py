"""How the score saturates with the number of weights: a curve through the points of a sweep, and its interval."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST_POINTS = 4
RESAMPLES = 200
_GRID_POINTS = 100
# ln of the height at the middle of the points, ln b, and c: far beyond any real sweep, near enough to end a fit.
_LOWEST, _HIGHEST = (-15.0, -3.0, -30.0), (15.0, 5.0, 30.0)
_FIRST_GUESSES = (0.5, 2.0, 8.0)  # of b
# A curve that explains less of the points' spread than this does not rise with the weights.
_LEAST_EXPLAINED = 0.1


@dataclass(frozen=True)
class Curve:
    """``ln(error) = a ln(weights)^-b - c``, the curve of EchoDFKD (Petit et al., WACV 2025).

    ``weights``: rising, ``score``, ``low`` and ``high``: float64 of the same length; the interval is of 95 %.
    """

    a: float
    b: float
    c: float
    weights: np.ndarray
    score: np.ndarray
    low: np.ndarray
    high: np.ndarray


def errors(scores: Sequence[float], higher_is_better: bool | None, unit: str) -> np.ndarray | str:
    """What a score lacks to perfection: 1 - score for a ratio, or the score itself where lower is better.

    A text that says why there is none for other scores.
    """
    values = np.asarray(scores, np.float64)
    if higher_is_better is None:
        return "the metric is best at zero, so it has no direction to saturate in"
    if higher_is_better and unit:
        return f"the best possible value of a score in {unit} is not known"
    gaps = 1 - values if higher_is_better else values
    return gaps if (gaps > 0).all() else "a point has no error left, of which there is no logarithm"


def fit_curve(
    weights: Sequence[float], scores: Sequence[float], higher_is_better: bool | None, unit: str, seed: int = 0
) -> Curve | str:
    """The least-squares curve through the points, or a text that says why there is none.

    Its interval is found by resampling the residuals (Efron 1979), which are first widened for the three parameters
    that they were fitted with.
    """
    if len(set(weights)) < FEWEST_POINTS:
        return f"it takes {FEWEST_POINTS} points of different size, and there are {len(set(weights))}"
    gaps = errors(scores, higher_is_better, unit)
    if isinstance(gaps, str):
        return gaps
    x, y = np.log(np.asarray(weights, np.float64)), np.log(gaps)
    middle = float(x.mean())
    candidates = [p for b in _FIRST_GUESSES if (p := _fit_parameters(x / middle, y, b)) is not None]
    if not candidates:
        return "no curve of this kind fits the points"
    best = min(candidates, key=lambda p: float(((y - _log_error(x / middle, *p)) ** 2).sum()))
    residuals = y - _log_error(x / middle, *best)
    if (residuals**2).sum() > (1 - _LEAST_EXPLAINED) * ((y - y.mean()) ** 2).sum():
        return "the score does not rise with the number of weights"
    rng = np.random.default_rng(seed)
    wide_residuals = (residuals - residuals.mean()) * np.sqrt(len(x) / max(1, len(x) - 3))
    grid = np.linspace(x.min(), x.max(), _GRID_POINTS)
    curves = []
    for _ in range(RESAMPLES):
        parameters = _fit_parameters(
            x / middle, _log_error(x / middle, *best) + rng.choice(wide_residuals, len(x)), float(np.exp(best[1]))
        )
        if parameters is not None:
            curves.append(_log_error(grid / middle, *parameters))
    if len(curves) < RESAMPLES / 2:
        return "the fit does not hold when its residuals are drawn anew"

    def score(logarithm: np.ndarray) -> np.ndarray:
        return 1 - np.exp(logarithm) if higher_is_better else np.exp(logarithm)

    bounds = score(np.percentile(curves, [2.5, 97.5], axis=0))
    b = float(np.exp(best[1]))
    return Curve(
        a=float(np.exp(best[0])) * middle**b,
        b=b,
        c=float(best[2]),
        weights=np.exp(grid),
        score=score(_log_error(grid / middle, *best)),
        low=bounds.min(axis=0),
        high=bounds.max(axis=0),
    )


def _log_error(x: np.ndarray, log_height: float, log_b: float, c: float) -> np.ndarray:
    """``x``: ln(weights) relative to its mean; so scaled, the three parameters are of a size."""
    return np.exp(log_height - np.exp(log_b) * np.log(x)) - c


def _fit_parameters(x: np.ndarray, y: np.ndarray, b: float) -> np.ndarray | None:
    from scipy.optimize import OptimizeWarning, curve_fit

    height = max(float(np.ptp(y)), 1e-3)
    start = np.clip((np.log(height), np.log(b), height - float(y.mean())), _LOWEST, _HIGHEST)
    try:
        with warnings.catch_warnings():
            # Only the parameters are used, not their covariance, which may not be determined.
            warnings.simplefilter("ignore", OptimizeWarning)
            parameters, _ = curve_fit(_log_error, x, y, start, bounds=(_LOWEST, _HIGHEST))
    except RuntimeError:  # it does not converge
        return None
    return parameters if np.isfinite(parameters).all() else None
