"""What ``kdkit predict`` writes for a clip: masks, an overlay, and a row of the summary."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kdkit import Sample

from .beats import NO_BEATS, find_beats, heart_rate
from .clips import Clip, Square, read_clip, restore
from .clips.mask_files import is_inside, write_nifti, write_npz
from .clips.overlay import write_overlay
from .clips.segmentation import write_segmentation
from .doubts import doubt_heart_rate, find_doubts, rate_doubt
from .ejection import Ejection, area_ejection, discs_ejection, no_ejection
from .events import rate_of
from .flags import FLAGS, WITHOUT_BEATS, join
from .geometry import area_curve, binarize, clean

if TYPE_CHECKING:
    from .beats import Beats

# Containers keep rates as fractions of a clock's ticks, of 30.00030000300003 nobody needs as much.
_RATE_DECIMALS = 3

Overlay = Literal["mp4", "gif", "none"]
MaskFormat = Literal["npz", "nifti", "dicom-seg", "none"]
Bits = Literal[8, 16]


def write_results(
    path: Path, sample: Sample, prediction: np.ndarray, stem: Path, masks: MaskFormat, overlay: Overlay, bits: Bits
) -> Mapping[str, Any]:
    """The files of one clip and its row; see :meth:`kdkit_echocardio.domain.Echocardio.write`."""
    cavities = clean(binarize(prediction))
    areas, rate = area_curve(cavities), rate_of(sample)
    of_clip = str(sample.info.get("flags", "")).split()
    lifeless = WITHOUT_BEATS & set(of_clip)
    beats = NO_BEATS if lifeless else find_beats(areas, rate)
    if masks != "none" or overlay != "none":
        clip = read_once(path)
        probability = _at_clip_size(prediction, Square.from_info(sample.info["square"]), bits)
        _write_masks(path, clip, probability, stem, masks)
        if overlay != "none":
            highest = np.iinfo(probability.dtype).max
            shown = [frame.astype(np.float32) / highest for frame in probability]
            write_overlay(stem.with_name(f"{stem.name}.{overlay}"), clip.frames, shown, areas, beats, rate)
    doubts = () if lifeless else find_doubts(sample.inputs, cavities, areas, beats, rate)
    fps = sample.info.get("fps")
    pulse = heart_rate(beats, fps)
    flags = (*of_clip, *doubts, *doubt_heart_rate(pulse))
    if lifeless:
        area = discs = no_ejection(FLAGS[min(lifeless)])
    else:
        area, discs = area_ejection(prediction, beats, fps), discs_ejection(prediction, beats, fps)
    row = {"frames": len(prediction), "fps": _rounded(fps), **_events(areas, beats)}
    row |= _ejection_columns(area, discs) | {"heart_rate": pulse}
    return row | {"doubt": rate_doubt(flags, prediction, cavities), "flags": join(flags)}


def read_once(path: Path) -> Clip:
    """The clip in a file; the one that was read last is kept, as its pictures are wanted again."""
    status = path.stat()
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1)
def _read(path: Path, modified: int, size: int) -> Clip:
    return read_clip(path)


def _at_clip_size(prediction: np.ndarray, square: Square, bits: Bits) -> np.ndarray:
    """The probabilities at the clip's own size: uint8 or uint16 (T, H, W), the highest value for 1."""
    probability = np.empty((len(prediction), square.height, square.width), f"u{bits // 8}")
    highest = np.iinfo(probability.dtype).max
    levels = np.empty(probability.shape[1:], np.float32)
    for number, frame in enumerate(restore(prediction, square)):
        np.multiply(frame, highest, out=levels)
        probability[number] = np.rint(levels, out=levels)
    return probability


def _write_masks(path: Path, clip: Clip, probability: np.ndarray, stem: Path, masks: MaskFormat) -> None:
    if masks == "npz":
        write_npz(stem.with_name(f"{stem.name}.npz"), probability)
    elif masks == "nifti":
        write_nifti(stem.with_name(f"{stem.name}.nii.gz"), is_inside(probability), clip)
    elif masks == "dicom-seg":
        write_segmentation(stem.with_name(f"{stem.name}.seg.dcm"), is_inside(probability), clip, path)


def _rounded(fps: float | None) -> float | None:
    return None if fps is None else round(fps, _RATE_DECIMALS)


def _events(areas: np.ndarray, beats: Beats) -> dict[str, Any]:
    """The columns of the summary that describe the beats."""
    ed, es = beats
    if len(ed) == 0 or len(es) == 0:
        return {"ed_frame": None, "es_frame": None, "beats": 0}
    largest = ed[areas[ed].argmax()]
    following = es[es > largest]
    return {
        "ed_frame": int(largest),
        "es_frame": int(following[0] if len(following) else es[-1]),
        "beats": min(len(ed), len(es)),
    }


def _ejection_columns(area: Ejection, discs: Ejection) -> dict[str, Any]:
    """The columns of both ejection fractions and their intervals; what stands in the way of one, or of both."""
    row: dict[str, Any] = {}
    for name, ejection in (("area_ef", area), ("discs_ef", discs)):
        for part, value in (("", ejection.value), ("_low", ejection.low), ("_high", ejection.high)):
            row[name + part] = None if value is None else round(value, 1)
    if area.reason == discs.reason:
        return row | {"ef_note": area.reason}
    reasons = {"areas": area.reason, "discs": discs.reason}
    return row | {"ef_note": "; ".join(f"{name}: {reason}" for name, reason in reasons.items() if reason)}
