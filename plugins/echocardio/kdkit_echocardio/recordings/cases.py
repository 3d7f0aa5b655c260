"""The folders of nnU-Net's raw data sets, and what the names in them say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .formats import ending_of

SPLITS = {"Tr": "train", "Ts": "test", "Val": "val", "Va": "val"}
"""The ends of the names of nnU-Net's folders, and the splits that they mean."""

_FOLDERS = {kind + part for kind in ("images", "labels") for part in SPLITS}
_CHANNEL = re.compile(r"(.+)_(\d{4})")
_VIEWS = {"2CH": "A2C", "A2C": "A2C", "AP2": "A2C", "4CH": "A4C", "A4C": "A4C", "AP4": "A4C"}
_EVENTS = {"ED": "ED", "ES": "ES", "DIASTOLE": "ED", "SYSTOLE": "ES"}
_SEQUENCES = {"HALF", "SEQUENCE", "SEQ"}


@dataclass(frozen=True)
class Case:
    """What a case's name says: ``patient`` is what remains without view and event, None where nothing is known.

    ``event``: "ED", "ES", "sequence" or None. ``view``: "A4C", "A2C" or None.
    """

    patient: str
    view: str | None
    event: str | None


def in_conversion(path: Path, file: Path) -> bool:
    """Whether a file below ``path`` lies in one of nnU-Net's folders."""
    return not _FOLDERS.isdisjoint(file.relative_to(path).parts[:-1])


def dataset_folders(path: Path, files: Iterable[Path]) -> list[Path]:
    """The folders, ``path`` or below it, that hold nnU-Net's ones for pictures or labels, of the files in them."""
    return list(dict.fromkeys(f.parent.parent for f in files if f.parent.name in _FOLDERS and f.parent != path))


def is_dataset_part(path: Path) -> bool:
    """Whether a folder is one of nnU-Net's for pictures or labels, by its name."""
    return path.name in _FOLDERS


def stem_of(file: Path) -> str:
    """A file's name without the end that says its format."""
    return file.name[: -len(ending_of(file) or "")] if ending_of(file) else file.name


def case_and_channel(stem: str, labelled: Iterable[str] = ()) -> tuple[str, int]:
    """The case and the channel of a picture's name: ``case_0000``, or, as in the Decathlon's form, ``case`` alone.

    ``labelled``: the names of labels, which decide whether four digits are part of the case's name.
    """
    match = _CHANNEL.fullmatch(stem)
    if match is None or (stem in labelled and match[1] not in labelled):
        return stem, 0
    return match[1], int(match[2])


def parse_case(case: str) -> Case:
    """What the parts of a case's name mean, in whatever order they stand: ``patient0001_4CH_ED``."""
    view = event = None
    remaining: list[str] = []
    for word in re.split(r"[_\-. ]+", case):
        upper = word.upper()
        if upper in _VIEWS and view is None:
            view = _VIEWS[upper]
        elif upper in _EVENTS and event is None:
            event = _EVENTS[upper]
        elif upper in _SEQUENCES:
            event = "sequence"
        else:
            remaining.append(word)
    return Case("_".join(remaining) or case, view, event)


def order_by_ending(files: Sequence[Path], ending: str | None) -> list[Path]:
    """The files, those first whose names end as the data set says."""
    return sorted(files, key=lambda file: ending is None or not file.name.endswith(ending))
