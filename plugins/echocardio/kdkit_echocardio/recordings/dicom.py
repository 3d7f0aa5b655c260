"""A folder of DICOM cines, as MIMIC-IV-ECHO or any scanner writes them."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path

from kdkit import DataError, Defect

from ..clips import read_clip
from ..clips.dataset import is_dicom, open_dataset
from ..suffixes import CLIP_SUFFIXES
from . import clips
from .recording import Recording, Study
from .walk import flat_names, walk

NAME = "dicom"
LOOKS_FOR = "any DICOM file (by its content, whatever its name), in folders of any depth"

_TAGS = ["Rows", "PatientID", "PatientSex", "PatientAge", "Modality", "ManufacturerModelName"]
# Files that are meant as DICOM: those that are none are named.
_SUFFIXES = (".dcm", ".dicom")


def recognises(path: Path) -> bool:
    """Whether there is a DICOM file in the folder or below it."""
    return any(is_dicom(file) for file in walk(path))


def read(path: Path) -> Study:
    """The cines in a folder and below it, in the order of their paths, and plain clips beside them.

    Only headers are read. ``patient`` is the PatientID, the recording's own name where it is empty.
    """
    recordings: list[Recording] = []
    defects: list[Defect] = []
    cines = {file for file in walk(path) if is_dicom(file)}
    files = [file for file in walk(path) if file in cines or file.suffix.lower() in CLIP_SUFFIXES + _SUFFIXES]
    for name, file in flat_names(path, files):
        if file in cines:
            _read_cine(name, file, recordings, defects)
        else:
            clips.read_file(name, file, recordings, defects)
    return Study(NAME, path, recordings, defects)


def _read_cine(name: str, file: Path, recordings: list[Recording], defects: list[Defect]) -> None:
    """Append the cine in a DICOM file, or the defect of one without pictures.

    How many pictures there are shows only when it is decoded: the header is no evidence.
    """
    try:
        head = _header(file)
    except DataError as error:
        defects.append(Defect("undecodable", name, error.line.replace(str(file), file.name)[:300], True))
        return
    if not head["Rows"]:
        detail = f"{file.name} is a DICOM file without pictures ({head['Modality'] or 'no modality'})"
        defects.append(Defect("no-pictures", name, detail, True))
        return
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


def _header(path: Path) -> dict[str, str]:
    """The values of a few attributes as text, "" where there is none."""
    dataset = open_dataset(path, stop_before_pixels=True, specific_tags=_TAGS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pydicom's on odd values: here they are only shown
        try:
            return {tag: str(dataset.get(tag) or "").strip() for tag in _TAGS}
        except Exception as error:  # damaged bytes make pydicom raise many kinds
            raise DataError(f"{path} is a damaged DICOM file: {error}", "Export or copy it again.") from error
