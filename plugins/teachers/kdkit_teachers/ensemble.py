"""Several teachers as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import model_validator

from kdkit import ComponentOptions, Field, Teacher, TeacherChoice

if TYPE_CHECKING:
    from typing import Self

    import torch

# STAPLE goes through every combination of the members' decisions.
MOST_STAPLE_MEMBERS = 16


class Ensemble(Teacher):
    """Several teachers, each by name with its own options, whose answers to the same samples are combined.

    Inputs: what every member takes. Answers: logits in the members' shape. ``mean``, ``weighted``, ``median``: of
    their probabilities ("identity": of their values). ``majority``: what most of them decide, as a certain answer; of
    equally many, what the mean says. ``staple``, for masks: the posterior of the true mask when each member has a
    sensitivity and a specificity of its own, which are estimated for each sample by expectation maximisation
    (Warfield, Zou & Wells 2004, doi:10.1109/TMI.2004.828354; without its spatial prior).

    With ``weigh``, each value ("softmax": each distribution) also gets a weight: 1 where all members agree, 0 where
    they could not differ more, in between 1 - D / D_max with the Jensen-Shannon divergence D of the members'
    distributions (Lin 1991, doi:10.1109/18.61115). Objectives multiply their terms by it. "identity" has no weights.
    """

    class Options(ComponentOptions):
        members: tuple[TeacherChoice, ...] = Field(
            description="The teachers, two or more: [{name: ..., options}, ...]; all answer in the same shape."
        )
        activation: Literal["sigmoid", "softmax", "identity"] = Field(
            description="What the members' logits mean: the domain's own activation."
        )
        combine: Literal["mean", "weighted", "median", "majority", "staple"] = Field(
            "mean", description="How the answers become one; see above. staple: Warfield, Zou & Wells 2004."
        )
        shares: tuple[float, ...] | None = Field(
            None, description="For weighted: the share of each member, above 0; they are scaled to add up to 1."
        )
        weigh: bool = Field(
            True,
            description="Keep the members' disagreement (Jensen-Shannon divergence, Lin 1991) as the weight of each "
            "answer.",
        )

        @model_validator(mode="after")
        def _fit_together(self) -> Self:
            count = len(self.members)
            if count < 2:
                raise ValueError("an ensemble has two or more members")
            if (self.shares is not None) != (self.combine == "weighted"):
                raise ValueError("shares belong to combine: weighted, which needs them")
            if self.shares is not None and (len(self.shares) != count or min(self.shares) <= 0):
                raise ValueError(f"shares are {count} numbers above 0, one for each member")
            if self.combine == "majority" and self.activation == "identity":
                raise ValueError("values have no majority; choose mean, weighted or median")
            if self.combine == "staple" and self.activation != "sigmoid":
                raise ValueError("staple is for masks, whose activation is sigmoid")
            if self.combine == "staple" and count > MOST_STAPLE_MEMBERS:
                raise ValueError(f"staple takes at most {MOST_STAPLE_MEMBERS} members")
            return self

    def __init__(self, options: ComponentOptions) -> None:
        super().__init__(options)
        self.members = [choice.make() for choice in self.options.members]
        decides = self.options.combine in ("majority", "staple")
        self.gradients = not decides and all(member.gradients for member in self.members)
        self.remote = any(member.remote for member in self.members)
        self.activations = (self.options.activation,)

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        """Three thresholds of brightness."""
        path = "kdkit_teachers.example:brightness"
        members = [{"name": "callable", "path": path, "arguments": {"threshold": t}} for t in (0.3, 0.4, 0.6)]
        return {"members": members, "activation": "sigmoid"}

    def example_inputs(self) -> np.ndarray:
        return np.random.default_rng(0).integers(0, 256, (2, 8, 8), dtype=np.uint8)

    def files(self) -> Sequence[Path]:
        return [Path(file) for member in self.members for file in member.files()]

    def model_outputs(
        self, network: torch.nn.Module, inputs: torch.Tensor
    ) -> Mapping[str, tuple[torch.Tensor, int | None]]:
        """Those of each member, by its path in the options."""
        parts: Any = network
        return {
            where.replace("teacher", f"teacher.members.{number}", 1): outputs
            for number, member in enumerate(self.members)
            for where, outputs in member.model_outputs(parts.members[number], inputs).items()
        }

    def build(self) -> torch.nn.Module:
        from kdkit_teachers.ensemble_network import EnsembleNetwork

        return EnsembleNetwork([member.build() for member in self.members], self.options)
