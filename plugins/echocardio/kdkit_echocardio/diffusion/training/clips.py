"""Reading the clips that a source is trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kdkit import DataError, Progress

if TYPE_CHECKING:
    import torch

# The clips one after the other, bare bytes: they are written as they are read, and need not fit into memory.
CLIPS, ANNOTATIONS = "clips.u8", "known.npy"
SIDE = 112

# Ejection fractions outside of these are misread beats, or misprints: percent.
PLAUSIBLE = (5.0, 95.0)


class ClipSet(NamedTuple):
    """Clips at one frame rate, with their annotations.

    ``clips`` uint8 (N, T, H, W); ``fractions`` float32 (N,), ejection fractions, 0..1, 0 where unknown; ``starts``
    int64 (N,), a frame of each clip that is at end-diastole.
    """

    clips: np.ndarray
    fractions: np.ndarray
    starts: np.ndarray


def read_clips(data: Path, folder: Path, frames: int, fps: float, most: int, progress: Progress) -> ClipSet:
    """Parts of ``frames`` frames at ``fps`` of every recording in ``data``, at most ``most`` of each.

    By the masks of the embedded teacher, each part begins at an end-diastole; in a recording where none does, one
    begins at the first frame. The ejection fraction is the labelled one, or else that of those masks by the method
    of discs. The clips are stored in ``folder`` and read from there the next time. Raises
    :class:`kdkit.DataError` when no recording lasts long enough.
    """
    if not (folder / ANNOTATIONS).is_file():
        _write_clips(data, folder, frames, fps, most, progress)
    return load_clips(folder)


def _write_clips(data: Path, folder: Path, frames: int, fps: float, most: int, progress: Progress) -> None:
    from ...recorded import Recordings

    source = Recordings(Recordings.Options(path=data))
    count, fractions = source.count(), list[float]()
    folder.mkdir(parents=True, exist_ok=True)
    with progress.work("read", data.name, count, "recordings") as bar, (folder / CLIPS).open("wb") as file:
        for sample in source.generate(range(count)):
            native = float(sample.info.get("fps") or fps)
            measured_fraction, diastoles = read_beats(sample.inputs, native)
            parts = list(_parts(sample.inputs, native, frames, fps, most, diastoles))
            true_fraction = sample.truth.get("ejection_fraction")
            if parts:
                fraction = float(true_fraction) if true_fraction is not None else measured_fraction
                file.writelines(part.tobytes() for part in parts)
                fractions += [_plausible(fraction) / 100.0] * len(parts)
            bar.advance()
    if not fractions:
        (folder / CLIPS).unlink()
        raise DataError(f"no recording in {data} lasts {frames / fps:.1f} s, the length of a training clip")
    save_annotations(folder, fractions, [0] * len(fractions))


def save_annotations(folder: Path, fractions: Sequence[float], starts: Sequence[int]) -> None:
    """Written after the clips: without it the set is incomplete. Ejection fractions are 0..1."""
    annotations = np.array([fractions, starts], np.float32)
    np.save(folder / f".{ANNOTATIONS}", annotations)
    (folder / f".{ANNOTATIONS}").replace(folder / ANNOTATIONS)


def load_clips(folder: Path) -> ClipSet:
    """The clips that :func:`read_clips` keeps in ``folder``, memory-mapped."""
    fractions, starts = np.load(folder / ANNOTATIONS)
    clips = np.memmap(folder / CLIPS, np.uint8, "r").reshape(len(fractions), -1, SIDE, SIDE)
    return ClipSet(clips, fractions, starts.astype(np.int64))


def read_beats(frames: np.ndarray, fps: float) -> tuple[float, list[int]]:
    """The ejection fraction in percent and the ED frames of grey frames uint8 (T, H, W), by the embedded teacher.

    The ejection fraction is NaN where no complete beat is detected.
    """
    from ...beats import find_beats
    from ...geometry import discs_ejection_fraction
    from ...geometry.masks import area_curve

    masks = teacher_masks(frames)
    beats = find_beats(area_curve(masks), fps)
    return discs_ejection_fraction(masks, beats.ed, beats.es), [int(frame) for frame in beats.ed]


def teacher_masks(frames: np.ndarray) -> np.ndarray:
    """The embedded teacher's masks of grey frames uint8 (T, H, W): bool (T, H, W)."""
    import torch

    with torch.inference_mode():
        return (_teacher()(torch.from_numpy(np.ascontiguousarray(frames))[None])[0] > 0).numpy()


@cache
def _teacher() -> torch.nn.Module:
    from ...teacher import DeepLabV3

    return DeepLabV3().build().eval()


def _parts(
    frames: np.ndarray, native: float, length: int, fps: float, most: int, starts: Sequence[int]
) -> Iterator[np.ndarray]:
    """Parts of a recording that do not overlap, each from the next start on: uint8 (length, H, W).

    Of other rates the nearest frames in time are taken.
    """
    moments = np.rint(np.arange(length) * native / fps).astype(int)
    last_start = len(frames) - 1 - int(moments[-1])
    next_free, count = 0, 0
    for start in [start for start in starts if start <= last_start] or [0] * (last_start >= 0):
        if start >= next_free and count < most:
            yield frames[start + moments]
            next_free, count = start + int(moments[-1]) + 1, count + 1


def _plausible(fraction: float) -> float:
    low, high = PLAUSIBLE
    return fraction if low <= fraction <= high else 0.0
