"""The files of a CAMUS folder by patient, view and part, its own and those of a conversion beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from .cases import case_and_channel, in_conversion, parse_case, stem_of
from .formats import ending_of

VIEWS = {"2CH": "A2C", "4CH": "A4C"}
FILE = re.compile(r"(patient\d+)_(2CH|4CH)_(ED|ES|half_sequence|sequence)(_gt)?(\.nii\.gz|\.nii|\.mhd|\.mha)")

Groups = dict[tuple[str, str], dict[str, list[Path]]]
"""The candidates for each part ("ED", "ED_gt" ...) of each patient and view."""


def picture_files(path: Path, files: Iterable[Path]) -> list[Path]:
    """The files with the names of pictures, not of labels."""
    matches = ((file, FILE.fullmatch(file.name)) for file in files if not in_conversion(path, file))
    return [file for file, match in matches if match and not match[4]]


def group_files(path: Path, files: Iterable[Path]) -> Groups:
    """The candidates for each part ("ED", "ED_gt" ...) of each patient and view."""
    groups: Groups = {}
    for file in files:
        match = FILE.fullmatch(file.name)
        if match and not in_conversion(path, file):
            patient, view, part, suffix, _ = match.groups()
            groups.setdefault((patient, view), {}).setdefault(part + (suffix or ""), []).append(file)
    return groups


def group_conversions(path: Path, files: Iterable[Path]) -> Groups:
    """As :func:`group_files` the files of nnU-Net's data sets in the same folder, which are not read."""
    groups: Groups = {}
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
