"""A folder of DICOM cines, as MIMIC-IV-ECHO or any scanner writes them."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import Any

from kdkit import Defect

from ..clips import read_clip
from . import clips
from .recording import Recording, Study
from .walk import flat_names, walk

NAME = "dicom"
LOOKS_FOR = "any DICOM file (the letters DICM at byte 128, whatever its name), in folders of any depth"

_TAGS = ["NumberOfFrames", "Rows", "PatientID", "PatientSex", "PatientAge", "Modality", "ManufacturerModelName"]
_DIRECTORY = "DICOMDIR"


def recognises(path: Path) -> bool:
    """Whether there is a DICOM file in the folder or below it."""
    return any(_is_dicom(file) for file in walk(path))


def read(path: Path) -> Study:
    """The cines in a folder and below it, in the order of their paths; only headers are read.

    ``patient`` is the PatientID, the recording's own name where it is empty.
    """
    recordings: list[Recording] = []
    defects: list[Defect] = []
    every = list(walk(path))
    cines = [file for file in every if _is_dicom(file)]
    for name, file in flat_names(path, cines):
        try:
            head = _header(file)
        except Exception as error:  # damaged bytes make pydicom raise many kinds
            defects.append(Defect("undecodable", name, f"{file.name} is a damaged DICOM file: {error}"[:300], True))
            continue
        if not head["Rows"]:
            detail = f"{file.name} is a DICOM file without pictures ({head['Modality'] or 'no modality'})"
            defects.append(Defect("no-pictures", name, detail, True))
            continue
        if head["NumberOfFrames"] in ("", "0", "1"):
            defects.append(Defect("still-image", name, f"{file.name} holds one picture", True))
            continue
        facts = {"sex": head["PatientSex"], "age": head["PatientAge"], "scanner": head["ManufacturerModelName"]}
        recordings.append(
            Recording(
                name,
                file,
                partial(read_clip, file),
                patient=head["PatientID"] or name,
                info={key: value for key, value in facts.items() if value},
            )
        )
    other_clips = [file for file in set(every) - set(cines) if file.suffix.lower() in clips.SUFFIXES]
    defects += [
        Defect(
            "not-dicom",
            file.relative_to(path).as_posix(),
            "a clip beside DICOM files; the layout clips reads it",
            True,
        )
        for file in sorted(other_clips)
    ]
    return Study(NAME, path, recordings, defects)


def _is_dicom(path: Path) -> bool:
    """Whether a file's content is DICOM; the directory of a medium is not a recording."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM" and path.name.upper() != _DIRECTORY
    except OSError:
        return False


def _header(path: Path) -> dict[str, str]:
    """The values of a few attributes as text, "" where there is none."""
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pydicom's on odd values: here they are only shown
        dataset: Any = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
        return {tag: str(dataset.get(tag) or "").strip() for tag in _TAGS}
