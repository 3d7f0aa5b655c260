"""Which precision a student is trained in: float32, or bfloat16 where a step was measured to take less time so."""

from __future__ import annotations

import math
from pathlib import Path

import lightning
import torch
from lightning.pytorch import Trainer

from kdkit.engine.distillation import Distillation
from kdkit.engine.guard import summarize
from kdkit.engine.precision import PrecisionChoice, Timer, Trial, device_timer, measure_in_turns
from kdkit.engine.readers import Batch, raise_reading_error
from kdkit.engine.trainer import make_trainer
from kdkit.engine.training import training_parts
from kdkit.engine.windows import Share
from kdkit.recipe.experiment import Experiment
from kdkit.recipe.schema import FULL_PRECISION, MIXED_PRECISION
from kdkit.runs.run import Arm

# The cosine that there has to be between the gradients of the first step, at least.
LEAST_COSINE = 0.99


def choose_training_precision(
    experiment: Experiment, arm: Arm, folder: Path, timer: Timer | None = None
) -> PrecisionChoice:
    """bfloat16 by autocast, with weights in float32, where it pays for this student on this machine, else float32.

    Measured is the first step of the training, its loss and all gradients, with a network that is thrown away. The
    trial's ``agreement`` is the cosine between the gradients in both precisions. ``folder``: Lightning's, where
    nothing is written. Raises :class:`kdkit.KdkitError` for what the training would fail of in float32.
    """
    hardware = experiment.recipe.trainer
    trainers = [
        make_trainer(hardware.settle(precision), folder, [], enable_checkpointing=False)
        for precision in (FULL_PRECISION, MIXED_PRECISION)
    ]
    # As the training begins, with this process's share of the batch.
    lightning.seed_everything(arm.seed, verbose=False)
    share = Share(0, trainers[0].num_devices * trainers[0].num_nodes)
    module, batches, _ = training_parts(experiment, arm, share, on_gpu=False)
    batch = next(iter(batches))
    raise_reading_error(batch)
    full, lower = (_FirstStep(module, batch, arm.seed, trainer) for trainer in trainers)
    gradients = full()
    try:
        cosine = float(torch.cosine_similarity(gradients, lower(), dim=0))
        if not math.isfinite(cosine):
            raise ArithmeticError("its gradients are not finite")
    except Exception as error:  # a student's code may fail in any way in a precision that its author never tried
        return PrecisionChoice(FULL_PRECISION, [Trial(MIXED_PRECISION, error=summarize(error))])
    times = measure_in_turns(timer or device_timer(full.device), MIXED_PRECISION, lower, full)
    trial = Trial(MIXED_PRECISION, *times, cosine)
    chosen = MIXED_PRECISION if trial.pays(LEAST_COSINE) else FULL_PRECISION
    return PrecisionChoice(chosen, [trial], len(batch[0]), str(full.device))


class _FirstStep:
    """The gradients of a batch, in one vector; the same each time."""

    def __init__(self, module: Distillation, batch: Batch, seed: int, trainer: Trainer) -> None:
        self.plugin, self.device = trainer.precision_plugin, trainer.strategy.root_device
        self.module = module.to(self.device).train()
        if module.criterion.teacher is not None:
            module.criterion.teacher.to(self.device)
        self.batch = [part.to(self.device) for part in batch]
        self.seed = seed

    def __call__(self) -> torch.Tensor:
        torch.manual_seed(self.seed)  # dropout draws the same in both precisions
        with self.plugin.train_step_context():
            loss, _ = self.module.criterion(self.module.network, *self.batch)
        parameters = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        slopes = torch.autograd.grad(loss, parameters, allow_unused=True)
        return torch.cat([slope.flatten() for slope in slopes if slope is not None])
