"""Running a network that somebody else wrote: whatever it does wrong becomes one message.

Every call into a user's network, exported program, function or server goes through :func:`run_network`, and what it
gives back through :func:`read_logits`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from kdkit.contracts.teacher import logits_and_weight
from kdkit.errors import DataError, KdkitError
from kdkit.plugins.calls import builder_of, place_of, title_of
from kdkit.plugins.guard import message_of, pass_on_interruption

LONGEST_REASON = 240
SHOWN_PARTS = 4
_REMEDY = "its inputs are raw samples, (batch, *sample shape), as the generator made them."


def run_network(
    network: Callable[[torch.Tensor], Any], inputs: torch.Tensor, what: str = "", remedy: str = ""
) -> Any:
    """``network(inputs)``, whatever that is.

    ``what``: how the network is called in a message, by default the component that built it; ``remedy``: what to do
    when it fails, by default where in its code it did. Raises :class:`kdkit.DataError`, with the inputs and the
    reason, for any exception that is not kdkit's own.
    """
    what = what or title_of_network(network)
    try:
        return network(inputs)
    except KdkitError:
        raise
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise DataError(
            f"{what} ran out of memory with inputs {describe_value(inputs)} on {inputs.device}",
            "Use smaller samples, or a device with more memory.",
        ) from error
    except BaseException as error:  # a user's code may fail in any way
        pass_on_interruption(error)
        if _wants_cuda(error, inputs):
            raise DataError(
                f"{what} asks for a CUDA device, and its inputs are on {inputs.device}: {summarize(error)}",
                "Export it on the processor, without .cuda() or a device inside, or run this where that is.",
            ) from error
        raise DataError(
            f"{what} cannot take inputs {describe_value(inputs)}: {summarize(error)}",
            remedy or place_of(error, _REMEDY, builder_of(network)),
        ) from error


def title_of_network(network: Any) -> str:
    """How a message names a network: by the component that built it, where that is known."""
    builder = builder_of(network)
    return title_of(builder) if builder else "the network"


def _wants_cuda(error: BaseException, inputs: torch.Tensor) -> bool:
    """Whether an exported model moves tensors to the device that it was exported on, which is not this one."""
    words = ("NVIDIA driver", "not compiled with CUDA", "No CUDA GPUs", "cuda:")
    return not inputs.is_cuda and any(word in message_of(error) for word in words)


def read_logits(output: Any, samples: int, what: str = "the network") -> tuple[torch.Tensor, torch.Tensor | None]:
    """The logits, floating (samples, ...), in what a network has returned, and their weight where there is one.

    Raises :class:`kdkit.DataError` when they are missing, whole numbers, or not one for each sample.
    """
    logits, weight = logits_and_weight(output, what)
    check_logits(logits, samples, what, "Return the logits of each sample, without argmax or threshold.")
    if weight is not None and (weight.ndim == 0 or len(weight) != samples):
        raise DataError(
            f"{what} gives {samples} samples the weight {describe_value(weight)}", "Give one for each sample."
        )
    return logits, weight


def check_logits(output: Any, samples: int, what: str, remedy: str) -> None:
    """Raise :class:`kdkit.DataError` unless the output is a floating tensor (samples, ...)."""
    if not isinstance(output, torch.Tensor):
        raise DataError(f"{what} gives {describe_value(output)}, not a tensor of logits", remedy)
    if not output.is_floating_point():
        raise DataError(f"{what} gives {describe_value(output)}: class numbers or a mask, not logits", remedy)
    if output.ndim == 0 or len(output) != samples:
        raise DataError(
            f"{what} gives {describe_value(output)} for {samples} samples: the first axis is not the samples", remedy
        )
    if output.numel() == 0:
        raise DataError(f"{what} gives {describe_value(output)}, which holds nothing", remedy)


def describe_value(value: Any, depth: int = 2) -> str:
    """What a value is, in a few words: dtype and shape of a tensor, the parts of a container."""
    if value is None:
        return "nothing (None)"
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        kind = "" if isinstance(value, torch.Tensor) else f"{type(value).__module__.partition('.')[0]} array "
        return f"{kind}{value.dtype} {tuple(value.shape)}".replace("torch.", "")
    if isinstance(value, Mapping | list | tuple):
        return _describe_parts(value, depth)
    return f"{type(value).__name__}"


def _describe_parts(value: Any, depth: int) -> str:
    named = isinstance(value, Mapping)
    kind = "mapping" if named else type(value).__name__
    if depth == 0 or not value:
        return f"a {kind} of {len(value)}"
    items = list(value.items() if named else enumerate(value))
    parts = [f"{f'{key!r}: ' * named}{describe_value(part, depth - 1)}" for key, part in items[:SHOWN_PARTS]]
    more = f", {len(items) - SHOWN_PARTS} more" if len(items) > SHOWN_PARTS else ""
    return f"a {kind} ({', '.join(parts)}{more})"


def summarize(error: BaseException) -> str:
    """The kind of an error and the one line of its message that says most."""
    lines = [line.strip() for line in message_of(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    # TorchScript begins with its own traceback, and the reason comes last.
    line = lines[-1] if "TorchScript" in lines[0] else lines[0]
    kind = type(error).__name__
    text = line if line.startswith(kind) else f"{kind}: {line}"
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} …"
