"""Applying a trained student to a user's files."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.data import Dataset

from kdkit.atomic import write_csv, write_text
from kdkit.contracts.domain import Domain
from kdkit.engine.inference import infer_logits
from kdkit.engine.sample_prediction import SampleOrReason, SamplePredictor, predict_samples
from kdkit.errors import DataError, UsageError
from kdkit.progress import Bar
from kdkit.recipe.schema import Hardware
from kdkit.runs.student import TrainedStudent
from kdkit.store.targets import activate

SUMMARY = "summary.csv"


@dataclass
class FilesOutcome:
    """What came of each file: a row of the summary, or the reason why it was skipped."""

    rows: list[Mapping[str, Any]] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    items: int = 0


def list_inputs(domain: Domain, paths: Sequence[Path]) -> list[Path]:
    """The files named, and those in the folders named that the domain recognises, in order."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = (file for file in sorted(path.rglob("*")) if not _is_hidden(file.relative_to(path)))
            files.extend(file for file in inside if file.is_file() and domain.recognises(file))
        else:
            files.append(path)
    return list(dict.fromkeys(files))


def _is_hidden(path: Path) -> bool:
    """Whether nobody means this file: macOS leaves ._clip.avi beside clip.avi."""
    return any(part.startswith(".") for part in path.parts)


def predict_files(
    student: TrainedStudent, paths: Sequence[Path], out: Path, hardware: Hardware, bar: Bar
) -> FilesOutcome:
    """Predict each file and write the domain's files for it and ``summary.csv`` into ``out``.

    A file that cannot be read, or that the student cannot take, is skipped with its reason. Raises
    :class:`kdkit.errors.UsageError` when ``out`` is the folder of a file itself, which its results could replace, and
    :class:`kdkit.errors.StoreError` when ``out`` cannot be written.
    """
    neighbours = [path for path in paths if path.parent.resolve() == out.resolve()]
    if neighbours:
        raise UsageError(f"the results would be written beside {neighbours[0]}", "Choose another folder with --out.")
    write_text(out / SUMMARY, "")
    outcome = FilesOutcome()
    writer = _ResultWriter(student.domain, _stems(paths, out), outcome, bar)
    predict_samples(_FilePredictor(student), _FileSamples(student.domain, paths), writer, hardware, out)
    if outcome.rows:
        write_csv(out / SUMMARY, outcome.rows)
    else:
        (out / SUMMARY).unlink()
    return outcome


class _FileSamples(Dataset[tuple[Path, SampleOrReason]]):
    """Each file's sample, or the reason why it cannot be read."""

    def __init__(self, domain: Domain, paths: Sequence[Path]) -> None:
        self.domain = domain
        self.paths = list(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, item: int) -> tuple[Path, SampleOrReason]:
        path = self.paths[item]
        try:
            return path, self.domain.read(path)
        except DataError as error:
            return path, error.line.removeprefix(f"{path}").lstrip(": ")


class _FilePredictor(SamplePredictor):
    """A student: of each sample its prediction, or the reason why there is none."""

    def __init__(self, student: TrainedStudent) -> None:
        super().__init__()
        self.network = student.network
        self.activation = student.domain.activation

    def predict_step(self, batch: tuple[Path, SampleOrReason], batch_idx: int) -> Any:
        _, sample = batch
        if isinstance(sample, str):
            return sample
        try:
            (logits,) = infer_logits(self.network, [sample.inputs], self.device)
        except Exception as error:  # a network says in many ways that an input does not fit
            lines = str(error).strip().splitlines()
            return f"the student cannot take it: {lines[0] if lines else type(error).__name__}"
        return activate(logits, self.activation)


class _ResultWriter(Callback):
    """Writes the domain's files for each prediction, and notes what came of each file in ``outcome``."""

    def __init__(self, domain: Domain, stems: Mapping[Path, Path], outcome: FilesOutcome, bar: Bar) -> None:
        self.domain = domain
        self.stems = stems
        self.outcome = outcome
        self.bar = bar

    def on_predict_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        path, sample = batch
        if isinstance(outputs, str):
            self.outcome.skipped.append((path, outputs))
        else:
            row = self.domain.write(path, sample, outputs, self.stems[path])
            self.outcome.rows.append({"file": str(path), **row})
            self.outcome.items += self.domain.items(sample)
        self.bar.advance()


def _stems(paths: Sequence[Path], out: Path) -> dict[Path, Path]:
    """Where each file's results go; files of the same name in different folders are numbered."""
    stems: dict[Path, Path] = {}
    used_names = set()
    for path in paths:
        names = (path.stem if number == 1 else f"{path.stem}-{number}" for number in itertools.count(1))
        stem = next(name for name in names if name not in used_names)
        used_names.add(stem)
        stems[path] = out / stem
    return stems
