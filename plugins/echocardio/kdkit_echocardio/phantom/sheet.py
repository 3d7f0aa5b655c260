"""A contact sheet: end-diastole and end-systole of many clips, each with and without the cavity's outline."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .clip import PhantomClip

_OUTLINE = (255, 90, 0)


def contact_sheet(clips: Sequence[PhantomClip], columns: int = 3, zoom: int = 2) -> np.ndarray:
    """Grid of clips, four tiles each (ED, ED outlined, ES, ES outlined): uint8 RGB (H, W, 3).

    A clip that shows no such event gives its frame of largest or smallest cavity instead.
    """
    rows = []
    tiles = [_tiles(clip, zoom) for clip in clips]
    for start in range(0, len(tiles), columns):
        row = tiles[start : start + columns]
        row += [np.zeros_like(tiles[0])] * (columns - len(row))
        rows.append(np.concatenate(row, axis=1))
    return np.concatenate(rows, axis=0)


def _tiles(clip: PhantomClip, zoom: int) -> np.ndarray:
    area = clip.mask.sum(axis=(1, 2))
    ed = clip.ed[0] if clip.ed else int(area.argmax())
    es = clip.es[0] if clip.es else int(area.argmin())
    parts = []
    for frame in (ed, es):
        grey = cv2.resize(clip.frames[frame], None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
        colour = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
        mask = clip.mask[frame].astype(np.uint8)
        mask = cv2.resize(mask, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST)
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        outlined = cv2.drawContours(colour.copy(), outlines, -1, _OUTLINE, 1)
        parts += [colour, outlined]
    return np.concatenate(parts, axis=1)
