"""Files shared among processes, on the processor's cores or one device each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from kdkit.engine.file_prediction import Batch, address_of, predict_batch
from kdkit.engine.prediction_log import FileResult, digest_of, stamp_of
from kdkit.recipe.schema import Hardware
from kdkit.runs.student import TrainedStudent
from kdkit.workers import map_in_processes

_PRELOAD = ("kdkit.engine.file_prediction",)
# Lightning prepares a device for each batch of files anew.
_MOST_IN_BATCH = 8


def predict_on_cores(
    student: TrainedStudent, paths: Sequence[Path], stems: Mapping[Path, Path], workers: int
) -> Iterator[FileResult]:
    """Each file's result as it comes, from so many processes. One that kills its process is skipped, and no other."""
    address = address_of(student)
    batches = [[(path, stems[path])] for path in paths]
    yield from _predict_in_processes(predict_batch, batches, lambda batch: (address, batch), workers, _PRELOAD)


def predict_on_devices(
    student: TrainedStudent,
    paths: Sequence[Path],
    stems: Mapping[Path, Path],
    hardware: Hardware,
    devices: Sequence[int],
) -> Iterator[FileResult]:
    """As :func:`predict_on_cores`, from a process for each of these devices."""
    from kdkit.engine.device_prediction import predict_batch_on_device

    address = address_of(student)
    length = max(1, min(_MOST_IN_BATCH, len(paths) // (4 * len(devices))))
    pairs = [(path, stems[path]) for path in paths]
    batches = [pairs[start : start + length] for start in range(0, len(pairs), length)]
    yield from _predict_in_processes(
        predict_batch_on_device, batches, lambda batch: (address, batch, hardware, devices), len(devices), ()
    )


def _predict_in_processes(
    call: Callable[..., list[FileResult]],
    batches: Sequence[Batch],
    arguments: Callable[[Batch], tuple[Any, ...]],
    workers: int,
    preload: Sequence[str],
) -> Iterator[FileResult]:
    remaining = {str(batch[0][0]): batch for batch in batches}
    while remaining:
        calls = [arguments(batch) for batch in remaining.values()]
        try:
            for results in map_in_processes(call, calls, min(workers, len(calls)), preload=preload):
                del remaining[results[0].file]
                yield from results
        except BrokenProcessPool:
            # It was a file of those under way: each of them is tried in a process of its own.
            for first, batch in list(itertools.islice(remaining.items(), 2 * workers)):
                yield from (_predict_alone(call, arguments([pair]), pair[0]) for pair in batch)
                del remaining[first]


def _predict_alone(call: Callable[..., list[FileResult]], arguments: tuple[Any, ...], path: Path) -> FileResult:
    try:
        ((result,),) = map_in_processes(call, [arguments], 1)
    except BrokenProcessPool as error:
        reason = f"the process that read it {error}; it may be damaged, or too large"
        return FileResult(str(path), digest_of(path), stamp_of(path), skipped=reason)
    return result
