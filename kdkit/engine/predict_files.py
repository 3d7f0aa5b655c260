"""Applying a trained student to a user's files."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.data import Dataset

from kdkit.contracts.component import file_digest, fingerprint_of
from kdkit.contracts.domain import Domain
from kdkit.engine.inference import infer_logits
from kdkit.engine.prediction_log import FileResult, PredictionLog, digest_of
from kdkit.engine.sample_prediction import SampleOrReason, SamplePredictor, predict_samples
from kdkit.errors import DataError, UsageError
from kdkit.plugins.registry import discover
from kdkit.plugins.single_file import load_domain_file
from kdkit.progress import Bar
from kdkit.recipe.schema import Hardware
from kdkit.runs.student import WEIGHTS, TrainedStudent, read_student
from kdkit.sample import Sample
from kdkit.store.targets import activate
from kdkit.workers import map_in_processes, usable_cores

# A process needs some seconds to load torch; fewer files are predicted sooner without.
FEWEST_FILES_FOR_WORKERS = 12
# Bytes of a result's name before its end. Disks allow 255 in all; while a file is written its name is longer.
LONGEST_STEM = 200


@dataclass
class FilesOutcome:
    """What came of each file: a row of the summary, or the reason why it was skipped.

    ``items``: how many items (frames, say) were predicted; ``kept``: how many files had been predicted before.
    """

    rows: list[Mapping[str, Any]] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    items: int = 0
    kept: int = 0


def list_inputs(domain: Domain, paths: Sequence[Path]) -> list[Path]:
    """The files named, and those in the folders named that the domain recognises, in order.

    A folder that may not be read is among them: reading it fails, and it is named as what was skipped.
    """
    files: list[Path] = []
    for path in paths:
        if _is_folder(path):
            files.extend(sorted(_inputs_in(domain, path)))
        else:
            files.append(path)
    return list(dict.fromkeys(files))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # it lies in a folder that may not be read, which is said when it is read itself
        return False


def _inputs_in(domain: Domain, folder: Path) -> Iterator[Path]:
    unreadable: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=lambda error: unreadable.append(Path(error.filename))):
        # Nobody means hidden ones: macOS leaves ._clip.avi beside clip.avi.
        folders[:] = [name for name in folders if not name.startswith(".")]
        files = (Path(parent, name) for name in names if not name.startswith("."))
        yield from (file for file in files if file.is_file() and domain.recognises(file))
    yield from unreadable


def predict_files(
    student: TrainedStudent, paths: Sequence[Path], out: Path, hardware: Hardware, bar: Bar
) -> FilesOutcome:
    """Predict each file and write the domain's files for it and ``summary.csv`` into ``out``.

    What was predicted before, by content, student and options, is not predicted again. A file that cannot be read, or
    that the student cannot take, is skipped with its reason. On a processor many files are shared among
    ``hardware.workers`` processes. Raises :class:`kdkit.errors.UsageError` when ``out`` is the folder of a file
    itself, which its results could replace, and :class:`kdkit.errors.StoreError` when ``out`` cannot be written.
    """
    neighbours = [path for path in paths if path.parent.resolve() == out.resolve()]
    if neighbours:
        raise UsageError(f"the results would be written beside {neighbours[0]}", "Choose another folder with --out.")
    stems = _stems(paths, out)
    log = PredictionLog(out, _key(student), paths)
    remaining = [path for path in paths if not log.has(path)]
    bar.advance(len(paths) - len(remaining))
    try:
        workers = _worker_count(hardware, len(remaining))
        if workers > 1:
            for result in _predict_in_processes(student, remaining, stems, workers):
                log.add(result)
                bar.advance()
        elif remaining:
            consumer = _ResultWriter(student.domain, stems, log, bar)
            files = _FileSamples(student.domain, remaining)
            predict_samples(_FilePredictor(student), files, consumer, hardware, out)
    finally:
        if log.results():
            log.write_summary()
    results = log.results()
    return FilesOutcome(
        rows=[{"file": result.file, **result.row} for result in results if not result.skipped],
        skipped=[(Path(result.file), result.skipped) for result in results if result.skipped],
        items=sum(result.items for result in results),
        kept=len(paths) - len(remaining),
    )


def _key(student: TrainedStudent) -> str:
    """What the results depend on beside the files."""
    return fingerprint_of(
        weights=file_digest(student.folder / WEIGHTS),
        student=[student.card["component"], student.card["options"]],
        domain=student.domain.fingerprint(),
        outputs=student.domain.options.model_dump(mode="json"),
    )


def _worker_count(hardware: Hardware, files: int) -> int:
    """How many processes share the files; 1 where an accelerator does the work, or there are too few files."""
    on_processor = hardware.accelerator == "cpu" or (
        hardware.accelerator == "auto" and not torch.cuda.is_available() and not torch.backends.mps.is_available()
    )
    if not on_processor or files < FEWEST_FILES_FOR_WORKERS:
        return 1
    return min(hardware.workers or usable_cores(), files)


def _predict_in_processes(
    student: TrainedStudent, paths: Sequence[Path], stems: Mapping[Path, Path], workers: int
) -> Iterator[FileResult]:
    """Each file's result as it comes. A file that kills the process that reads it is skipped, and no other."""
    remaining = dict.fromkeys(paths)
    while remaining:
        calls = [_call(student, path, stems[path]) for path in remaining]
        try:
            for result in map_in_processes(_predict_in_worker, calls, min(workers, len(calls))):
                del remaining[Path(result.file)]
                yield result
        except BrokenProcessPool:
            # It was one of those under way: each of them is tried in a process of its own.
            for path in list(itertools.islice(remaining, 2 * workers)):
                yield _predict_alone(_call(student, path, stems[path]))
                del remaining[path]


