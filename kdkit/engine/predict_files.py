"""Applying a trained student to a user's files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kdkit.contracts.component import file_digest, fingerprint_of
from kdkit.engine.file_prediction import UNFINISHED, predict_with
from kdkit.engine.inputs import choose_stems, find_copies
from kdkit.engine.prediction_log import FileResult, PredictionLog, stamp_of, summary_row
from kdkit.engine.processor import is_plain_processor
from kdkit.engine.shared_prediction import predict_on_cores, predict_on_devices
from kdkit.errors import UsageError
from kdkit.owner import sweep
from kdkit.progress import Bar
from kdkit.recipe.schema import Hardware
from kdkit.runs.student import WEIGHTS, TrainedStudent
from kdkit.workers import usable_cores

# A process needs some seconds to load torch; fewer files are predicted sooner without.
FEWEST_FILES_FOR_WORKERS = 12


@dataclass
class FilesOutcome:
    """What came of each file: a row of the summary, or the reason why it was skipped.

    ``items``: how many items (frames, say) were predicted; ``kept``: how many files had been predicted before.
    ``result_folders``: folders that were not searched, as they hold results.
    """

    rows: list[Mapping[str, Any]] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    items: int = 0
    kept: int = 0
    result_folders: Sequence[Path] = ()


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
    are shared among ``hardware.workers`` or ``hardware.devices`` processes, one for each core by default; elsewhere
    among the devices, by default one. Raises :class:`kdkit.errors.StoreError` when the folder cannot be written, and
    :class:`kdkit.errors.UsageError` when the machine does not have the hardware.
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

    if to_predict:
        _predict(student, to_predict, stems, hardware, log.out, keep)
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


def _predict(
    student: TrainedStudent,
    paths: Sequence[Path],
    stems: Mapping[Path, Path],
    hardware: Hardware,
    out: Path,
    keep: Callable[[FileResult], None],
) -> None:
    if is_plain_processor(hardware):
        results: Iterable[FileResult] = _predict_on_processor(student, paths, stems, hardware, out)
    else:
        from kdkit.engine.device_prediction import list_devices, predict_on_device

        # Without a word of the user's there is one: others may need the rest of the machine.
        chosen = hardware.model_copy(update={"devices": 1}) if hardware.devices == "auto" else hardware
        chosen, devices = list_devices(chosen, out)
        if len(devices) == 1:
            predict_on_device(student, paths, stems, chosen, out, keep)
            return
        results = predict_on_devices(student, paths, stems, chosen, devices)
    for result in results:
        keep(result)


def _predict_on_processor(
    student: TrainedStudent, paths: Sequence[Path], stems: Mapping[Path, Path], hardware: Hardware, out: Path
) -> Iterable[FileResult]:
    workers = min(_count_workers(hardware, out), len(paths))
    if workers == 1 or len(paths) < FEWEST_FILES_FOR_WORKERS:
        return (predict_with(student, path, stems[path]) for path in paths)
    return predict_on_cores(student, paths, stems, workers)


def _count_workers(hardware: Hardware, out: Path) -> int:
    """Processes: as many as ``workers`` says, else ``devices``, else one for each core."""
    if hardware.workers or hardware.devices == "auto":
        return hardware.workers or usable_cores()
    from kdkit.engine.device_prediction import list_devices

    return len(list_devices(hardware, out)[1])
