"""The module that Lightning trains: a student on a teacher's stored targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule

from kdkit.engine.criterion import Criterion
from kdkit.engine.readers import Batch, raise_reading_error
from kdkit.engine.windows import Share, SharedBatches
from kdkit.errors import KdkitError
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
        self._sum_of_losses: torch.Tensor | float = 0.0

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        raise_reading_error(batch)
        return batch

    def training_step(self, batch: tuple[torch.Tensor, ...], batch_idx: int) -> torch.Tensor:
        loss, terms = self._loss(batch)
        length = self._batches(self.trainer.train_dataloader).length(batch_idx)
        self._log_losses(TRAIN, loss, terms, self._share.count(length))
        if batch_idx % STEPS_BETWEEN_CHECKS == 0:
            self._check_losses()
        return loss * self._share.factor(length)

    def validation_step(self, batch: tuple[torch.Tensor, ...], batch_idx: int) -> None:
        length = self._batches(self.trainer.val_dataloaders).length(batch_idx)
        self._log_losses(VALIDATION, *self._loss(batch), self._share.count(length))

    def on_fit_start(self) -> None:
        if self.criterion.teacher is not None:
            self.criterion.teacher.to(self.device)

    def on_validation_epoch_end(self) -> None:
        self._check_losses()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        # Dropout and the like: a resumed training draws what an uninterrupted one would have.
        position = [self.seed, self.current_epoch, batch_idx, self.global_rank]
        torch.manual_seed(int(np.random.default_rng(position).integers(2**63)))

    def configure_optimizers(self) -> Any:
        options = self.training_options
        parameters = [*self.network.parameters(), *self.criterion.parameters()]
        # One call for all tensors: of a small network, a step of torch's default takes as long as a convolution.
        fused = self.device.type in ("cpu", "cuda")
        optimizer = torch.optim.AdamW(
            parameters, lr=options.learning_rate, weight_decay=options.weight_decay, fused=fused
        )
        if options.schedule == "constant":
            return optimizer
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.learning_rate, total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @property
    def _share(self) -> Share:
        return Share(self.global_rank, self.trainer.world_size)

    @staticmethod
    def _batches(loader: Any) -> SharedBatches:
        batches: SharedBatches = loader.batch_sampler
        return batches

    def _loss(self, batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        loss, terms = self.criterion(self.network, *batch)
        self._sum_of_losses = self._sum_of_losses + loss.detach()
        return loss, terms

    def _check_losses(self) -> None:
        """Raises :class:`KdkitError` where one was not finite, and so their sum is not.

        A GPU is asked for no number in between: that would wait for all that it has still to compute.
        """
        if not np.isfinite(float(self._sum_of_losses)):
            raise KdkitError(
                f"the loss is not finite in epoch {self.current_epoch}",
                "Lower training.learning_rate, or look at the samples and targets.",
            )
        self._sum_of_losses = 0.0

    def _log_losses(self, kind: str, loss: torch.Tensor, terms: dict[str, torch.Tensor], size: int) -> None:
        """Log the loss, and where it is a sum, each term before its weight, as means over the epoch."""
        values = {LOSS: loss, **(terms if len(terms) > 1 else {})}
        losses = {f"{kind}_{name}": value for name, value in values.items()}
        self.log_dict(losses, on_step=False, on_epoch=True, batch_size=size, sync_dist=True)
