"""Reading weights without executing anything, and fitting them to a network."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from kdkit.errors import WeightsError
from kdkit.store.key_names import Match, match_keys
from kdkit.store.weights_file import read_weights_file

if TYPE_CHECKING:
    import torch

SHOWN_KEYS = 3
COUNTER = "num_batches_tracked"


def load_weights(network: torch.nn.Module, path: Path, ignored: str = "") -> None:
    """Load ``path`` (safetensors, or a torch file read with ``weights_only``) into ``network``.

    What a file is, its content says, not its name. Accepted: a bare state dict, or a checkpoint that carries one
    (under ``state_dict``, ``model``, ``ema`` ...), its keys with or without the prefixes that wrappers write
    (``module.``, ``_orig_mod.``, ``model.``, ...): the dict and the prefix are found by matching keys and shapes, and
    what was taken is logged. Floating weights of any precision are converted. ``ignored``: a prefix of keys that are
    passed over, where files hold parts that the network does not have.
    Raises :class:`WeightsError` when the file is missing or unreadable, would have to execute code, or holds the
    weights of another architecture; the first keys that differ are named.
    """
    content = read_weights_file(path)
    own = network.state_dict()
    matches = [(name, match) for name, state in content.states.items() for match in match_keys(state, own, ignored)]
    fitting = [(name, match) for name, match in matches if not _differences(match.state, own)]
    if not fitting:
        name, best = max(matches, key=lambda item: item[1].common)
        raise _another_architecture(f"{path}{f' ({name})' if name else ''}", best.state, own)
    name, match = fitting[0]
    fit_state(network, match.state, str(path))
    first = next(iter(own), "")
    # The same tensors by another way to their names are no other weights.
    others = [(where, other) for where, other in fitting if other.state.get(first) is not match.state.get(first)]
    notes = [*content.notes, _describe(name, match), _describe_others(others)]
    if any(notes):
        _say(f"{path}: {'; '.join(filter(None, notes))}")


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """The first state dict in a weights file, without what wrappers write before keys; see :func:`load_weights`."""
    state = next(iter(read_weights_file(path).states.values()))
    prefix = "module."
    if state and all(key.startswith(prefix) for key in state):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def fit_state(network: torch.nn.Module, state: Mapping[str, torch.Tensor], source: str) -> None:
    """Copy ``state`` into ``network``; raises :class:`WeightsError` that names the first differing keys."""
    own = network.state_dict()
    if _differences(state, own):
        raise _another_architecture(source, state, own)
    network.load_state_dict(dict(state), strict=False)


def _differences(state: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]) -> list[str]:
    missing = [key for key in own if key not in state and not key.endswith(COUNTER)]
    unexpected = [key for key in state if key not in own]
    shared = [key for key in own if key in state]
    shape_differences = [
        f"{key} is {tuple(state[key].shape)}, not {tuple(own[key].shape)}"
        for key in shared
        if state[key].shape != own[key].shape
    ]
    # Copied into floats, the whole numbers of a quantised network would be nonsense.
    type_differences = [
        f"{key} is {state[key].dtype}, not {own[key].dtype}".replace("torch.", "")
        for key in shared
        if own[key].is_floating_point() and not state[key].is_floating_point()
    ]
    kinds = (
        ("missing", missing),
        ("unexpected", unexpected),
        ("another shape", shape_differences),
        ("another type", type_differences),
    )
    return [f"{what}: {_first(keys)}" for what, keys in kinds if keys]


def _another_architecture(
    source: str, state: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]
) -> WeightsError:
    return WeightsError(f"{source} holds the weights of another architecture", "; ".join(_differences(state, own)))


def _first(keys: list[str]) -> str:
    more = f" and {len(keys) - SHOWN_KEYS} more" if len(keys) > SHOWN_KEYS else ""
    return ", ".join(keys[:SHOWN_KEYS]) + more


def _describe(name: str, match: Match) -> str:
    """What was taken, where that is not simply everything; "" for the ordinary containers and prefixes."""
    parts = []
    if name not in ("", "state_dict"):
        parts.append(f"took the weights under {name!r}")
    if set(match.wrappers) - {"module"}:
        parts.append(f"stripped {', '.join(f'{name}.' for name in match.wrappers)} from the keys")
    if match.stripped not in ("", "module."):
        parts.append(f"stripped {match.stripped!r} from the keys")
    if match.added:
        parts.append(f"added {match.added!r} to the keys")
    if match.left:
        parts.append(f"left {len(match.left)} others ({_first(match.left)})")
    return "; ".join(parts)


def _describe_others(fitting: list[tuple[str, Match]]) -> str:
    names = sorted({f"{name}{'.' * bool(name)}{match.stripped}" for name, match in fitting} - {""})
    return f"weights that would fit, too, lie under {', '.join(names)}" if names else ""


@cache
def _say(text: str) -> None:
    """Log it once: a network is built several times in a run."""
    logging.getLogger("kdkit").warning(text)
