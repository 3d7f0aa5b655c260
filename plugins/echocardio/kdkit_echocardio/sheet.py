"""The contact sheet: many clips at a glance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kdkit import KdkitError, Sample

from .drawing import FAINT, blank, colour_of, enlarged, grid, outline, write, write_parts
from .events import shown_beat, true_mask

_TILE, _LABEL = 168, 22
_COLUMNS = 3


def contact_sheet(samples: Sequence[Sample]) -> np.ndarray:
    """End-diastole and end-systole of each clip, each plain and with the true contour: uint8 RGB (H, W, 3).

    Raises :class:`kdkit.KdkitError` without samples.
    """
    if not samples:
        raise KdkitError("there are no clips to show on a contact sheet")
    return grid([_clip(sample) for sample in samples], min(_COLUMNS, len(samples)), gap=6)


def _clip(sample: Sample) -> np.ndarray:
    page = blank(_TILE + _LABEL, 4 * _TILE)
    write_parts(page, 6, 3, _label(sample), 13)
    for place, (phase, frame) in enumerate(zip(("ED", "ES"), shown_beat(sample), strict=True)):
        plain = enlarged(sample.inputs[frame], _TILE, _TILE)
        outlined = plain.copy()
        mask = true_mask(sample, frame)
        if mask is not None:
            outline(outlined, mask, colour_of("truth"))
        write(plain, 5, 3, f"{phase} {frame}", FAINT, 12)
        page[_LABEL:, 2 * place * _TILE : 2 * (place + 1) * _TILE] = np.concatenate([plain, outlined], 1)
    return page


def _label(sample: Sample) -> list[tuple[str, tuple[int, int, int]]]:
    parts = [str(sample.info.get("name", ""))]
    if "ejection_fraction" in sample.truth:
        parts.append(f"EF {float(sample.truth['ejection_fraction']):.0f} %")
    if sample.info.get("fps"):
        parts.append(f"{float(sample.info['fps']):.0f} fps")
    return [("   ".join(parts), colour_of("truth"))]
