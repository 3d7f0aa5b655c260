"""Grey pictures of any depth as uint8: what is stored, the window that belongs to it, or else its actual range."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .dataset import number
from .stored import Stored
from .windows import Scale, stored_windows

_LEAST_BITS, _MANY_VALUES = 4, 16
# Values far above nearly all others are burnt-in text or damage: they are cut off.
_NEARLY_ALL, _FAR_ABOVE = 99.9, 8
# Grey levels from the dark end of a picture to its bright one, and the share of pixels at neither: with less there is
# nothing to see.
_LEAST_CONTRAST = 32
_LEAST_BETWEEN = 0.02
# Grey levels of the corners of an ultrasound picture: outside the sector it is black.
_DARK_CORNER, _BRIGHT_CORNER = 64, 192


def grey_scale(dataset: Any, stored: Stored) -> tuple[Scale, list[str]]:
    """How the stored pictures, unsigned (H, W), become uint8; and flags for what of the header was not believed."""
    flags: list[str] = []
    values, signed_wrongly = _as_values(dataset, stored)
    if signed_wrongly:
        flags.append("sign")
    samples = [values(picture) for picture in stored.samples]
    padding = _padding(dataset, samples)
    windows = list(stored_windows(dataset))
    scale = next((window for window in windows if _shows(window, samples, padding)), None)
    if scale is None:
        scale = _by_range(dataset, stored, values, padding)
        if windows and _shows(scale, samples, padding):
            flags.append("window")
    if str(dataset.get("PhotometricInterpretation")) == "MONOCHROME1":
        if _is_dark_around(scale, samples):
            flags.append("inverted")
        else:
            scale = _inverse(scale)

    def grey(picture: np.ndarray) -> np.ndarray:
        levels = values(picture)
        shown = scale(levels)
        return shown if padding is None else np.where(_is_padding(levels, padding), 0, shown).astype(np.uint8)

    return grey, flags


def _as_values(dataset: Any, stored: Stored) -> tuple[Callable[[np.ndarray], np.ndarray], bool]:
    """From stored bits to numbers, int64; and whether the header's word on their sign was not believed."""
    samples = stored.samples
    allocated = 8 * samples[0].itemsize
    bits = int(dataset.get("BitsStored") or allocated)
    high = int(dataset.get("HighBit") or bits - 1)
    signed = bool(dataset.get("PixelRepresentation"))
    used = max(int(np.bitwise_or.reduce(picture, axis=None)).bit_length() for picture in samples)
    low = high + 1 - bits
    if not 0 < bits <= allocated or low < 0 or high >= allocated:
        bits, low = allocated, 0
    if used > low + bits and not _has_overlay(dataset):  # beyond what is declared: extended signs, or a wrong depth
        bits, low = allocated, 0

    def unsigned_values(picture: np.ndarray) -> np.ndarray:
        return (picture.astype(np.int64) >> low) & ((1 << bits) - 1)

    def signed_values(picture: np.ndarray) -> np.ndarray:
        sign = 1 << (bits - 1)
        return (unsigned_values(picture) ^ sign) - sign

    wrong = _sign_is_wrong(np.stack([unsigned_values(picture) for picture in samples]), bits, signed)
    return (signed_values if signed != wrong else unsigned_values), wrong


def _sign_is_wrong(values: np.ndarray, bits: int, signed: bool) -> bool:
    """Whether unsigned values (N, H, W) of this many bits have another sign than is declared.

    Neighbours rarely lie at both ends of a range. Those of unsigned values pass from its second quarter to its third;
    those of signed ones pass from the last quarter, small negative values, to the first. Burnt-in text lies in the
    last one too, but it has one value; and in eight bits bright tissue beside dark looks much the same.
    """
    if bits < _LEAST_BITS:
        return False
    quarters = values >> (bits - 2)
    left, right = quarters[..., :-1], quarters[..., 1:]
    middle = int(((left + right == 3) & (left != 0) & (right != 0)).sum())
    ends = int(((left + right == 3) & ((left == 0) | (right == 0))).sum())
    if signed:
        return middle > ends
    return bits > 8 and ends > middle and len(np.unique(values[quarters == 3])) >= _MANY_VALUES


