"""The members' networks side by side; imported only when a teacher is built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from kdkit import DataError, check_logits, run_network
from kdkit_teachers import combining


class EnsembleNetwork(torch.nn.Module):
    """Asks each member and combines their logits; see :class:`Ensemble` for ``options``.

    Returns logits (batch, \\*answer shape), or a mapping of them and their weight. A weight that a member itself
    gives is not used. Raises :class:`kdkit.DataError` when the members answer in different shapes.
    """

    shares: torch.Tensor

    def __init__(self, members: Sequence[torch.nn.Module], options: Any) -> None:
        super().__init__()
        self.members = torch.nn.ModuleList(members)
        self.options = options
        shares = torch.tensor(options.shares or [1.0] * len(members))
        self.register_buffer("shares", shares / shares.sum(), persistent=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor | dict[str, torch.Tensor]:
        answers = self._stacked([self._answer(number, inputs) for number in range(len(self.members))])
        activation = self.options.activation
        combined = getattr(combining, self.options.combine)(answers, activation, self.shares)
        if not self.options.weigh or activation == "identity":
            return combined
        return {"logits": combined, "weight": combining.agreement(answers, activation, self.shares)}

    def _answer(self, number: int, inputs: torch.Tensor) -> torch.Tensor:
        what = f"member {number + 1} of the ensemble"
        output = run_network(self.members[number], inputs, what, f"Check the options of teacher.members.{number}.")
        logits = output["logits"] if isinstance(output, dict) and "logits" in output else output
        check_logits(logits, len(inputs), what, f"Check the options of teacher.members.{number}.")
        return logits.float()

    def _stacked(self, answers: list[torch.Tensor]) -> torch.Tensor:
        shapes = {tuple(answer.shape[1:]) for answer in answers}
        if len(shapes) > 1:
            raise DataError(
                f"the members of the ensemble answer in different shapes: {', '.join(map(str, sorted(shapes)))}",
                "Their options (channel, layout) have to make them the same.",
            )
        return torch.stack(answers)
