"""What nnU-Net's dataset.json says: which label is the left ventricle's cavity, and how files are named."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdkit import DataError, check_ends

from .stills import CAMUS_LABELS, LabelScheme

DATASET = "dataset.json"

_CAVITY = re.compile(r"lv|ventric|endo|cavity|blood ?pool")
_OTHER = re.compile(r"myo|epi|wall|muscle|atri|right|sept|\bla\b|\bra\b|\brv|valve|aort|\blv ?[mw]\b")
# Names that say nothing: numbers, and words for whatever is marked.
_NUMBERED = re.compile(r"((class|label|region)\s*)?\d+")
_WHATEVER = re.compile(r"foreground|mask|object|target|segmentation|roi")


@dataclass(frozen=True)
class Dataset:
    """What is known of a data set: ``ending`` of its files and ``count`` of training cases, None where not said.

    ``assumption``: what had to be assumed of the labels, "" where they are named.
    """

    scheme: LabelScheme
    ending: str | None = None
    count: int | None = None
    assumption: str = ""


def read_dataset(folder: Path) -> Dataset:
    """The content of a data set's ``dataset.json``, of nnU-Net's first or second version; CAMUS's labels without one.

    Raises :class:`kdkit.DataError` when it cannot be read, or does not say which label is the left ventricle.
    """
    path = folder / DATASET
    if not path.exists():
        return Dataset(CAMUS_LABELS, assumption=f"there is no {DATASET}: 1 counts as the cavity, as in CAMUS")
    check_ends(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        labels = _numbers_by_name(content["labels"])
        ending, count = content.get("file_ending"), content.get("numTraining")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(f"{path} is no dataset.json of nnU-Net: {type(error).__name__} {error}"[:300]) from error
    cavity, assumption = _cavity(path, labels)
    values = {0, *(number for numbers in labels.values() for number in numbers)}
    return Dataset(
        LabelScheme(cavity, values, DATASET),
        ending if isinstance(ending, str) and ending else None,
        count if isinstance(count, int) and not isinstance(count, bool) else None,
        assumption,
    )


def _numbers_by_name(labels: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The numbers of each label: version 1 has them as keys, version 2 as values, or several for a region."""
    numbers: dict[str, tuple[int, ...]] = {}
    for key, value in labels.items():
        # Version 1 writes "1": "LV", version 2 "LV": 1; of "1": 1 both are the same.
        name, number = (value, key) if isinstance(value, str) and not value.isdecimal() else (key, value)
        numbers[str(name)] = tuple(int(n) for n in (number if isinstance(number, list) else [number]))
    return numbers


def _cavity(path: Path, labels: Mapping[str, tuple[int, ...]]) -> tuple[tuple[int, ...], str]:
    """The numbers of the cavity, and what had to be assumed."""
    foreground = {
        name: numbers for name, numbers in labels.items() if set(numbers) != {0} and name.lower() != "ignore"
    }
    matches = [numbers for name, numbers in foreground.items() if _names_cavity(name)]
    if len(matches) == 1:
        return matches[0], ""
    names = list(foreground)
    if not matches and all(_NUMBERED.fullmatch(_words(name)) for name in names) and (1,) in foreground.values():
        return (1,), f"{DATASET} gives labels numbers for names: 1 counts as the cavity, as in CAMUS"
    if len(names) == 1 and _WHATEVER.fullmatch(_words(names[0])):
        return foreground[names[0]], f"{DATASET} names one label, {names[0]}: it counts as the cavity"
    fault = "several labels that may be" if matches else "no label that is"
    raise DataError(
        f"{path} names {fault} the left ventricle's cavity: {', '.join(labels) or 'none'}",
        'Name it "LV" or "left ventricle" there, and the others by what they are.',
    )


def _names_cavity(name: str) -> bool:
    words = _words(name)
    return bool(_CAVITY.search(words)) and not _OTHER.search(words)


def _words(name: str) -> str:
    """A name in lower case, its words apart: LV_Endo and lvEndo alike."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return " ".join(re.split(r"[^a-z0-9]+", spaced.lower())).strip()
