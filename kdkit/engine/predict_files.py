"""Applying a trained student to a user's files."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kdkit.contracts.component import file_digest, fingerprint_of
from kdkit.engine.file_prediction import UNFINISHED, StudentAddress, address_of, predict_file, predict_with
from kdkit.engine.inputs import choose_stems, find_copies
from kdkit.engine.prediction_log import FileResult, PredictionLog, digest_of, stamp_of, summary_row
from kdkit.engine.processor import is_plain_processor
from kdkit.errors import UsageError
from kdkit.owner import sweep
from kdkit.progress import Bar
from kdkit.recipe.schema import Hardware
from kdkit.runs.student import WEIGHTS, TrainedStudent
from kdkit.workers import map_in_processes, usable_cores

PRELOAD = ("kdkit.engine.file_prediction",)
# A process needs some seconds to load torch; fewer files are predicted sooner without.
FEWEST_FILES_FOR_WORKERS = 12


@dataclass
class FilesOutcome:
    """What came of each file: a row of the summary, or the reason why it was skipped.

    ``items``: how many items (frames, say) were predicted; ``kept``: how many files had been predicted before.
    """

    rows: list[Mapping[str, Any]] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    items: int = 0
    kept: int = 0


def open_log(student: TrainedStudent, paths: Sequence[Path], out: Path, bar: Bar) -> PredictionLog:
    """The results of these files in ``out`` so far: those of the same content, student and options.

    Raises :class:`kdkit.errors.UsageError` when ``out`` is the folder of a file itself, which its results could
    replace, and :class:`kdkit.errors.StoreError` when ``out`` cannot be written.
    """
    own = out.resolve()
    parents = {parent: path for path in paths for parent in [path.parent]}
    neighbours = [path for parent, path in parents.items() if parent.resolve() == own]
    if neighbours:
        raise UsageError(f"the results would be written beside {neighbours[0]}", "Choose another folder with --out.")
    return PredictionLog(out, _key(student), paths, bar)


def predict_files(
    student: TrainedStudent, paths: Sequence[Path], log: PredictionLog, hardware: Hardware, bar: Bar
) -> FilesOutcome:
    """Predict each file that the ``log`` lacks, and write the domain's files for it into the log's folder.

    Of files of the same content the first is predicted; the others get its row, which names it. A file that cannot
    be read, or that the student cannot take, is skipped with its reason. On a processor many files
    are shared among ``hardware.workers`` processes. Raises :class:`kdkit.errors.StoreError` when the folder cannot be
    written.
    """
    remaining = [path for path in paths if not log.has(path)]
    copies = find_copies(remaining)
    to_predict = [path for path in remaining if str(path) not in copies]
    stems = choose_stems(to_predict, log.out, log.stems())
    copies_of: dict[str, list[str]] = {}
    for copy, original in copies.items():
        copies_of.setdefault(original, []).append(copy)
    sweep(log.out.glob(f"{UNFINISHED}*"))  # what killed processes had begun to write

    def keep(result: FileResult) -> None:
        log.add(result)
        bar.advance()
        for copy in copies_of.get(result.file, ()):
            log.add(replace(result, file=copy, stamp=stamp_of(Path(copy)), items=0, duplicate_of=result.file))
            bar.advance()

    if to_predict and is_plain_processor(hardware):
        for result in _predict_on_processor(student, to_predict, stems, hardware):
            keep(result)
    elif to_predict:
        from kdkit.engine.device_prediction import predict_on_device

        predict_on_device(student, to_predict, stems, hardware, log.out, keep)
    results = log.results()
    return FilesOutcome(
        rows=[summary_row(result) for result in results if not result.skipped],
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


def _predict_on_processor(
    student: TrainedStudent, paths: Sequence[Path], stems: Mapping[Path, Path], hardware: Hardware
) -> Iterator[FileResult]:
    workers = min(hardware.workers or usable_cores(), len(paths))
    if workers == 1 or len(paths) < FEWEST_FILES_FOR_WORKERS:
        return (predict_with(student, path, stems[path]) for path in paths)
    return _predict_in_processes(student, paths, stems, workers)


def _predict_in_processes(
    student: TrainedStudent, paths: Sequence[Path], stems: Mapping[Path, Path], workers: int
) -> Iterator[FileResult]:
    """Each file's result as it comes. A file that kills the process that reads it is skipped, and no other."""
    address = address_of(student)
    remaining = dict.fromkeys(paths)
    while remaining:
        calls = [(address, path, stems[path]) for path in remaining]
        try:
            for result in map_in_processes(predict_file, calls, min(workers, len(calls)), preload=PRELOAD):
                del remaining[Path(result.file)]
                yield result
        except BrokenProcessPool:
            # It was one of those under way: each of them is tried in a process of its own.
            for path in list(itertools.islice(remaining, 2 * workers)):
                yield _predict_alone((address, path, stems[path]))
                del remaining[path]


def _predict_alone(call: tuple[StudentAddress, Path, Path]) -> FileResult:
    try:
        (result,) = map_in_processes(predict_file, [call], 1)
    except BrokenProcessPool:
        path = call[1]
        reason = "the process that read it was killed; it may be damaged, or too large for the memory"
        return FileResult(str(path), digest_of(path), stamp_of(path), skipped=reason)
    return result
