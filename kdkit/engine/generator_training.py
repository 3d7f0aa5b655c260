"""Training a generator on a user's data."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdkit.atomic import read_json, write_json
from kdkit.content import folder_digest
from kdkit.contracts.component import file_digest, fingerprint_of, origin_of
from kdkit.contracts.trainable import TrainingSession
from kdkit.errors import DataError, UsageError
from kdkit.plugins.registry import Registry
from kdkit.progress import Progress
from kdkit.recipe.load import load_training

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer

RECORD = "training.json"


def train_generator(
    registry: Registry,
    name: str,
    data: Path,
    folder: Path,
    settings: Sequence[str],
    seed: int,
    progress: Progress,
    fresh: bool = False,
) -> Mapping[str, Any]:
    """Train the generator called ``name`` on ``data`` into ``folder``; the options that use what came of it.

    A training that was cut off goes on. Raises :class:`UsageError` when ``folder`` holds a training with other data,
    options or code (``fresh`` begins it anew), or anything else; :class:`DataError` when there is no such data.
    """
    cls, options, hardware = load_training(registry, name, settings)
    if not data.exists():
        raise DataError(f"{data} does not exist")
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
    _prepare_folder(folder, record, fresh)

    from kdkit.engine.trainer import interruptible, make_trainer

    def trainer(callbacks: Sequence[Any], **arguments: Any) -> Trainer:
        return make_trainer(hardware, folder, callbacks, **arguments)

    def run(trainer: Trainer, module: LightningModule, batches: Any, checkpoint: Path | None) -> None:
        with interruptible(trainer):
            trainer.fit(module, batches, ckpt_path=checkpoint and str(checkpoint), weights_only=True)

    import lightning

    lightning.seed_everything(seed, verbose=False)
    return cls.train(data, folder, options, TrainingSession(seed, progress, trainer, run))


def _prepare_folder(folder: Path, record: Mapping[str, Any], fresh: bool) -> None:
    """Empty, or with what an interrupted training of the same kind left there."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", "Choose a folder with --out.")
    earlier = read_json(folder / RECORD)
    is_training = isinstance(earlier, dict) and {"generator", "fingerprint"} <= set(earlier)
    # A training that was refused at once, for its data say, has left nothing but the record.
    if any(path.is_file() and path != folder / RECORD for path in folder.rglob("*")) or (earlier and not is_training):
        if not is_training:
            raise UsageError(f"{folder} is not empty, and holds no training", "Choose another folder with --out.")
        if fresh:
            shutil.rmtree(folder)
        elif earlier["fingerprint"] != record["fingerprint"]:
            raise UsageError(
                f"{folder} holds a training with other data, options or code",
                "Begin it anew with --fresh, or choose another folder with --out.",
            )
    write_json(folder / RECORD, record)
