"""How the columns of a table are distributed, and how a row is drawn.

A row is computed by itself, never in a matrix with others, so that it is the same bytes whatever is drawn beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

# A column of at most so many different values (a class, a grade) keeps to them.
MOST_GRADES = 20
# A correlation matrix of ranks may be singular (a column that is a multiple of another).
RIDGE = 1e-6


@dataclass(frozen=True)
class RangeColumns:
    """Columns that do not depend on each other, each even in its range: all float64 or bool, (columns,).

    ``log``: even in the logarithm. ``whole``: whole numbers, both ends included.
    """

    low: np.ndarray
    high: np.ndarray
    log: np.ndarray
    whole: np.ndarray

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """A row, float32 (columns,)."""
        share = rng.random(len(self.low))
        values = self.low + share * (self.high - self.low)
        low, high = self.low[self.log], self.high[self.log]
        values[self.log] = low * (high / low) ** share[self.log]
        whole = np.floor(self.low + share * (self.high - self.low + 1))
        return np.where(self.whole, np.minimum(whole, self.high), values).astype(np.float32)


@dataclass(frozen=True)
class RowColumns:
    """Columns distributed as those of rows.

    ``values``: float64 (rows, columns), each column in rising order. ``grades``: bool (columns,), which of them keep
    to the values that they have; between those of the others a row may lie anywhere. ``factor``: float64 (columns,
    columns), lower triangular, of the copula's correlation matrix; None where columns do not depend on each other.
    """

    values: np.ndarray
    grades: np.ndarray
    factor: np.ndarray | None

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """A row, float32 (columns,)."""
        rows, count = self.values.shape
        share = rng.random(count) if self.factor is None else ndtr(self.factor @ rng.normal(size=count))
        columns = np.arange(count)
        grade = np.minimum((share * rows).astype(np.int64), rows - 1)
        place = share * (rows - 1)
        below = np.minimum(place.astype(np.int64), rows - 2)
        low, high = self.values[below, columns], self.values[below + 1, columns]
        between = low + (place - below) * (high - low)
        return np.where(self.grades, self.values[grade, columns], between).astype(np.float32)


def from_ranges(ranges: Mapping[str, Sequence[float | str]]) -> RangeColumns:
    """Columns from each one's low, high and scale (linear where it is left out)."""
    low, high = (np.array([float(bounds[end]) for bounds in ranges.values()]) for end in (0, 1))
    scales = np.array([bounds[2] if len(bounds) > 2 else "linear" for bounds in ranges.values()])
    return RangeColumns(low, high, scales == "log", scales == "whole")


def from_extremes(rows: np.ndarray) -> RangeColumns:
    """Columns even between the lowest and the highest value of those of ``rows``; whole where all of theirs are."""
    none = np.zeros(rows.shape[1], bool)
    return RangeColumns(rows.min(axis=0), rows.max(axis=0), none, (rows == np.rint(rows)).all(axis=0))


def from_rows(rows: np.ndarray, correlated: bool) -> RowColumns:
    """Columns as those of ``rows``, float64 (rows, columns), two or more of them."""
    values = np.sort(rows, axis=0)
    distinct = 1 + (np.diff(values, axis=0) > 0).sum(axis=0)
    return RowColumns(values, distinct <= MOST_GRADES, _copula_factor(rows) if correlated else None)


def _copula_factor(rows: np.ndarray) -> np.ndarray:
    """The Cholesky factor of the correlations of the rows' normal scores; a constant column depends on nothing."""
    scores = ndtri(rankdata(rows, axis=0) / (len(rows) + 1))
    scores = scores - scores.mean(axis=0)
    spread = np.sqrt((scores**2).sum(axis=0))
    unit = np.divide(scores, spread, out=np.zeros_like(scores), where=spread > 0)
    correlations = (unit.T @ unit) * (1 - RIDGE)
    np.fill_diagonal(correlations, 1)
    return np.linalg.cholesky(correlations)
