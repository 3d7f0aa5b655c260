"""CAMUS (Leclerc et al. 2019): NIfTI pictures of the current release, or .mhd/.raw of the older one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from kdkit import DataError, Defect

from ..clips import Clip
from ..clips.clip import build_clip, plausible_rate
from .labels import disagreement, size
from .lazy_contours import LazyContours
from .metaimage import read_metaimage
from .nifti import read_nifti
from .picture import Picture, as_grey
from .recording import Contour, Labels, Recording, Study
from .table import Row
from .walk import walk

NAME = "camus"
LOOKS_FOR = "patientNNNN/patientNNNN_4CH_ED.nii.gz, _ES, _half_sequence, _gt and so on, or the same as .mhd with .raw"

VIEWS = {"2CH": "A2C", "4CH": "A4C"}
CAVITY = 1
"""The label of the left ventricle's cavity; 2 is the myocardium, 3 the left atrium."""

# A pixel whose sides differ by less than this share is square.
_SQUARE = 0.01

_FILE = re.compile(r"(patient\d+)_(2CH|4CH)_(ED|ES|half_sequence|sequence)(_gt)?(\.nii\.gz|\.nii|\.mhd)")
_SUBGROUP = re.compile(r"subgroup_(training|validation|testing)\.txt")
_SPLITS = {"training": "train", "validation": "val", "testing": "test"}

Files = Mapping[str, Path]


def recognises(path: Path) -> bool:
    """Whether there is a picture with CAMUS's name in the folder or below it."""
    return any(_FILE.fullmatch(file.name) for file in walk(path))


def read(path: Path) -> Study:
    """One recording for each patient and view: the half sequence where there is one, else its ED and ES frames.

    ED and ES alone make a recording of two frames without a frame rate. Labels are the cavity's pixels; frames of
    ``Info_4CH.cfg`` count from 1 and become counts from 0.
    """
    groups = _groups(path)
    splits = _splits(path)
    recordings: list[Recording] = []
    defects: list[Defect] = []
    for (patient, view), files in sorted(groups.items()):
        name = f"{patient}_{view}"
        try:
            recordings.append(_recording(name, patient, view, files, splits, defects))
        except DataError as error:
            kind = "missing-file" if isinstance(error, _MissingError) else "undecodable"
            defects.append(Defect(kind, name, error.message, True))
    return Study(NAME, path, recordings, defects)


class _MissingError(DataError):
    """A recording of which a file is not there."""


def _groups(path: Path) -> dict[tuple[str, str], dict[str, Path]]:
    """The files of each patient and view by what they are ("ED", "ED_gt", ..., "cfg")."""
    groups: dict[tuple[str, str], dict[str, Path]] = {}
    for file in walk(path):
        match = _FILE.fullmatch(file.name)
        if match:
            patient, view, part, suffix, _ = match.groups()
            # Both forms of a picture: whichever comes first, .mhd before .nii; they hold the same.
            groups.setdefault((patient, view), {}).setdefault(part + (suffix or ""), file)
    for (_, view), files in groups.items():
        info = next(iter(files.values())).with_name(f"Info_{view}.cfg")
        if info.is_file():
            files["cfg"] = info
    return groups


def _splits(path: Path) -> dict[str, str]:
    """The part of the data that each patient belongs to, from the lists of the release or its folders' names."""
    splits: dict[str, str] = {}
    for file in walk(path):
        listed = _SUBGROUP.fullmatch(file.name)
        if listed:
            splits |= dict.fromkeys(_text(file).split(), _SPLITS[listed[1]])
        elif _FILE.fullmatch(file.name):
            part = next((_SPLITS[p] for p in file.relative_to(path).parts if p in _SPLITS), None)
            if part:
                splits.setdefault(file.name.partition("_")[0], part)
    return splits


def _recording(
    name: str, patient: str, view: str, files: Files, splits: Mapping[str, str], defects: list[Defect]
) -> Recording:
    row = Row(name, _info(files), defects)
    sequence = files.get("half_sequence") or files.get("sequence")
    if sequence:
        path, load = sequence, partial(_sequence, sequence, plausible_rate(row.number("FrameRate")))
        ed, es = _events(row, files)
    else:
        missing_parts = [f"{name}_{part}" for part in ("ED", "ES") if part not in files]
        if missing_parts:
            raise _MissingError(f"there is no {' and no '.join(missing_parts)}")
        path, load = files["ED"], partial(_stills, files["ED"], files["ES"])
        ed, es = 0, 1
    fraction = row.number("EF" if row.text("EF") else "LVef", 0, 100)
    diastolic, systolic = row.number("LVedv", 0), row.number("LVesv", 0)
    fraction_defect = disagreement(name, fraction, diastolic, systolic)
    defects += [fraction_defect] if fraction_defect else []
    mask_files = _mask_files(files, ed, es)
    if not mask_files:
        defects.append(Defect("no-tracings", name, "no picture of labels (_gt) belongs to it", False))
    facts = {"sex": row.text("Sex"), "age": row.number("Age"), "image_quality": row.text("ImageQuality")}
    return Recording(
        name,
        path,
        load,
        patient=patient,
        split=splits.get(patient),
        view=VIEWS[view],
        labels=Labels(
            fraction, diastolic, systolic, ed, es, LazyContours(partial(_contours, mask_files)) if mask_files else ()
        ),
        info={key: value for key, value in facts.items() if value is not None},
        declared_frames=row.whole("NbFrame", 1) if sequence else None,
    )


