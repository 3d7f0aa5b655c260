"""Training a student on a teacher's stored answers."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch.utils.data import DataLoader

from kdkit.engine.criterion import Criterion, make_criterion
from kdkit.engine.trainer import interruptible, make_trainer
from kdkit.engine.windows import Shuffled, Windows
from kdkit.errors import DataError, KdkitError
from kdkit.experiment import Experiment
from kdkit.files import write_csv
from kdkit.progress import Bar
from kdkit.recipe.schema import Training
from kdkit.run import Arm

TRAIN, VALIDATION, LOSS = "train", "validation", "loss"
VALIDATION_LOSS = f"{VALIDATION}_{LOSS}"


class Distillation(LightningModule):
    """The student under training. The teacher is in no state dict: its answers come with the batches."""

    def __init__(self, network: torch.nn.Module, criterion: Criterion, training: Training, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self.network = network
        self.criterion = criterion
        self.training_options = training

    def training_step(self, batch: tuple[torch.Tensor, ...], batch_idx: int) -> torch.Tensor:
        loss, terms = self._loss(batch)
        self._note(TRAIN, loss, terms, len(batch[0]))
        return loss

    def validation_step(self, batch: tuple[torch.Tensor, ...], batch_idx: int) -> None:
        self._note(VALIDATION, *self._loss(batch), len(batch[0]))

    def on_fit_start(self) -> None:
        if self.criterion.teacher is not None:
            self.criterion.teacher.to(self.device)

    def on_train_epoch_start(self) -> None:
        loader: Any = self.trainer.train_dataloader
        loader.dataset.epoch = self.current_epoch

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        # Dropout and the like: a resumed training draws what an uninterrupted one would have.
        place = [self.seed, self.current_epoch, batch_idx, self.global_rank]
        torch.manual_seed(int(np.random.default_rng(place).integers(2**63)))

    def configure_optimizers(self) -> Any:
        options = self.training_options
        learned = [*self.network.parameters(), *self.criterion.parameters()]
        optimizer = torch.optim.AdamW(learned, lr=options.learning_rate, weight_decay=options.weight_decay)
        if options.schedule == "constant":
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.learning_rate, total_steps=max(1, steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _loss(self, batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        loss, terms = self.criterion(self.network, *batch)
        if not torch.isfinite(loss):
            raise KdkitError(
                f"the loss is not finite in epoch {self.current_epoch}",
                "Lower training.learning_rate, or look at the samples and targets.",
            )
        return loss, terms

    def _note(self, kind: str, loss: torch.Tensor, terms: dict[str, torch.Tensor], size: int) -> None:
        """Log the loss, and where it is a sum, each term before its weight, as means over the epoch."""
        values = {LOSS: loss, **(terms if len(terms) > 1 else {})}
        named = {f"{kind}_{name}": value for name, value in values.items()}
        self.log_dict(named, on_step=False, on_epoch=True, batch_size=size, sync_dist=True)


@dataclass(frozen=True)
class Outcome:
    """What came of a training."""

    network: torch.nn.Module
    epochs: int
    validation_loss: float


def distill(experiment: Experiment, arm: Arm, checkpoints: Path, history: Path, bar: Bar) -> Outcome:
    """Train a student on an arm's samples; goes on from the newest whole checkpoint of the same arm.

    The network returned has the weights of the epoch with the lowest validation loss.
    """
    recipe = experiment.recipe
    lightning.seed_everything(recipe.seed, verbose=False)
    network = experiment.student.build()
    criterion = make_criterion(experiment, network)
    train, validation = _loaders(experiment, arm)
    criterion.add_adapters(network, train.dataset[0][0].unsqueeze(0))
    module = Distillation(network, criterion, recipe.training, recipe.seed)
    folder = checkpoints / arm.fingerprint
    _drop_others(checkpoints, folder)
    newest = ModelCheckpoint(
        folder, filename="epoch-{epoch}", save_top_k=1, monitor=None, auto_insert_metric_name=False
    )
    best = ModelCheckpoint(
        folder, filename="best-{epoch}", save_top_k=1, monitor=VALIDATION_LOSS, save_weights_only=True
    )
    # The newest checkpoint keeps what the others have noted, so it comes last.
    callbacks: list[Callback] = [_History(history, bar), best, newest]
    if recipe.training.patience is not None:
        callbacks.append(EarlyStopping(VALIDATION_LOSS, patience=recipe.training.patience))
    resume = _newest_whole(folder)
    if resume is not None:
        bar.advance(resume[1])
    trainer = make_trainer(
        recipe.trainer, folder, callbacks, max_epochs=recipe.training.epochs, num_sanity_val_steps=0
    )
    with interruptible(trainer):
        trainer.fit(module, train, validation, ckpt_path=resume and str(resume[0]), weights_only=True)
    _load_best(module, Path(best.best_model_path))
    loss = best.best_model_score
    return Outcome(network, trainer.current_epoch, float(loss) if loss is not None else float("nan"))


def _loaders(experiment: Experiment, arm: Arm) -> tuple[DataLoader[Any], DataLoader[Any]]:
    recipe, activation = experiment.recipe, experiment.domain.activation
    options = recipe.training
    train = Windows(arm.training, activation, options.window, recipe.seed)
    validation = Windows(arm.validation, activation, options.window, None)
    # Windows are cut from memory-mapped files: worker processes would only add their start-up time.
    return (
        DataLoader(train, options.batch_size, sampler=Shuffled(len(train), recipe.seed), collate_fn=_stacked),
        DataLoader(validation, options.batch_size, collate_fn=_stacked),
    )


def _stacked(items: list[tuple[torch.Tensor, ...]]) -> tuple[torch.Tensor, ...]:
    first = items[0][0].shape
    for inputs, *_ in items:
        if inputs.shape != first:
            raise DataError(
                f"samples of the shapes {tuple(first)} and {tuple(inputs.shape)} cannot share a batch",
                "Set training.window to the length of the shortest sample, or training.batch_size=1.",
            )
    return tuple(torch.stack(parts) for parts in zip(*items, strict=True))


def _load_best(module: Distillation, path: Path) -> None:
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    module.load_state_dict(state)
    module.cpu()


def _newest_whole(folder: Path) -> tuple[Path, int] | None:
    """The newest checkpoint that can be read, with the number of epochs behind it."""
    for path in sorted(folder.glob("epoch-*.ckpt"), key=lambda p: int(p.stem.partition("-")[2]), reverse=True):
        try:
            torch.load(path, map_location="cpu", weights_only=True)
        except Exception:  # cut off while it was written: torch raises many kinds of errors for that
            path.unlink()
            continue
        return path, int(path.stem.partition("-")[2]) + 1
    return None


def _drop_others(checkpoints: Path, keep: Path) -> None:
    """Checkpoints of a training whose inputs have changed since."""
    for folder in checkpoints.glob("*"):
        if folder != keep:
            shutil.rmtree(folder)


class _History(Callback):
    """Advances the bar and keeps the losses of every epoch in a CSV file."""

    def __init__(self, path: Path, bar: Bar) -> None:
        self.path = path
        self.bar = bar
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        values = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        self.rows.append({"epoch": trainer.current_epoch, **values})
        if trainer.is_global_zero:
            write_csv(self.path, self.rows)
        self.bar.advance(1, f"val {values[VALIDATION_LOSS]:.4f}")

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows = list(state["rows"])
