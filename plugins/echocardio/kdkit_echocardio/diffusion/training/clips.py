"""Reading the clips that a source is trained on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kdkit import DataError, Progress

if TYPE_CHECKING:
    import torch

CLIPS, FRACTIONS = "clips.npy", "fractions.npy"

# Ejection fractions outside of these are misread beats, or misprints: percent.
PLAUSIBLE = (5.0, 95.0)


class ClipSet(NamedTuple):
    """``clips`` uint8 (N, T, H, W), all at one frame rate; ``fractions`` float32 (N,), 0..1, 0 where unknown."""

    clips: np.ndarray
    fractions: np.ndarray


def read_clips(data: Path, folder: Path, frames: int, fps: float, most: int, progress: Progress) -> ClipSet:
    """Parts of ``frames`` frames at ``fps`` of every recording in ``data``, at most ``most`` of each.

    The ejection fraction is the labelled one, or else what the embedded teacher's masks give by the method of discs
    over the whole recording. What was read is kept in ``folder``, and read from there the next time. Raises
    :class:`kdkit.DataError` when no recording lasts long enough.
    """
    if (folder / FRACTIONS).is_file():
        return ClipSet(np.load(folder / CLIPS, mmap_mode="r"), np.load(folder / FRACTIONS))
    from ...recorded import Recordings

    source = Recordings(Recordings.Options(path=data))
    count = source.count()
    clips, fractions = [], []
    with progress.work("read", data.name, count, "recordings") as bar:
        for sample in source.generate(range(count)):
            native = float(sample.info.get("fps") or fps)
            parts = list(_parts(sample.inputs, native, frames, fps, most))
            known = sample.truth.get("ejection_fraction")
            if parts:
                fraction = float(known) if known is not None else measured_fraction(sample.inputs, native)
                clips += parts
                fractions += [_plausible(fraction) / 100.0] * len(parts)
            bar.advance()
    if not clips:
        raise DataError(f"no recording in {data} lasts {frames / fps:.1f} s, the length of a training clip")
    return keep_clips(folder, np.stack(clips), np.array(fractions, np.float32))


def keep_clips(folder: Path, clips: np.ndarray, fractions: np.ndarray) -> ClipSet:
    """Write a set of clips where :func:`read_clips` finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / CLIPS, clips)
    # Written last: without it the set is not whole.
    np.save(folder / f".{FRACTIONS}", fractions)
    (folder / f".{FRACTIONS}").replace(folder / FRACTIONS)
    return ClipSet(np.load(folder / CLIPS, mmap_mode="r"), fractions)


def measured_fraction(frames: np.ndarray, fps: float) -> float:
    """The ejection fraction in percent, by the embedded teacher, of grey frames uint8 (T, H, W); NaN: no beat."""
    from ...beats import find_beats
    from ...geometry import discs_ejection_fraction
    from ...geometry.masks import area_curve

    masks = _masks(frames)
    beats = find_beats(area_curve(masks), fps)
    return discs_ejection_fraction(masks, beats.ed, beats.es)


def _masks(frames: np.ndarray) -> np.ndarray:
    import torch

    with torch.inference_mode():
        return (_teacher()(torch.from_numpy(np.ascontiguousarray(frames))[None])[0] > 0).numpy()


@cache
def _teacher() -> torch.nn.Module:
    from ...teacher import DeepLabV3

    return DeepLabV3().build().eval()


def _parts(frames: np.ndarray, native: float, length: int, fps: float, most: int) -> Iterator[np.ndarray]:
    """Parts one after the other of a recording, the nearest frames in time taken: uint8 (length, H, W) each."""
    total = int((len(frames) - 1) / native * fps) + 1
    moments = np.rint(np.arange(total) * native / fps).astype(int)
    for start in range(0, min(total - length + 1, most * length), length):
        yield frames[moments[start : start + length]]


def _plausible(fraction: float) -> float:
    low, high = PLAUSIBLE
    return fraction if low <= fraction <= high else 0.0