def _info(files: Files) -> dict[str, str]:
    """The values of the Info file, ``Key: value`` a line; empty without one."""
    if "cfg" not in files:
        return {}
    lines = _text(files["cfg"]).splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def _events(row: Row, files: Files) -> tuple[int | None, int | None]:
    """The ED and ES frame of a sequence, from 0: those of the Info file, which counts from 1.

    Without it they are the ends of a half sequence, ED the one whose labels hold more cavity: some run backwards.
    """
    ed, es = row.whole("ED", 1), row.whole("ES", 1)
    if ed is not None and es is not None:
        return ed - 1, es - 1
    if "half_sequence_gt" not in files:
        return None, None
    contours = _contours({None: files["half_sequence_gt"]})
    first, last = (size(contours[end]) for end in (0, -1))
    return (0, len(contours) - 1) if first >= last else (len(contours) - 1, 0)


def _mask_files(files: Files, ed: int | None, es: int | None) -> dict[int | None, Path]:
    """The files of labels, each under the frame it belongs to; None for one that holds every frame."""
    if "half_sequence_gt" in files and "half_sequence" in files:
        return {None: files["half_sequence_gt"]}
    if "sequence_gt" in files and "sequence" in files and "half_sequence" not in files:
        return {None: files["sequence_gt"]}
    named_masks = {ed: files.get("ED_gt"), es: files.get("ES_gt")}
    return {frame: file for frame, file in named_masks.items() if frame is not None and file is not None}


def _contours(mask_files: Mapping[int | None, Path]) -> list[Contour]:
    """The cavity in each frame of the files of labels."""
    contours = []
    for frame, file in mask_files.items():
        picture = _picture(file)
        masks = _squared((picture.frames == CAVITY).astype(np.float32), picture.steps) >= 0.5
        if frame is not None and len(masks) != 1:
            raise DataError(f"{file} holds {len(masks)} frames of labels; one was expected")
        contours += [Contour(number if frame is None else frame, mask=mask) for number, mask in enumerate(masks)]
    return contours


def _sequence(path: Path, fps: float | None) -> Clip:
    """The clip in a picture of several frames."""
    picture = _picture(path)
    return _clip(path, as_grey(path, picture.frames), picture.steps, fps)


def _stills(diastole: Path, systole: Path) -> Clip:
    """A clip of two frames: ED and ES."""
    pictures = [_picture(path) for path in (diastole, systole)]
    shapes = [picture.frames.shape for picture in pictures]
    if shapes[0] != shapes[1] or shapes[0][0] != 1:
        sizes_text = " and ".join("x".join(map(str, shape[::-1])) for shape in shapes)
        raise DataError(f"{diastole} and {systole.name} are no pair of pictures: {sizes_text} pixels")
    frames = [as_grey(path, picture.frames) for path, picture in zip((diastole, systole), pictures, strict=True)]
    return _clip(diastole, np.concatenate(frames), pictures[0].steps, None)


def _clip(path: Path, frames: np.ndarray, steps: tuple[float, float] | None, fps: float | None) -> Clip:
    squared = _squared(frames, steps)
    return build_clip(path, list(squared), fps=fps, spacing_mm=max(steps) if steps else None)


def _squared(frames: np.ndarray, steps: tuple[float, float] | None) -> np.ndarray:
    """The frames with square pixels of the longer side: the older release samples depth twice as finely as width."""
    if steps is None or abs(steps[0] - steps[1]) <= _SQUARE * max(steps):
        return frames
    height, width = frames.shape[1:]
    shape = tuple(max(1, round(n * step / max(steps))) for n, step in ((width, steps[0]), (height, steps[1])))
    return np.stack([cv2.resize(frame, shape, interpolation=cv2.INTER_AREA) for frame in frames])


def _picture(path: Path) -> Picture:
    return read_metaimage(path) if path.suffix == ".mhd" else read_nifti(path)