def _predict_alone(call: tuple[Any, ...]) -> FileResult:
    try:
        (result,) = map_in_processes(_predict_in_worker, [call], 1)
    except BrokenProcessPool:
        path = call[-2]
        reason = "the process that read it was killed; it may be damaged, or too large for the memory"
        return FileResult(str(path), digest_of(path), skipped=reason)
    return result


def _call(student: TrainedStudent, path: Path, stem: Path) -> tuple[Any, ...]:
    options = student.domain.options.model_dump(mode="json")
    return student.folder, student.domain_file, tuple(options.items()), path, stem


def _predict_in_worker(
    folder: Path, domain_file: Path | None, options: tuple[tuple[str, Any], ...], path: Path, stem: Path
) -> FileResult:
    student = _load_in_worker(folder, domain_file, options)
    sample = _read_sample(student.domain, path)
    return _write_result(student.domain, path, sample, _predict_sample(student, sample, torch.device("cpu")), stem)


@lru_cache(maxsize=1)
def _load_in_worker(folder: Path, domain_file: Path | None, options: tuple[tuple[str, Any], ...]) -> TrainedStudent:
    registry = discover()
    if domain_file:
        load_domain_file(registry, domain_file)
    return read_student(registry, folder).with_outputs(dict(options))


def _read_sample(domain: Domain, path: Path) -> SampleOrReason:
    """The file's sample, or the reason why it cannot be read."""
    try:
        return domain.read(path)
    except DataError as error:
        return error.line.removeprefix(f"{path}").lstrip(": ")


def _predict_sample(student: TrainedStudent, sample: SampleOrReason, device: torch.device) -> Any:
    """The prediction, or the reason why there is none."""
    if isinstance(sample, str):
        return sample
    try:
        (logits,) = infer_logits(student.network, [sample.inputs], device)
    except Exception as error:  # a network says in many ways that an input does not fit
        lines = str(error).strip().splitlines()
        return f"the student cannot take it: {lines[0] if lines else type(error).__name__}"
    return activate(logits, student.domain.activation)


def _write_result(domain: Domain, path: Path, sample: SampleOrReason, prediction: Any, stem: Path) -> FileResult:
    if isinstance(sample, str) or isinstance(prediction, str):
        return FileResult(str(path), digest_of(path), skipped=str(prediction))
    assert isinstance(sample, Sample)
    row = domain.write(path, sample, prediction, stem)
    # As text: making a path of each entry, for each file, takes long in a folder of ten thousand results.
    names = os.listdir(stem.parent)  # noqa: PTH208
    written = sorted(name for name in names if name.startswith(f"{stem.name}."))
    return FileResult(str(path), digest_of(path), dict(row), domain.items(sample), "", written)


class _FileSamples(Dataset[tuple[Path, SampleOrReason]]):
    """Each file's sample, or the reason why it cannot be read."""

    def __init__(self, domain: Domain, paths: Sequence[Path]) -> None:
        self.domain = domain
        self.paths = list(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, item: int) -> tuple[Path, SampleOrReason]:
        return self.paths[item], _read_sample(self.domain, self.paths[item])


class _FilePredictor(SamplePredictor):
    """A student: of each sample its prediction, or the reason why there is none."""

    def __init__(self, student: TrainedStudent) -> None:
        super().__init__()
        self.network = student.network
        self.student = student

    def predict_step(self, batch: tuple[Path, SampleOrReason], batch_idx: int) -> Any:
        return _predict_sample(self.student, batch[1], self.device)


class _ResultWriter(Callback):
    """Writes the domain's files for each prediction, and logs what came of each file."""

    def __init__(self, domain: Domain, stems: Mapping[Path, Path], log: PredictionLog, bar: Bar) -> None:
        self.domain = domain
        self.stems = stems
        self.results = log
        self.bar = bar

    def on_predict_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        path, sample = batch
        self.results.add(_write_result(self.domain, path, sample, outputs, self.stems[path]))
        self.bar.advance()


def _stems(paths: Sequence[Path], out: Path) -> dict[Path, Path]:
    """Where each file's results go; files of the same name in different folders are numbered.

    So are names that differ in upper and lower case only, as not every disk tells them apart. A name that leaves no
    room for the end of a result's name is cut, and points before it are left out: two of them name a folder.
    """
    stems: dict[Path, Path] = {}
    used_names = set()
    for path in paths:
        base = _plain_name(path.stem)
        names = (base if number == 1 else f"{base}-{number}" for number in itertools.count(1))
        stem = next(name for name in names if name.casefold() not in used_names)
        used_names.add(stem.casefold())
        stems[path] = out / stem
    return stems


def _plain_name(name: str) -> str:
    """A name that every library can write, and that is no folder's: of bytes that are no UTF-8 a sign is left."""
    name = os.fsencode(name).decode(errors="replace").lstrip(".") or "_"
    while len(os.fsencode(name)) > LONGEST_STEM:
        name = name[:-1]
    return name
