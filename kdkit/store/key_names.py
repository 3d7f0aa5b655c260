"""From the keys in a checkpoint to those of a network, found by matching names and shapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    State = Mapping[str, torch.Tensor]

# What torch.compile, FSDP, activation checkpoints and parallel training put between the parts of a key.
WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "module")


@dataclass
class Match:
    """A state dict under a network's names.

    ``wrappers``: the names of wrappers that were taken out of keys; ``stripped``, ``added``: the prefix taken from,
    or put before, every key; ``left``: keys of the file that do not belong to the network; ``common``: how many of
    the network's weights are there in the right shape.
    """

    state: dict[str, torch.Tensor]
    wrappers: tuple[str, ...] = ()
    stripped: str = ""
    added: str = ""
    left: list[str] = field(default_factory=list)
    common: int = 0


def match_keys(state: State, own: State, ignored: str = "") -> list[Match]:
    """The state under the network's names: as it is, without wrappers, by each prefix, then with one added.

    Prefixes of averaged weights come last. ``ignored``: keys that are passed over after a prefix is stripped.
    """
    matches: list[Match] = []
    for names in ((), _wrappers(state, own)):
        inner = {_without(key, names): value for key, value in state.items()}
        # Two keys that would become one are weights of two networks, which only their prefixes tell apart.
        if len(inner) == len(state) and (names or not matches):
            matches += _match_prefixes(inner, own, ignored, tuple(names))
    matches.sort(key=lambda match: (bool(match.added), bool(match.stripped)))
    for match in matches:
        match.common = sum(key in match.state and match.state[key].shape == own[key].shape for key in own)
    return matches


def _match_prefixes(state: State, own: State, ignored: str, wrappers: tuple[str, ...]) -> Iterator[Match]:
    for prefix in ("", *_prefixes(state, own)):
        inner = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        inner = {key: value for key, value in inner.items() if not ignored or not key.startswith(ignored)}
        left = [key for key in state if not key.startswith(prefix)]
        yield Match(inner, wrappers, stripped=prefix, left=left)
    outer = _common_prefix(list(own))
    if outer:
        yield Match({outer + key: value for key, value in state.items()}, wrappers, added=outer)


def _wrappers(state: State, own: State) -> list[str]:
    """The names of wrappers in the file's keys that the network itself does not have."""
    used, written = ({part for key in keys for part in key.split(".")} for keys in (own, state))
    return [name for name in WRAPPERS if name in written and name not in used]


def _without(key: str, names: Sequence[str]) -> str:
    return ".".join(part for part in key.split(".") if part not in names)


def _prefixes(state: State, own: State) -> list[str]:
    """What stands before some weight of the network in the file's keys, best first: most weights, not averaged."""
    if not own:
        return []
    counts: dict[str, int] = {}
    # The first and the last weight, in case the file lacks one of them.
    for wanted in {next(iter(own)), list(own)[-1]}:
        for key in state:
            prefix = key[: -len(wanted)]
            if prefix and key.endswith(wanted) and prefix[-1] == ".":
                counts.setdefault(prefix, 0)
    for prefix in counts:
        counts[prefix] = sum(prefix + key in state for key in own)
    averaged = ("ema", "average", "shadow", "teacher")
    return sorted(counts, key=lambda p: (-counts[p], any(word in p.lower() for word in averaged), len(p)))


def _common_prefix(keys: Sequence[str]) -> str:
    """The parts of the names that all keys begin with, "model." for example."""
    if len(keys) < 2:
        return ""
    first, last = min(keys).split("."), max(keys).split(".")
    shared = 0
    while shared < min(len(first), len(last)) - 1 and first[shared] == last[shared]:
        shared += 1
    return "".join(f"{part}." for part in first[:shared])
