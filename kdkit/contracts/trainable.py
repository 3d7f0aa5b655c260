"""The contract of a generator that users can train on data of their own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdkit.contracts.component import ComponentOptions
from kdkit.contracts.generator import Generator
from kdkit.progress import Progress


@dataclass(frozen=True)
class TrainingSession:
    """What a generator trains with.

    ``seed``: of everything that is drawn at random. ``progress``: where it reports what it is doing.
    ``trainer(callbacks, **arguments)``: a Lightning Trainer on the hardware that the user chose, without a logger,
    bar or checkpoints of its own. ``run(trainer, module, batches, checkpoint)``: fits the LightningModule, from the
    checkpoint where there is one; an interruption reaches the user as one.
    """

    seed: int
    progress: Progress
    trainer: Callable[..., Any]
    run: Callable[[Any, Any, Any, Path | None], None]


class TrainableGenerator(Generator):
    """A generator whose model a user can train: ``kdkit train-generator NAME --data FOLDER``.

    ``TrainingOptions``: what there is to choose about the training, as ``Options`` is about the samples.

    Example::

        class Average(TrainableGenerator):
            '''The mean of a folder's images, a little brighter or darker.'''

            class Options(ComponentOptions):
                path: Path = Field(description="Folder that was trained into.")

            class TrainingOptions(ComponentOptions):
                limit: int = Field(1000, ge=1, description="Images to read, at most.")

            @classmethod
            def train(cls, data, folder, options, session):
                paths = sorted(data.glob("*.npy"))[: options.limit]
                np.save(folder / "mean.npy", np.mean([np.load(path) for path in paths], axis=0))
                return {"path": folder}
    """

    class TrainingOptions(ComponentOptions):
        """No options."""

    @classmethod
    @abstractmethod
    def train(cls, data: Path, folder: Path, options: Any, session: TrainingSession) -> Mapping[str, Any]:
        """Train on ``data``, which is only read, into ``folder``; return the options that use what came of it.

        ``options`` is an instance of ``TrainingOptions``. The folder is empty, or holds what an interrupted training
        with the same data, options and seed left there: go on from it. Raises :class:`kdkit.DataError` when the data
        cannot serve.
        """
