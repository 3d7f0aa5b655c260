"""From a user's files to a folder of results: the domain's files, a table, and a page to look at."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from kdkit.engine.predict_files import FilesOutcome, open_log, predict_files
from kdkit.engine.prediction_log import PredictionLog
from kdkit.errors import StoreError
from kdkit.pages.predictions import write_page
from kdkit.progress import Bar
from kdkit.recipe.schema import Hardware
from kdkit.runs.student import TrainedStudent


def predict_to_folder(
    student: TrainedStudent, paths: Sequence[Path], out: Path, hardware: Hardware, bar: Bar
) -> FilesOutcome:
    """Predict each file that was not predicted before; table and page are written however the work ends.

    Raises what :func:`kdkit.engine.predict_files.open_log` and :func:`~kdkit.engine.predict_files.predict_files` do.
    """
    log = open_log(student, paths, out, bar)
    try:
        outcome = predict_files(student, paths, log, hardware, bar)
    except BaseException:
        # On a full disk these cannot be written either: the first reason is the one to be told.
        with contextlib.suppress(StoreError):
            _write_overview(student, log)
        raise
    _write_overview(student, log)
    return outcome


def _write_overview(student: TrainedStudent, log: PredictionLog) -> None:
    if log.results():
        log.write_summary()
        write_page(log.out, str(student.card["component"]), student.domain, log.results())
        log.remove_leftovers()
