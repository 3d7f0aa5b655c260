"""What processes that were killed have left behind, removed when the next one begins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from kdkit.atomic import PARTIAL
from kdkit.errors import StoreError
from kdkit.owner import sweep as sweep_paths
from kdkit.runs.lock import LOCK
from kdkit.runs.run import Run
from kdkit.stages import ranks
from kdkit.stages.ranks import RANKS


def sweep(run: Run) -> None:
    """Remove half-written files of dead processes from a run's folder and from what it shares in the store."""
    for folder in _folders(run):
        sweep_paths(folder.glob(f".*{PARTIAL}"))
    with suppress(OSError):  # it is not there, or holds those of a training that was cut off
        run.folder.checkpoints("").rmdir()


def sweep_finished(run: Run) -> None:
    """As :func:`sweep`, of a run that is whole: what a process left that was killed in its last moments.

    Nothing happens where nothing was left, or the folder cannot be written.
    """
    folder = run.folder.path
    if any(folder.glob(f".*{PARTIAL}")) or (folder / LOCK).exists() or (folder / RANKS).exists():
        with suppress(StoreError), ranks.take_part(folder):
            sweep(run)


def _folders(run: Run) -> Iterator[Path]:
    root = run.folder.path
    yield root
    if root.is_dir():
        yield from (path for path in root.rglob("*") if path.is_dir())
    yield from (samples.store.folder for samples in run.sample_sets())
    yield from (part.targets.folder for part in run.labelled_splits())
