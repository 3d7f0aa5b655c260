"""Whether a clip looks like a moving ultrasound picture of the heart, whatever its file says.

The limits were set on simulated clips of every setting, CAMUS and a scanner's cine, all of which stay clear of them,
and on blank, saturated, frozen and noisy ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from .clip import Clip
from .sector import hull_of

_MOST_FRAMES, _LEAST_SIDE = 24, 128
# Frames a second: a heart beat has a handful at the least, and few scanners store more.
_LEAST_RATE, _MOST_RATE = 8.0, 300.0
# Pixels, and width by height: nobody's heart fits into less.
_NARROW, _LONG = 16, 4.0
# Grey levels between nearly all pixels, and above what is black.
_FLAT, _FAINT, _BLACK = 8, 24, 24
_LEAST_BRIGHT = 0.015
# Share of the bright pixels that are as bright as the brightest; levels that count as such; the least brightest.
_MOST_SATURATED, _TOP_LEVELS, _LEAST_TOP = 0.2, 3, 128
# Correlation of neighbours: noise has none. Grey of a corner, and of all around the sector, as a share of its own.
_LEAST_CORRELATION, _DARKER, _DARKER_AROUND = 0.5, 0.4, 0.7
# Of the picture: where more moves, only dark corners tell a sector from a film.
_WHOLE = 0.9
_MOST_COLOURED = 0.5
# A picture moves where it deviates from its mean over time by some levels, and by a share of its contrast.
_LEAST_DEVIATION, _RELATIVE_DEVIATION, _LEAST_MOVING = 1.5, 0.03, 0.02
# Width at the top over the widest, and over that at the bottom: a sector begins at the probe; spectra and M-modes are
# as wide everywhere.
_WIDE_TOP, _UPSIDE_DOWN = 0.5, 1.5


def find_flags(clip: Clip) -> tuple[str, ...]:
    """The words of :data:`kdkit_echocardio.flags.FLAGS` that hold for a clip, its reader's among them.

    Two pictures without a frame rate are stills of two phases, which need not differ.
    """
    return tuple(dict.fromkeys((*clip.flags, *_looks(clip))))


def _looks(clip: Clip) -> Iterator[str]:
    if clip.fps is not None and not _LEAST_RATE <= clip.fps <= _MOST_RATE:
        yield "frame-rate"
    height, width = clip.frames.shape[1:]
    if min(height, width) < _NARROW or max(height, width) > _LONG * min(height, width):
        yield "narrow"
    frames = _sampled(clip.frames)
    lowest, low, high, highest = np.percentile(frames, (0.1, 1, 99, 99.9))
    if highest - lowest < _FLAT:
        yield "blank"
        return
    bright = frames > low + _BLACK
    if bright.mean() < _LEAST_BRIGHT or high - low < _FAINT:
        yield "nearly-blank"
    top = float(frames.max())
    if top >= _LEAST_TOP and (frames >= top - _TOP_LEVELS).sum() > _MOST_SATURATED * bright.sum():
        yield "saturated"
    if clip.coloured > _MOST_COLOURED:
        yield "colour"
    sector = _thinned(clip.sector)
    lit = hull_of((frames.mean(0) > low + _BLACK).astype(np.uint8))
    is_sector = _is_sector(frames, sector | lit)
    if not is_sector:
        yield "no-sector"
    stills = len(clip.frames) <= 2 and clip.fps is None
    moving = stills or _moving_share(frames, sector, float(high)) >= _LEAST_MOVING
    if not moving:
        yield "still"
    # What moves may be a valve alone, and what is lit may be text: it takes both.
    if is_sector and moving and _is_wide_on_top(sector) and _is_wide_on_top(lit):
        yield "other-view"


def _sampled(frames: np.ndarray) -> np.ndarray:
    """Some of the frames with some of their pixels, float32."""
    chosen = np.linspace(0, len(frames) - 1, min(len(frames), _MOST_FRAMES)).astype(int)
    return np.stack([_thinned(frames[index]) for index in chosen]).astype(np.float32)


def _thinned(picture: np.ndarray) -> np.ndarray:
    step = max(1, min(picture.shape) // _LEAST_SIDE)
    return picture[::step, ::step]


def _is_sector(frames: np.ndarray, sector: np.ndarray) -> bool:
    """Whether neighbours resemble each other, as tissue does, and it is dark around what moves or is lit."""
    centred = frames - frames.mean()
    across = centred[:, :, 1:] * centred[:, :, :-1]
    if across.size and across.mean() < _LEAST_CORRELATION * centred.var():
        return False
    inside = float(frames[:, sector].mean())
    if sector.mean() < _WHOLE:
        return float(np.median(frames[:, ~sector])) <= _DARKER_AROUND * inside
    height, width = (max(1, length // 10) for length in sector.shape)
    corner = min(float(np.median(frames[:, :height, part])) for part in (slice(width), slice(-width, None)))
    return corner <= _DARKER * inside


def _is_wide_on_top(sector: np.ndarray) -> bool:
    """Whether a sector is not one that opens downwards."""
    if not sector.any() or sector.all():  # none was found
        return False
    widths = sector.sum(1)
    widths = widths[np.flatnonzero(widths)[0] : np.flatnonzero(widths)[-1] + 1]
    end = max(1, len(widths) // 10)
    top, bottom = widths[:end].mean(), widths[-end:].mean()
    return bool(top > _WIDE_TOP * widths.max() or top > _UPSIDE_DOWN * bottom)


def _moving_share(frames: np.ndarray, sector: np.ndarray, high: float) -> float:
    """The share of the sector that changes over time."""
    deviation = cv2.blur(frames.std(0), (3, 3))
    return float((deviation[sector] > max(_LEAST_DEVIATION, _RELATIVE_DEVIATION * high)).mean())
