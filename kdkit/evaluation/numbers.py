"""How numbers are written for people."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import Protocol

NOTHING = "–"
MOST_DECIMALS = 6
# Below, six decimals do not tell a number from zero: it is written as 5.9e-12.
_SMALLEST_FIXED = 1e-4


class Measured(Protocol):
    """A number with its interval; None where there is none."""

    @property
    def value(self) -> float | None: ...
    @property
    def ci_low(self) -> float | None: ...
    @property
    def ci_high(self) -> float | None: ...


@dataclass(frozen=True)
class FormattedScore:
    """A score as text: its value, its interval, and both in one line."""

    value: str
    low: str
    high: str

    @property
    def line(self) -> str:
        """``0.934 (0.921 to 0.947)``."""
        return f"{self.value} ({self.low} to {self.high})" if self.low != NOTHING else self.value


def format_score(score: Measured) -> FormattedScore:
    """A score, or a difference of two, with two significant digits of its interval: what lies behind them is noise.

    An interval of next to nothing does not call for more than four digits of the value.
    """
    if score.value is None:
        return FormattedScore(NOTHING, NOTHING, NOTHING)
    low, high = score.ci_low, score.ci_high
    if _is_tiny(score.value, low, high):
        return FormattedScore(*(_to_scientific(number, 2) for number in (score.value, low, high)))
    width = high - low if low is not None and high is not None else 0.0
    decimals = _decimals(_just_below(score.value), 3)
    if width > 0:
        decimals = min(_decimals(width, 2), _decimals(score.value, 4) if score.value else MOST_DECIMALS)
    return FormattedScore(*(_to_fixed(number, decimals) for number in (score.value, low, high)))


def format_significant(value: float | None, digits: int = 3) -> str:
    """A plain decimal number with so many significant digits."""
    if _is_tiny(value):
        return _to_scientific(value, digits)
    return _to_fixed(value, _decimals(value, digits)) if value is not None else NOTHING


def common_format(values: Iterable[float | None]) -> Callable[[float | None], str]:
    """A way to write numbers of one kind below each other: as many decimals as suit a typical one of them."""
    sizes = [abs(value) for value in values if value]
    if _is_tiny(*sizes):
        return lambda value: _to_scientific(value, 3)
    decimals = _decimals(_just_below(median(sizes)), 3) if sizes else 0
    return lambda value: _to_fixed(value, decimals)


def format_percent(share: float) -> str:
    """A share, 1 for all, as a whole number of percent."""
    return _to_fixed(100 * share, 0)


def format_count(count: int | None) -> str:
    """``950``, ``195 k``, ``11 M``."""
    if count is None:
        return NOTHING
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        # 999.6 k would be rounded to 1000 k: it is already 1 M.
        if count >= 0.9995 * factor:
            return f"{count / factor:.3g}\u00a0{letter}"
    return str(count)


def format_duration(seconds: float) -> str:
    """``0.8 s``, ``41 s``, ``2 min 10 s``, ``3 h 5 min``."""
    if seconds < 10:
        return f"{seconds:.1f}\u00a0s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest}\u00a0s"
    if minutes < 60:
        return f"{minutes}\u00a0min {rest}\u00a0s"
    return f"{minutes // 60}\u00a0h {minutes % 60}\u00a0min"


def with_unit(text: str, unit: str) -> str:
    """The number and its unit, which must not part at the end of a line."""
    return f"{text}\u00a0{unit}" if unit and text != NOTHING else text


def _decimals(value: float, digits: int) -> int:
    if value == 0 or not math.isfinite(value):
        return 0
    return min(MOST_DECIMALS, max(0, digits - 1 - math.floor(math.log10(abs(value)))))


def _just_below(value: float) -> float:
    """A perfect 1 gets the decimals of the 0.999 beside it."""
    return 0.999 * value


def _is_tiny(*values: float | None) -> bool:
    largest = max((abs(value) for value in values if value), default=0.0)
    return 0 < largest < _SMALLEST_FIXED


def _to_scientific(value: float | None, digits: int) -> str:
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.{digits - 1}e}".replace("e-0", "e-").replace("-", "\u2212") if value else "0"


def _to_fixed(value: float | None, decimals: int) -> str:
    if value is None or not math.isfinite(value):
        return NOTHING
    text = f"{value:,.{decimals}f}"
    is_zero = not text.strip("-0.,")
    return text.removeprefix("-") if is_zero else text.replace("-", "\u2212")
