"""The module that Lightning trains where there are no stored samples: a student against an adversary."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from kdkit.contracts.adversary import Adversary
from kdkit.contracts.vocabulary import Activation
from kdkit.engine.criterion import Criterion
from kdkit.engine.distillation import TRAIN, VALIDATION, Distillation
from kdkit.engine.guard import read_logits, run_network, title_of_network
from kdkit.errors import KdkitError
from kdkit.plugins.calls import call
from kdkit.recipe.schema import Training


class EpochLength(Dataset[int]):
    """So many samples to be made up in an epoch; a batch of it says no more than how many."""

    def __init__(self, samples: int) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, item: int) -> int:
        return item


class AdversarialDistillation(Distillation):
    """Student and adversary, trained in turn; a batch is one step of the student, on inputs that the adversary makes.

    The teacher runs in the loop. Validation is on new inputs of the adversary as it is then, from the same latent
    numbers in each epoch: it says how far the student is behind, not which epoch is best.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        criterion: Criterion,
        training: Training,
        seed: int,
        adversary: Adversary,
        activation: Activation,
    ) -> None:
        super().__init__(network, criterion, training, seed)
        self.automatic_optimization = False
        self.adversary = adversary
        self.adversary_network = call(adversary.build)
        self.activation = activation
        assert criterion.teacher is not None
        self._teacher_logits = (_Logits(criterion.teacher),)  # in a tuple, and so in no state dict

    def training_batch(self, count: int) -> torch.Tensor:
        """Raw inputs for a step of the student."""
        with torch.no_grad():
            return call(self.adversary.training_batch, self.adversary_network, count)

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> None:  # type: ignore[override]
        optimizers: Any = self.optimizers()
        student_optimizer, adversary_optimizer = optimizers
        if batch_idx % self.adversary.student_steps == 0:
            for _ in range(self.adversary.adversary_steps):
                self._adversary_step(adversary_optimizer, len(batch))
        loss, terms = self._loss(self._label_batch(self.training_batch(len(batch))), batch_idx + 1)
        student_optimizer.zero_grad()
        self.manual_backward(loss)
        student_optimizer.step()
        schedule: Any = self.lr_schedulers()
        if schedule is not None:
            schedule.step()
        self._log_losses(TRAIN, loss, terms, len(batch))

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:  # type: ignore[override]
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(int(np.random.default_rng([self.seed, batch_idx]).integers(2**63)))
            inputs = self.training_batch(len(batch))
        self._log_losses(VALIDATION, *self._loss(self._label_batch(inputs), batch_idx + 1), len(batch))

    def configure_optimizers(self) -> Any:
        student = super().configure_optimizers()
        adversary = call(self.adversary.optimizer, self.adversary_network)
        return [student if isinstance(student, dict) else {"optimizer": student}, {"optimizer": adversary}]

    def _adversary_step(self, optimizer: Any, count: int) -> None:
        self.toggle_optimizer(optimizer)
        self.network.eval()
        inputs = run_network(self.adversary_network, count)  # type: ignore[arg-type]
        loss = call(self.adversary.loss, inputs, self._teacher_logits[0], self.network)
        if not torch.isfinite(loss):
            raise KdkitError(
                f"the adversary's loss is not finite in epoch {self.current_epoch}", "Lower its learning rate."
            )
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        self.network.train()
        self.untoggle_optimizer(optimizer)
        self.log(f"{TRAIN}_adversary", loss, on_step=False, on_epoch=True, batch_size=count)

    def _label_batch(self, inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The inputs with the teacher's targets for them, as objectives receive them from the store."""
        with torch.no_grad():
            output = run_network(self.criterion.teacher, inputs)  # type: ignore[arg-type]
            logits, weight = read_logits(output, len(inputs), title_of_network(self.criterion.teacher))
        targets = logits.float().sigmoid() if self.activation == "sigmoid" else logits.float()
        return (inputs, targets) if weight is None else (inputs, targets, weight.float())


class _Logits(torch.nn.Module):
    """A teacher that may weigh its targets, as an adversary sees it: logits alone."""

    def __init__(self, teacher: torch.nn.Module) -> None:
        super().__init__()
        self.teacher = teacher

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return read_logits(run_network(self.teacher, inputs), len(inputs), title_of_network(self.teacher))[0]
