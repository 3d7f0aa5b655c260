"""CAMUS (Leclerc et al. 2019): NIfTI pictures of the current release, or .mhd/.raw of the older one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from kdkit import DataError, Defect

from ..clips.clip import plausible_rate
from .camus_files import FILE, VIEWS, group_conversions, group_files, picture_files
from .candidates import choose
from .cases import dataset_folders
from .formats import refuse_label_maps
from .labels import disagreement, size
from .lazy_contours import LazyContours
from .picture import LabelMapError
from .recording import Contour, Labels, Recording, Study
from .stills import CAMUS_LABELS, load_contours, load_sequence, load_stills
from .table import Row
from .walk import walk

NAME = "camus"
LOOKS_FOR = "patientNNNN/patientNNNN_4CH_ED.nii.gz, _ES, _half_sequence, _gt and so on, or the same as .mhd with .raw"

_SUBGROUP = re.compile(r"subgroup_(training|validation|testing)\.txt")
_SPLITS = {"training": "train", "validation": "val", "testing": "test"}

Files = Mapping[str, Path]


def recognises(path: Path) -> bool:
    """Whether there is a file with CAMUS's name in the folder or below it, outside nnU-Net's folders.

    Beside a data set of nnU-Net label maps alone are predictions.
    """
    files = list(walk(path))
    pictures = picture_files(path, files)
    if not pictures or not dataset_folders(path, files):
        return bool(pictures)
    try:
        refuse_label_maps(path, pictures)
    except LabelMapError:
        return False
    return True


def read(path: Path) -> Study:
    """One recording for each patient and view: the half sequence where there is one, else its ED and ES frames.

    ED and ES alone make a recording of two frames without a frame rate. Labels are the cavity's pixels; frames of
    ``Info_4CH.cfg`` count from 1 and become counts from 0. Raises :class:`kdkit.DataError` where there are label maps
    and no picture.
    """
    files = list(walk(path))
    refuse_label_maps(path, picture_files(path, files))
    groups, conversions = group_files(path, files), group_conversions(path, files)
    splits = _splits(path, files)
    recordings: list[Recording] = []
    defects: list[Defect] = []
    for (patient, view), candidates in sorted(groups.items()):
        name = f"{patient}_{view}"
        files_by_part, several = choose(path, name, candidates, conversions.get((patient, view)))
        defects += several
        info = next(iter(files_by_part.values())).with_name(f"Info_{view}.cfg")
        if info.is_file():
            files_by_part["cfg"] = info
        try:
            recordings.append(_recording(name, patient, view, files_by_part, splits, defects))
        except DataError as error:
            kind = "missing-file" if isinstance(error, _MissingError) else "undecodable"
            defects.append(Defect(kind, name, error.message, True))
    detail = "only nnU-Net's folders hold it; the layout nnunet reads them"
    defects += [
        Defect("other-layout", f"{patient}_{view}", detail, True)
        for patient, view in sorted(set(conversions) - set(groups))
        if view
    ]
    return Study(NAME, path, recordings, defects)


class _MissingError(DataError):
    """A recording of which a file is not there."""


def _splits(path: Path, files: Iterable[Path]) -> dict[str, str]:
    """The part of the data that each patient belongs to, from the lists of the release or its folders' names."""
    splits: dict[str, str] = {}
    for file in files:
        listed = _SUBGROUP.fullmatch(file.name)
        if listed:
            splits |= dict.fromkeys(_text(file).split(), _SPLITS[listed[1]])
        elif FILE.fullmatch(file.name):
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
        path, load = sequence, partial(load_sequence, sequence, plausible_rate(row.number("FrameRate")))
        ed, es = _events(row, files)
    else:
        missing_parts = [f"{name}_{part}" for part in ("ED", "ES") if part not in files]
        if missing_parts:
            raise _MissingError(f"there is no {' and no '.join(missing_parts)}")
        path, load = files["ED"], partial(load_stills, (files["ED"], files["ES"]))
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
        labels=Labels(fraction, diastolic, systolic, ed, es, _lazy_contours(mask_files)),
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
    contours = load_contours({None: files["half_sequence_gt"]}, CAMUS_LABELS)
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


def _lazy_contours(mask_files: dict[int | None, Path]) -> Sequence[Contour]:
    return LazyContours(partial(load_contours, mask_files, CAMUS_LABELS)) if mask_files else ()
