"""What gradients that are written out by hand are good for."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch


def first_derivatives(backward: Callable[..., Any]) -> Callable[..., Any]:
    """For the ``backward`` of an autograd Function whose own gradient nobody wrote: it counts as a constant.

    A gradient of it would be wrong without a word, so asking for one (``create_graph=True``) raises RuntimeError.
    """

    @wraps(backward)
    def checked(ctx: Any, *gradients: torch.Tensor) -> Any:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "this network has no second derivatives in training: an objective that takes the gradient of a "
                "gradient (create_graph=True) needs another student"
            )
        return backward(ctx, *gradients)

    return checked
