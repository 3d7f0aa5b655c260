"""A generator network that looks for what the student has not learnt yet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import model_validator

from kdkit import Adversary, ComponentOptions, Field
from kdkit_generators.layout import AXES, MEANING, Layout

if TYPE_CHECKING:
    import torch

    from kdkit_generators.networks import Dreamer

CLASS_TERMS = ("one_hot", "balance")


class Adversarial(Adversary):
    """A generator network trained against the student, with the teacher's gradients, while the student learns.

    Its loss rewards samples, uint8 of any image or clip shape, on which student and teacher disagree (DFAD: Fang et
    al. 2019, arXiv:1912.11006; with the KL divergence: Micaelli & Storkey 2019, arXiv:1905.09768). Further terms,
    each with a weight of its own and off unless it is set, reward samples that the teacher knows: certain, balanced
    and active (DAFL: Chen et al. 2019, arXiv:1904.01186), and with the statistics of its training data where it has
    batch normalisation (DeepInversion: Yin et al. 2020, arXiv:1912.08795). ``disagreement: 0`` with the terms of DAFL
    is DAFL. Earlier samples can be kept and learnt again (after Binici et al. 2022, arXiv:2108.05698).
    """

    class Options(ComponentOptions):
        shape: tuple[int, ...] = Field(min_length=2, max_length=3, description="Shape of a sample, say [32, 32, 3].")
        layout: Layout = Field("hw", description=MEANING)
        distance: Literal["l1", "kl"] = Field(
            "l1",
            description="Disagreement: l1, of logits (Fang et al. 2019), or kl, of class distributions (Micaelli & "
            "Storkey 2019; for domains with the activation softmax).",
        )
        disagreement: float = Field(1.0, ge=0, description="Weight of the disagreement that is sought.")
        one_hot: float = Field(
            0.0, ge=0, description="Weight of certain predictions (L_oh, Chen et al. 2019); softmax only."
        )
        balance: float = Field(
            0.0,
            ge=0,
            description="Weight of equally frequent classes (L_ie, Chen et al. 2019); softmax only.",
        )
        activity: float = Field(
            0.0, ge=0, description="Weight of active features (L_a, Chen et al. 2019); needs activity_layer."
        )
        activity_layer: str | None = Field(
            None, description="Path of the teacher's module whose output has to be active."
        )
        batch_norm: float = Field(
            0.0,
            ge=0,
            description="Weight of the teacher's batch normalisation statistics (R_BN, Yin et al. 2020).",
        )
        latent: int = Field(64, ge=1, description="Latent numbers that a sample is made from.")
        width: int = Field(32, ge=1, description="Channels of the generator's convolutions.")
        learning_rate: float = Field(1e-3, gt=0, description="The generator's own (Adam).")
        rounds: int = Field(
            5, ge=1, description="Steps of the student for each step of the generator (k of DFAD, Fang et al. 2019)."
        )
        replay: int = Field(
            0,
            ge=0,
            description="Earlier samples that are kept to be learnt again (Binici et al. 2022); 0 keeps none.",
        )
        replay_share: float = Field(
            0.5, ge=0, lt=1, description="Share of each of the student's batches that comes from those kept."
        )

        @model_validator(mode="after")
        def _fits(self) -> Adversarial.Options:
            if len(self.shape) != AXES[self.layout] or min(self.shape) < 1:
                raise ValueError(f"a shape of {AXES[self.layout]} positive numbers for the layout {self.layout}")
            if self.activity and self.activity_layer is None:
                raise ValueError("activity_layer beside activity")
            if not any((self.disagreement, self.one_hot, self.balance, self.activity, self.batch_norm)):
                raise ValueError("at least one of the weights above 0")
            return self

    def __init__(self, options: ComponentOptions | None = None, seed: int = 0) -> None:
        super().__init__(options, seed)
        self.student_steps = self.options.rounds
        if self.options.distance == "kl" or any(getattr(self.options, term) for term in CLASS_TERMS):
            self.activations = ("softmax",)

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        return {"shape": (8, 8), "width": 4, "latent": 4, "replay": 8, "batch_norm": 0.1}

    def build(self) -> torch.nn.Module:
        from kdkit_generators.networks import Dreamer

        options = self.options
        return Dreamer(options.shape, options.layout, options.latent, options.width, options.replay)

    def optimizer(self, network: torch.nn.Module) -> torch.optim.Optimizer:
        import torch

        return torch.optim.Adam(network.parameters(), self.options.learning_rate)

    def loss(self, inputs: torch.Tensor, teacher: torch.nn.Module, student: torch.nn.Module) -> torch.Tensor:
        from kdkit_generators import losses
        from kdkit_generators.teacher_pass import run_teacher

        options = self.options
        layer = options.activity_layer if options.activity else None
        output = run_teacher(teacher, inputs, bool(options.batch_norm), layer)
        logits = output.logits.float()
        total = inputs.new_zeros(())
        if options.disagreement:
            distance = losses.kl_distance if options.distance == "kl" else losses.l1_distance
            total = total - options.disagreement * distance(logits, student(inputs).float())
        if options.one_hot:
            total = total + options.one_hot * losses.one_hot(logits)
        if options.balance:
            total = total + options.balance * losses.imbalance(logits)
        if output.features is not None:
            total = total + options.activity * losses.activity(output.features)
        if output.mismatch is not None:
            total = total + options.batch_norm * output.mismatch
        return total

    def training_batch(self, network: torch.nn.Module, count: int) -> torch.Tensor:
        dreamer = cast("Dreamer", network)
        replay_count = int(count * self.options.replay_share) if int(dreamer.pool_size) else 0
        new_samples = super().training_batch(network, count - replay_count)
        if not replay_count:
            batch = new_samples
        else:
            import torch

            batch = torch.cat([new_samples, dreamer.draw_replay(replay_count)])
        if self.options.replay and network.training:
            dreamer.remember(new_samples)
        return batch