def _has_overlay(dataset: Any) -> bool:
    """Whether a bit of each pixel is a drawing of its own (PS3.3 C.9.2, retired)."""
    return any(
        element.tag.element == 0x0102 and element.tag.group >> 8 == 0x60 and element.value
        for element in dataset.group_dataset(0x6000)
    )


def _padding(dataset: Any, samples: list[np.ndarray]) -> tuple[float, float] | None:
    """The lowest and highest value that mean no picture; None where there are none, or not around the picture."""
    first = number(dataset.get("PixelPaddingValue"))
    if first is None:
        return None
    last = number(dataset.get("PixelPaddingRangeLimit"))
    padding = (first, first) if last is None else (min(first, last), max(first, last))
    corners = np.stack([values[::-1, ::-1] if turn else values for values in samples for turn in (0, 1)])[
        :, 0, [0, -1]
    ]
    return padding if _is_padding(corners, padding).any() else None


def _is_padding(values: np.ndarray, padding: tuple[float, float]) -> np.ndarray:
    return (values >= padding[0]) & (values <= padding[1])


def _by_range(dataset: Any, stored: Stored, values: Scale, padding: tuple[float, float] | None) -> Scale:
    """A scale by which the values fill eight bits, shifted by whole bits: so they were made deeper, as a rule."""
    declared = int(dataset.get("BitsStored") or 8)
    if stored.samples[0].itemsize == 1 and declared >= 8 and not dataset.get("PixelRepresentation"):
        return lambda levels: levels.astype(np.uint8)  # nothing to find out: not every frame has to be decoded twice
    low, high, usual = 0, 0, 0.0
    for index in range(stored.count):
        picture = values(stored.read(index))
        inside = picture if padding is None else picture[~_is_padding(picture, padding)]
        if inside.size:
            low, high = min(low, int(inside.min())), max(high, int(inside.max()))
            usual = max(usual, float(np.percentile(inside, _NEARLY_ALL)))
    if high - low > _FAR_ABOVE * (usual - low + 1) and usual - low >= 1 << 8:
        high = math.ceil(usual)
    bits = max((high - low).bit_length(), declared if declared < 8 else 0)
    # A dim picture of eight bits stays dim; one of a few bits is one of a few grey levels.
    shift = bits - 8 if bits > 8 or (bits <= 6 and declared != 8) else 0

    def scale(values: np.ndarray) -> np.ndarray:
        above = values - low
        return np.clip(above >> shift if shift >= 0 else above << -shift, 0, 255).astype(np.uint8)

    return scale


def _shows(scale: Scale, samples: list[np.ndarray], padding: tuple[float, float] | None) -> bool:
    """Whether a scale leaves some contrast."""
    parts = [values if padding is None else values[~_is_padding(values, padding)] for values in samples]
    shown = np.concatenate([scale(part).ravel() for part in parts])
    if not shown.size:
        return False
    spread = np.percentile(shown, 99.5) - np.percentile(shown, 0.5)
    between = ((shown > 0) & (shown < 255)).mean()
    return bool(spread >= _LEAST_CONTRAST and between >= _LEAST_BETWEEN)


def _inverse(scale: Scale) -> Scale:
    return lambda values: 255 - scale(values)


def _is_dark_around(scale: Scale, samples: list[np.ndarray]) -> bool:
    """Whether the corners are black as they are, so that inverting would make them bright."""
    shown = np.stack([scale(values) for values in samples])
    height, width = (max(1, length // 16) for length in shown.shape[1:])
    corners = [
        shown[:, rows, columns]
        for rows in (slice(height), slice(-height, None))
        for columns in (slice(width), slice(-width, None))
    ]
    levels = [float(np.median(corner)) for corner in corners]
    return max(levels) < _DARK_CORNER and float(np.median(shown)) < _BRIGHT_CORNER
