"""Reading weights without executing anything, and fitting them to a network."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kdkit.errors import WeightsError

if TYPE_CHECKING:
    import torch

SHOWN_KEYS = 3


def load_weights(network: torch.nn.Module, path: Path, ignored: str = "") -> None:
    """Load ``path`` (``.safetensors``, or a torch file read with ``weights_only``) into ``network``.

    Accepted: a bare state dict, or a dict that carries one under ``state_dict`` (as training checkpoints do), with or
    without the prefix ``module.`` of data-parallel training. Floating weights of any precision are converted.
    ``ignored``: a prefix of keys that are passed over, where files hold parts that the network does not have.
    Raises :class:`WeightsError` when the file is missing or unreadable, would have to execute code, or holds the
    weights of another architecture; the first keys that differ are named.
    """
    state = read_state(path)
    if ignored:
        state = {key: value for key, value in state.items() if not key.startswith(ignored)}
    fit_state(network, state, str(path))


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """The state dict in a weights file, without the prefix ``module.``; see :func:`load_weights`."""
    if not path.is_file():
        raise WeightsError(f"{path} does not exist")
    state = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    prefix = "module."
    if state and all(key.startswith(prefix) for key in state):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def fit_state(network: torch.nn.Module, state: Mapping[str, torch.Tensor], source: str) -> None:
    """Copy ``state`` into ``network``; raises :class:`WeightsError` that names the first differing keys."""
    own = network.state_dict()
    counters = {key for key in own if key.endswith("num_batches_tracked")}
    missing = [key for key in own if key not in state and key not in counters]
    unexpected = [key for key in state if key not in own]
    shape_differences = [
        f"{key} is {tuple(state[key].shape)}, not {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    if missing or unexpected or shape_differences:
        differences = [
            f"{what}: {_first(keys)}"
            for what, keys in (("missing", missing), ("unexpected", unexpected), ("another shape", shape_differences))
            if keys
        ]
        raise WeightsError(f"{source} holds the weights of another architecture", "; ".join(differences))
    network.load_state_dict(dict(state), strict=False)


def _first(keys: list[str]) -> str:
    more = f" and {len(keys) - SHOWN_KEYS} more" if len(keys) > SHOWN_KEYS else ""
    return ", ".join(keys[:SHOWN_KEYS]) + more


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is not a whole safetensors file: {error}") from error


def _read_torch(path: Path) -> dict[str, torch.Tensor]:
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} was not loaded: it is no torch file of plain tensors, and reading it could execute code",
            "Save its state dict alone with torch.save, or as safetensors.",
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise WeightsError(f"{path} is not a whole torch file: {error}") from error
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise WeightsError(f"{path} holds no state dict", "Expected a dict of tensors, or one under 'state_dict'.")
    return dict(state)
