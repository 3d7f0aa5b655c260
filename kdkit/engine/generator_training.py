"""Training a generator on a user's data."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdkit.atomic import read_json, write_json
from kdkit.content import folder_digest
from kdkit.contracts.component import file_digest, fingerprint_of, origin_of
from kdkit.contracts.trainable import TrainableGenerator, TrainingSession
from kdkit.errors import DataError, UsageError
from kdkit.plugins.registry import Registry
from kdkit.progress import Progress
from kdkit.recipe.load import load_training
from kdkit.recipe.schema import Hardware

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer

RECORD = "training.json"


@dataclass(frozen=True)
class GeneratorTraining:
    """A training of a generator on ``data`` into ``folder``, which nothing has begun yet.

    ``record``: what is written down of it, by which it is known again.
    """

    component: type[TrainableGenerator]
    options: Any
    hardware: Hardware
    data: Path
    folder: Path
    seed: int
    record: Mapping[str, Any]

    def prepare_folder(self, kept: Collection[str], fresh: bool = False) -> None:
        """Make it one to train in: empty, or with what an interrupted training of the same kind left there.

        ``kept``: names of what lies there and is no part of a training. ``fresh``: another training is removed.
        Raises :class:`UsageError` when it holds another training, or anything else.
        """
        _prepare_folder(self.folder, self.record, kept, fresh)

    def run(self, progress: Progress, start: Callable[[], None]) -> Mapping[str, Any]:
        """Train; the options that use what came of it. ``start`` is called before each Trainer is made."""
        from kdkit.engine.trainer import interruptible, make_trainer

        def trainer(callbacks: Sequence[Any], **arguments: Any) -> Trainer:
            start()
            return make_trainer(self.hardware, self.folder, callbacks, **arguments)

        def run(trainer: Trainer, module: LightningModule, batches: Any, checkpoint: Path | None) -> None:
            with interruptible(trainer):
                trainer.fit(module, batches, ckpt_path=checkpoint and str(checkpoint), weights_only=True)

        import lightning

        lightning.seed_everything(self.seed, verbose=False)
        session = TrainingSession(self.seed, progress, trainer, run)
        return self.component.train(self.data, self.folder, self.options, session)


def load_generator_training(
    registry: Registry,
    name: str,
    data: Path,
    folder: Path,
    settings: Sequence[str],
    seed: int,
    progress: Progress,
) -> GeneratorTraining:
    """The training that a command describes. Raises :class:`DataError` when there is no such data."""
    cls, options, hardware = load_training(registry, name, settings)
    if not data.exists():
        raise DataError(f"{data} does not exist")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", "Choose a folder with --out.")
    origin = origin_of(cls)
    record = {
        "generator": name,
        "fingerprint": fingerprint_of(
            component=origin.name,
            version=cls.version,
            digest=origin.digest,
            options=options.model_dump(mode="json"),
            seed=seed,
            data=file_digest(data) if data.is_file() else folder_digest(data, progress),
        ),
        "seed": seed,
        "options": options.model_dump(mode="json"),
    }
    return GeneratorTraining(cls, options, hardware, data, folder, seed, record)


def _prepare_folder(folder: Path, record: Mapping[str, Any], kept: Collection[str], fresh: bool) -> None:
    parts = [path for path in folder.iterdir() if path.name not in kept] if folder.is_dir() else []
    earlier = read_json(folder / RECORD)
    is_training = isinstance(earlier, dict) and {"generator", "fingerprint"} <= set(earlier)
    # A training that was refused at once, for its data say, has left nothing but the record.
    has_files = any(
        path.name != RECORD and (path.is_file() or any(map(Path.is_file, path.rglob("*")))) for path in parts
    )
    if has_files or (earlier and not is_training):
        if not is_training:
            raise UsageError(f"{folder} is not empty, and holds no training", "Choose another folder with --out.")
        if fresh:
            for path in parts:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        elif earlier["fingerprint"] != record["fingerprint"]:
            raise UsageError(
                f"{folder} holds a training with other data, options or code",
                "Begin it anew with --fresh, or choose another folder with --out.",
            )
    write_json(folder / RECORD, record)
