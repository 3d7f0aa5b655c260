"""The Muon optimiser: steps of weights that are matrices have all their singular values near one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

# The quintic iteration of Jordan et al., which brings singular values to 0.7 to 1.2 in a few rounds.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ROUNDS = 5
MOMENTUM = 0.95
# Layers whose weights of several dimensions are not multiplied as a matrix.
NO_MATRICES = (torch.nn.Embedding, torch.nn.EmbeddingBag, torch.nn.LayerNorm, torch.nn.RMSNorm)
# Root mean square of an AdamW step in units of the learning rate, as measured by Liu et al.
TYPICAL_STEP = 0.2


class Muon(torch.optim.AdamW):
    """AdamW, but for ``matrices``: Muon (Jordan et al., 2024, https://kellerjordan.github.io/posts/muon).

    The step of a weight (n, ...), taken as a matrix of n rows, is its gradient with Nesterov momentum,
    orthogonalized. It is scaled to the root mean square of AdamW's steps (Liu et al., arXiv:2502.16982, section 2.2),
    so that learning rate and weight decay, which is decoupled for all, mean the same for both. Each takes as many
    multiplications as the smaller side of its matrix squared, times the larger one: little in a network of
    convolutions. ``parameters``: all others.
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        parameters: Iterable[Tensor],
        lr: float,
        weight_decay: float,
        fused: bool = False,
    ) -> None:
        groups: list[dict[str, Any]] = [
            {"params": list(matrices), "orthogonal": True},
            {"params": list(parameters), "orthogonal": False},
        ]
        super().__init__([group for group in groups if group["params"]], lr, weight_decay=weight_decay, fused=fused)
        # A scaler of losses unscales the gradients itself, and leaves out a step where they overflowed.
        self._step_supports_amp_scaling = False

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; returns what ``closure``, which computes the gradients anew, gives, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        gradients = [
            (weight, weight.grad)
            for group in self.param_groups
            if group["orthogonal"]
            for weight in group["params"]
            if weight.grad is not None
        ]
        self._step_matrices()
        # What has no gradient is left alone.
        for weight, _ in gradients:
            weight.grad = None
        super().step()
        for weight, gradient in gradients:
            weight.grad = gradient
        return loss

    @torch.no_grad()
    def _step_matrices(self) -> None:
        for group in self.param_groups:
            if not group["orthogonal"]:
                continue
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    # What AdamW reads of a state that is loaded, though it takes no step of these weights.
                    state["step"] = torch.zeros((), dtype=torch.float32)
                    state["momentum"] = torch.zeros_like(weight.grad)
                state["step"] += 1
                mean = state["momentum"].lerp_(weight.grad, 1 - MOMENTUM)
                matrix = weight.grad.lerp(mean, MOMENTUM).flatten(1)
                matrix = orthogonalize(matrix.to(torch.promote_types(matrix.dtype, torch.float32)))
                scale = TYPICAL_STEP * max(matrix.shape) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_(matrix.reshape(weight.shape), alpha=group["lr"] * scale)


def orthogonalize(matrix: Tensor) -> Tensor:
    """The matrix (rows, columns) with its singular values near one, and its singular vectors kept.

    By Newton-Schulz iterations. A matrix of zeros stays one.
    """
    linear, cubic, quintic = COEFFICIENTS
    # The smaller side first: products with itself are of its size.
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    tiny = torch.finfo(wide.dtype).tiny
    # The largest first: the squares of small numbers would vanish.
    wide = wide / wide.abs().max().clamp(min=tiny)
    wide = wide / wide.norm().clamp(min=tiny)
    for _ in range(ROUNDS):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=cubic, alpha=quintic), wide, beta=linear)
    return wide.T if matrix.shape[0] > matrix.shape[1] else wide


def split_parameters(network: torch.nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """The weights of a network's hidden layers that are matrices, or stacks of kernels, and all its other parameters.

    The first and the last weight that a network has registered, by which most meet their inputs and give their
    outputs, are among the others (Jordan et al.), and so are those of normalisations, and tables of embeddings, of
    which a step sees few rows.
    """
    tables = {
        id(parameter)
        for module in network.modules()
        if isinstance(module, NO_MATRICES)
        for parameter in module.parameters(recurse=False)
    }
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    hidden = {id(weight) for weight in weights[1:-1] if min(weight.flatten(1).shape) > 1} - tables
    matrices: list[Tensor] = []
    others: list[Tensor] = []
    for parameter in network.parameters():
        (matrices if id(parameter) in hidden else others).append(parameter)
    return matrices, others
