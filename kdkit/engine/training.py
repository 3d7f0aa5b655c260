"""Training a student: on stored targets, or against an adversary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch.utils.data import DataLoader

from kdkit.atomic import write_csv
from kdkit.contracts.adversary import Adversary
from kdkit.engine.adversarial import AdversarialDistillation, EpochLength
from kdkit.engine.checkpoints import drop_checkpoints, find_resume_point
from kdkit.engine.criterion import make_criterion
from kdkit.engine.distillation import VALIDATION_LOSS, Distillation
from kdkit.engine.readers import ReadAhead
from kdkit.engine.trainer import interruptible, make_trainer
from kdkit.engine.windows import OrderedSampler, Share, SharedBatches, ShuffledSampler, Windows
from kdkit.errors import DataError, PluginError, UsageError
from kdkit.plugins.calls import call, title_of
from kdkit.progress import Bar
from kdkit.recipe.experiment import Experiment
from kdkit.runs.run import Arm, LabelledSplit

# Processes that read batches ahead of a GPU, for training and for validation.
GPU_READERS = 2


@dataclass(frozen=True)
class Outcome:
    """What came of a training; ``history``: the losses of every epoch by their names."""

    network: torch.nn.Module
    epochs: int
    validation_loss: float
    history: list[dict[str, float]]


def distill(
    experiment: Experiment, arm: Arm, checkpoints: Path, history: Path, bar: Bar, say: Callable[[str], None]
) -> Outcome | None:
    """Train an arm's student; goes on from the newest whole checkpoint of the same arm, or ``say`` why it cannot.

    The network returned has the weights of the epoch with the lowest validation loss; against an adversary, whose
    samples become harder from epoch to epoch, those of the last. Of several processes the first one has the outcome,
    the others None.
    """
    recipe = experiment.recipe
    lightning.seed_everything(arm.seed, verbose=False)
    folder = checkpoints / arm.fingerprint
    newest = ModelCheckpoint(
        folder, filename="epoch-{epoch}", save_top_k=1, monitor=None, auto_insert_metric_name=False
    )
    best = ModelCheckpoint(
        folder, filename="best-{epoch}", save_top_k=1, monitor=VALIDATION_LOSS, save_weights_only=True
    )
    recorder = _History(history, bar)
    # The newest checkpoint keeps the state of the other callbacks, so it comes last.
    is_adversarial = arm.training is None
    callbacks: list[Callback] = [recorder, newest] if is_adversarial else [recorder, best, newest]
    if arm.options.patience is not None:
        callbacks.append(EarlyStopping(VALIDATION_LOSS, patience=arm.options.patience))
    trainer = make_trainer(
        recipe.trainer.settle(arm.precision),
        folder,
        callbacks,
        max_epochs=arm.options.epochs,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    if is_adversarial and trainer.world_size > 1:
        raise UsageError(
            f"an adversary is trained on one device, not on {trainer.world_size}",
            "Set trainer.devices=1 and num_nodes=1.",
        )
    share, on_gpu = Share(trainer.global_rank, trainer.world_size), trainer.strategy.root_device.type == "cuda"
    module, train, validation = training_parts(experiment, arm, share, on_gpu)
    resume = find_resume_point(folder)
    if resume.reason:
        say(f"begins anew: {resume.reason}")
    if trainer.is_global_zero:
        drop_checkpoints(checkpoints, folder, resume)
    if resume.epochs:
        bar.advance(resume.epochs)
    with interruptible(trainer):
        trainer.fit(module, train, validation, ckpt_path=resume.path and str(resume.path), weights_only=True)
    if not trainer.is_global_zero:
        return None
    if isinstance(module, AdversarialDistillation):
        last_loss = recorder.rows[-1][VALIDATION_LOSS]
        return Outcome(module.cpu().network, trainer.current_epoch, last_loss, recorder.rows)
    _load_best(module, Path(best.best_model_path))
    loss = best.best_model_score
    return Outcome(
        module.network, trainer.current_epoch, float(loss) if loss is not None else float("nan"), recorder.rows
    )


def training_parts(
    experiment: Experiment, arm: Arm, share: Share, on_gpu: bool
) -> tuple[Distillation, DataLoader[Any], DataLoader[Any]]:
    """The module of an arm with its training and validation batches.

    ``share``: the device's of each batch; ``on_gpu``: whether batches are read ahead. Raises
    :class:`kdkit.errors.PluginError` for a network that cannot be trained.
    """
    recipe = experiment.recipe
    network = call(experiment.student.build)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise PluginError(
            f"the network of {title_of(experiment.student)} has no weight that can be trained",
            "Make its layers in __init__, after super().__init__(), as attributes of the network.",
        )
    if arm.training is None or arm.validation is None:
        assert isinstance(experiment.generator, Adversary)
        criterion = make_criterion(experiment, network, with_teacher=True)
        adversary, activation = experiment.generator, experiment.domain.activation
        module = AdversarialDistillation(network, criterion, arm.options, arm.seed, adversary, activation)
        criterion.add_adapters(network, module.eval().training_batch(1))
        module.train()
        size = arm.options.batch_size
        return (
            module,
            DataLoader(EpochLength(recipe.samples.train), size),
            DataLoader(EpochLength(recipe.samples.validation), size),
        )
    train, validation = _loaders(experiment, arm, arm.training, arm.validation, share, on_gpu)
    criterion = make_criterion(experiment, network)
    criterion.add_adapters(network, train.dataset[0, 0][0].unsqueeze(0))
    return Distillation(network, criterion, arm.options, arm.seed), train, validation


def _loaders(
    experiment: Experiment, arm: Arm, training: LabelledSplit, validation: LabelledSplit, share: Share, on_gpu: bool
) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """The batches of training and validation; ``on_gpu``: read ahead, into pinned memory, which it copies from."""
    options, activation, recipe = arm.options, experiment.domain.activation, experiment.recipe
    cut = experiment.window_cut
    train = Windows(training, activation, cut, arm.seed)
    middle_windows = Windows(validation, activation, cut, None)
    orders = {train: ShuffledSampler(len(train), arm.seed), middle_windows: OrderedSampler(len(middle_windows))}
    # Windows are cut from memory-mapped files: beside training on a processor, readers would only take its time.
    readers = recipe.trainer.readers if recipe.trainer.readers is not None else GPU_READERS if on_gpu else 0
    first, second = (
        DataLoader(
            ahead := ReadAhead(windows, _stack_parts),
            batch_sampler=SharedBatches(order, len(windows), options.batch_size, share),
            collate_fn=ahead.stack,
            pin_memory=on_gpu,
            num_workers=readers,
            persistent_workers=readers > 0,
        )
        for windows, order in orders.items()
    )
    return first, second


def _stack_parts(items: list[tuple[torch.Tensor, ...]]) -> tuple[torch.Tensor, ...]:
    shape = items[0][0].shape
    for inputs, *_ in items:
        if inputs.shape != shape:
            raise DataError(
                f"samples of the shapes {tuple(shape)} and {tuple(inputs.shape)} cannot share a batch",
                "Set training.window to the length of the shortest sample, where the domain aligns its axes, or "
                "training.batch_size=1.",
            )
    return tuple(torch.stack(parts) for parts in zip(*items, strict=True))


def _load_best(module: Distillation, path: Path) -> None:
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    module.load_state_dict(state)
    module.cpu()


class _History(Callback):
    """Advances the bar and keeps the losses of every epoch in a CSV file."""

    def __init__(self, path: Path, bar: Bar) -> None:
        self.path = path
        self.bar = bar
        self.rows: list[dict[str, float]] = []

    def on_train_batch_end(self, *_: Any) -> None:
        self.bar.advance(0)

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
