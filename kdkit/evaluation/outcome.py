"""What the stages left in a run's folder, read back for the report."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdkit.atomic import read_json
from kdkit.contracts.metric import Score
from kdkit.errors import StoreError
from kdkit.evaluation.estimate import SeedScore
from kdkit.evaluation.judgement import JudgedDifference
from kdkit.runs.folder import HUMANS, STUDENT, TEACHER
from kdkit.runs.run import Run

DIFFERENCES = "differences"

Scores = Mapping[str, Mapping[str, Score]]


@dataclass(frozen=True)
class Epochs:
    """The losses of one training, epoch by epoch.

    ``kept``: the epoch, from 0, whose weights were kept. ``terms``: where the loss is a sum, the validation value of
    each objective by its name, before its weight.
    """

    train: list[float]
    validation: list[float]
    kept: int = 0
    terms: Mapping[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class SampleValues:
    """An evaluation sample with every model's value of the first metric on it; None where there is none.

    The student's is that of seed 0.
    """

    name: str
    index: int
    values: Mapping[str, float | None]


@dataclass(frozen=True)
class Outcome:
    """Everything measured in a run. Mappings go from a model's name; ``metric`` is the first one, which ranks.

    ``histories``: the losses of the control, and of the student of seed 0.
    ``differences``: "student-teacher" and the like to metric to the paired difference. ``doubts``: sentences on what
    speaks against the result, by what they are about, "teacher",
    "student", "metrics" or "data".
    """

    metric: str
    scores: Scores
    facts: Mapping[str, Mapping[str, Any]]
    histories: Mapping[str, Epochs]
    samples: list[SampleValues]
    differences: Mapping[str, Mapping[str, JudgedDifference]] = field(default_factory=dict)
    doubts: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def controls(self) -> list[str]:
        """The controls, in the order of the recipe; the student has to be better than the first."""
        return [model for model in self.scores if model not in (STUDENT, TEACHER, HUMANS)]

    def first(self, model: str) -> Score | None:
        """A model's score on the first metric; None when there is no such model."""
        return self.scores[model][self.metric] if model in self.scores else None

    def difference(self, model: str, other: str) -> JudgedDifference | None:
        """``model`` minus ``other`` on the first metric; None where either could not be measured by it."""
        difference = self.differences.get(f"{model}-{other}", {}).get(self.metric)
        return difference if difference is not None and difference.value is not None else None


def read_scores(path: Path) -> tuple[Scores, Mapping[str, Mapping[str, JudgedDifference]]]:
    """The scores and the paired differences in ``scores.json``. Raises :class:`StoreError` when it is damaged."""
    content = _json(path)
    try:
        differences = {
            pair: {name: JudgedDifference(**values) for name, values in by_name.items()}
            for pair, by_name in content.pop(DIFFERENCES, {}).items()
        }
        scores = {
            model: {name: read_score(score) for name, score in by_name.items()} for model, by_name in content.items()
        }
    except (TypeError, AttributeError) as error:
        raise _damaged_file(path) from error
    return scores, differences


def read_score(values: Mapping[str, Any]) -> Score:
    """A score as ``scores.json`` holds it, a student's with its seeds. Raises TypeError for other keys."""
    return SeedScore(**values) if "seeds" in values else Score(**values)


def read_outcome(run: Run) -> Outcome:
    """Raises :class:`StoreError` when a file of the earlier stages is missing or damaged."""
    folder = run.folder
    metric = next(iter(run.experiment.metrics))
    scores, differences = read_scores(folder.scores_file)
    histories = {
        arm.model: _history(folder.history(arm.name), arm.training is None) for arm in run.arms if arm.number == 0
    }
    return Outcome(
        metric=metric,
        scores=scores,
        facts=_json(folder.models_file),
        histories={arm: epochs for arm, epochs in histories.items() if epochs.train},
        samples=_samples(folder.cases_file, metric),
        differences=differences,
        doubts=folder.manifest().get("doubts", {}),
    )


def read_histories(run: Run) -> list[list[dict[str, float]]]:
    """The losses of every student, seed by seed, epoch by epoch, by their names."""
    files = [run.folder.history(arm.name) for arm in run.arms if arm.model == STUDENT]
    read = [_rows(file) if file.is_file() else [] for file in files]
    return [[{name: float(value) for name, value in row.items()} for row in rows] for rows in read]


def _json(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise _damaged_file(path)
    return content


def _history(path: Path, keeps_last: bool) -> Epochs:
    rows = _rows(path) if path.is_file() else []
    try:
        columns = {name: [float(row[name]) for row in rows] for name in (rows[0] if rows else ())}
    except (TypeError, ValueError):  # damaged: its curve is left out, which is no reason to train again
        rows, columns = [], {}
    prefix = "validation_"
    terms = {name.removeprefix(prefix): values for name, values in columns.items() if name.startswith(prefix)}
    validation = terms.pop("loss", [])
    kept_epoch = len(rows) - 1 if keeps_last else min(range(len(rows)), key=validation.__getitem__, default=0)
    return Epochs(columns.get("train_loss", []), validation, kept_epoch, terms)


def _samples(path: Path, metric: str) -> list[SampleValues]:
    names: dict[int, str] = {}
    values: dict[int, dict[str, float | None]] = {}
    for row in _rows(path):
        if row.get("seed") not in (None, "", "0"):
            continue
        index = int(row["index"])
        names[index] = row["sample"]
        values.setdefault(index, {})[row["model"]] = float(row[metric]) if row[metric] else None
    return [SampleValues(names[index], index, values[index]) for index in sorted(values)]


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _damaged_file(path) from error


def _damaged_file(path: Path) -> StoreError:
    return StoreError(f"{path} is missing or damaged", "Run it again with --from predict.")
