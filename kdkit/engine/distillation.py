"""The module that Lightning trains: a student on a teacher's stored targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule

from kdkit.engine.criterion import Criterion
from kdkit.engine.finite import FiniteWatch
from kdkit.engine.muon import Muon, split_parameters
from kdkit.engine.readers import Batch, raise_reading_error
from kdkit.engine.windows import Share, SharedBatches
from kdkit.errors import KdkitError
from kdkit.plugins.calls import title_of
from kdkit.recipe.schema import Training

TRAIN, VALIDATION, LOSS = "train", "validation", "loss"
VALIDATION_LOSS = f"{VALIDATION}_{LOSS}"
STEPS_BETWEEN_CHECKS = 50


class Distillation(LightningModule):
    """The student under training. The teacher is in no state dict: its targets come with the batches."""

    def __init__(self, network: torch.nn.Module, criterion: Criterion, training: Training, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self.network = network
        self.criterion = criterion
        self.training_options = training
        self._watch = FiniteWatch()

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        raise_reading_error(batch)
        return batch

    def training_step(self, batch: tuple[torch.Tensor, ...], batch_idx: int) -> torch.Tensor:
        loss, terms = self._loss(batch, batch_idx + 1)
        length = self._batches(self.trainer.train_dataloader).length(batch_idx)
        self._log_losses(TRAIN, loss, terms, self._share.count(length))
        if batch_idx % STEPS_BETWEEN_CHECKS == 0:
            self._check_losses()
        return loss * self._share.factor(length)

    def on_validation_start(self) -> None:
        self._check_losses()

    def validation_step(self, batch: tuple[torch.Tensor, ...], batch_idx: int) -> None:
        length = self._batches(self.trainer.val_dataloaders).length(batch_idx)
        self._log_losses(VALIDATION, *self._loss(batch, batch_idx + 1), self._share.count(length))

    def on_fit_start(self) -> None:
        if self.criterion.teacher is not None:
            self.criterion.teacher.to(self.device)

    def on_validation_epoch_end(self) -> None:
        self._check_losses("validation")

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        # Dropout and the like: a resumed training draws what an uninterrupted one would have.
        position = [self.seed, self.current_epoch, batch_idx, self.global_rank]
        _seed(int(np.random.default_rng(position).integers(2**63)), self.device)

    def configure_optimizers(self) -> Any:
        options = self.training_options
        optimizer = self._optimizer()
        if options.schedule == "constant":
            return optimizer
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.learning_rate, total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _optimizer(self) -> torch.optim.Optimizer:
        options = self.training_options
        # One call for all tensors: of a small network, a step of torch's default takes as long as a convolution.
        fused = self.device.type in ("cpu", "cuda")
        if options.optimizer == "muon":
            matrices, others = split_parameters(self.network)
            others += self.criterion.parameters()
            return Muon(matrices, others, options.learning_rate, options.weight_decay, fused)
        parameters = [*self.network.parameters(), *self.criterion.parameters()]
        return torch.optim.AdamW(parameters, options.learning_rate, weight_decay=options.weight_decay, fused=fused)

    @property
    def _share(self) -> Share:
        return Share(self.global_rank, self.trainer.world_size)

    @staticmethod
    def _batches(loader: Any) -> SharedBatches:
        batches: SharedBatches = loader.batch_sampler
        return batches

    def _loss(self, batch: tuple[torch.Tensor, ...], step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        try:
            loss, terms = self.criterion(self.network, *batch)
        except KdkitError as error:
            if step > 1:  # what is wrong from the beginning is no matter of the step
                error.message += f" (step {step} of epoch {self.current_epoch})"
            raise
        self._watch.add(terms, step)
        return loss, terms

    def _check_losses(self, place: str = "training") -> None:
        """Raises :class:`KdkitError` where one was not finite.

        A GPU is asked for no number in between: that would wait for all that it has still to compute.
        """
        if found := self._watch.find():
            name, step = found
            objective = next(term.objective for term in self.criterion.terms if term.name == name)
            raise KdkitError(
                f"{title_of(objective)} gives a loss that is not finite in epoch {self.current_epoch}, step {step} "
                f"of its {place}",
                "Lower training.learning_rate, or look at the samples and targets.",
            )

    def _log_losses(self, kind: str, loss: torch.Tensor, terms: dict[str, torch.Tensor], size: int) -> None:
        """Log the loss, and where it is a sum, each term before its weight, as means over the epoch."""
        values = {LOSS: loss, **(terms if len(terms) > 1 else {})}
        losses = {f"{kind}_{name}": value for name, value in values.items()}
        self.log_dict(losses, on_step=False, on_epoch=True, batch_size=size, sync_dist=True)


def _seed(seed: int, device: torch.device) -> None:
    """Seed the generators that a step draws from.

    Where there is no GPU, torch.manual_seed writes down its callers three times, in case that one comes.
    """
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)
