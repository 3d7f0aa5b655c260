"""Training a generator in a folder of its own: one writer, and as many processes as its hardware has devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kdkit import launch
from kdkit.engine.generator_training import GeneratorTraining, load_generator_training
from kdkit.plugins.registry import Registry
from kdkit.progress import Progress, Silence
from kdkit.runs.lock import LOCK
from kdkit.stages import ranks
from kdkit.stages.ranks import RANKS, Group

_NAME = "train"


def train_generator(
    registry: Registry,
    name: str,
    data: Path,
    folder: Path,
    settings: Sequence[str],
    seed: int,
    progress: Progress,
    fresh: bool = False,
) -> Mapping[str, Any] | None:
    """Train the generator called ``name`` on ``data`` into ``folder``; the options that use what came of it.

    A training that was cut off goes on. None in a process that only trains along with the first.
    Raises :class:`kdkit.KdkitError` when ``folder`` holds a training with other data, options or code (``fresh``
    begins it anew), or anything else, when another process trains there, or there is no such data.
    """
    training = load_generator_training(registry, name, data, folder, settings, seed, progress)
    if launch.rank() != 0 and ranks.place().size == 1:  # the first one on another machine
        launch.start_processes(*_count_processes(training))
    with ranks.take_part(folder) as group:
        if group.leads:
            training.prepare_folder((LOCK, RANKS), fresh)
            return training.run(progress, lambda: _start_others(group, training))
        for _ in group.announced_stages():
            training.run(Silence(), lambda: None)
    return None


def _start_others(group: Group, training: GeneratorTraining) -> None:
    """Once what the first process alone does, reading the data, is done, the others train along."""
    if not group.has_announced():
        group.start(*_count_processes(training))
        group.announce(_NAME)


def _count_processes(training: GeneratorTraining) -> tuple[int, int]:
    from kdkit.engine.trainer import count_processes

    return count_processes(training.hardware, training.folder)
