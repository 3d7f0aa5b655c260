"""CAMUS (Leclerc et al. 2019): NIfTI pictures of the current release, or .mhd/.raw of the older one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from kdkit import DataError, Defect

from ..clips.clip import plausible_rate
from .candidates import choose
from .cases import case_and_channel, dataset_folders, in_conversion, parse_case, stem_of
from .formats import ending_of, refuse_label_maps
from .labels import disagreement, size
from .lazy_contours import LazyContours
from .picture import LabelMapError
from .recording import Contour, Labels, Recording, Study
from .stills import CAMUS_LABELS, load_contours, load_sequence, load_stills
from .table import Row
from .walk import walk

NAME = "camus"
LOOKS_FOR = "patientNNNN/patientNNNN_4CH_ED.nii.gz, _ES, _half_sequence, _gt and so on, or the same as .mhd with .raw"

VIEWS = {"2CH": "A2C", "4CH": "A4C"}
_FILE = re.compile(r"(patient\d+)_(2CH|4CH)_(ED|ES|half_sequence|sequence)(_gt)?(\.nii\.gz|\.nii|\.mhd|\.mha)")
_SUBGROUP = re.compile(r"subgroup_(training|validation|testing)\.txt")
_SPLITS = {"training": "train", "validation": "val", "testing": "test"}

Files = Mapping[str, Path]


def recognises(path: Path) -> bool:
    """Whether there is a file with CAMUS's name in the folder or below it, outside nnU-Net's folders.

    Beside a data set of nnU-Net label maps alone are predictions.
    """
    files = list(walk(path))
    named = _pictures(path, files)
    if not named or not dataset_folders(path, files):
        return bool(named)
    try:
        refuse_label_maps(path, named)
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
    refuse_label_maps(path, _pictures(path, files))
    groups, converted = _groups(path, files), _converted(path, files)
    splits = _splits(path, files)
    recordings: list[Recording] = []
    defects: list[Defect] = []
    for (patient, view), candidates in sorted(groups.items()):
        name = f"{patient}_{view}"
        chosen, several = choose(path, name, candidates, converted.get((patient, view)))
        defects += several
        info = next(iter(chosen.values())).with_name(f"Info_{view}.cfg")
        try:
            recordings.append(
                _recording(name, patient, view, chosen | ({"cfg": info} if info.is_file() else {}), splits, defects)
            )
        except DataError as error:
            kind = "missing-file" if isinstance(error, _MissingError) else "undecodable"
            defects.append(Defect(kind, name, error.message, True))
    detail = "only nnU-Net's folders hold it; the layout nnunet reads them"
    defects += [
        Defect("other-layout", f"{patient}_{view}", detail, True)
        for patient, view in sorted(set(converted) - set(groups))
        if view
    ]
    return Study(NAME, path, recordings, defects)


class _MissingError(DataError):
    """A recording of which a file is not there."""


def _pictures(path: Path, files: Iterable[Path]) -> list[Path]:
    """The files with the names of pictures, not of labels."""
    matches = ((file, _FILE.fullmatch(file.name)) for file in files if not in_conversion(path, file))
    return [file for file, match in matches if match and not match[4]]


def _groups(path: Path, files: Iterable[Path]) -> dict[tuple[str, str], dict[str, list[Path]]]:
    """The candidates for each part ("ED", "ED_gt" ...) of each patient and view."""
    groups: dict[tuple[str, str], dict[str, list[Path]]] = {}
    for file in files:
        match = _FILE.fullmatch(file.name)
        if match and not in_conversion(path, file):
            patient, view, part, suffix, _ = match.groups()
            groups.setdefault((patient, view), {}).setdefault(part + (suffix or ""), []).append(file)
    return groups


def _converted(path: Path, files: Iterable[Path]) -> dict[tuple[str, str], dict[str, list[Path]]]:
    """As :func:`_groups` the files of nnU-Net's data sets in the same folder, which are not read."""
    groups: dict[tuple[str, str], dict[str, list[Path]]] = {}
    for file in files:
        if in_conversion(path, file) and ending_of(file):
            labels = file.parent.name.startswith("labels")
            case = parse_case(stem_of(file) if labels else case_and_channel(stem_of(file))[0])
            view = next((name for name, short in VIEWS.items() if short == case.view), "")
            parts = ["half_sequence", "sequence"] if case.event == "sequence" else [case.event or ""]
            for part in parts:
                key = part + "_gt" * labels
                groups.setdefault((case.patient, view), {}).setdefault(key, []).append(file)
    return groups


def _splits(path: Path, files: Iterable[Path]) -> dict[str, str]:
    """The part of the data that each patient belongs to, from the lists of the release or its folders' names."""
    splits: dict[str, str] = {}
    for file in files:
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
        labels=Labels(fraction, diastolic, systolic, ed, es, _lazily(mask_files)),
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


def _lazily(mask_files: dict[int | None, Path]) -> Sequence[Contour]:
    return LazyContours(partial(load_contours, mask_files, CAMUS_LABELS)) if mask_files else ()
