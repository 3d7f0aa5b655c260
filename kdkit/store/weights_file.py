"""What a weights file is, by its content, and the state dicts in it; nothing in it is executed."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdkit.errors import WeightsError
from kdkit.store.file_kind import check_weights_file, check_zip, is_safetensors
from kdkit.store.harmless import harmless_globals

if TYPE_CHECKING:
    import torch

DEEPEST = 3
MOST_VALUES = 1_000_000
# Where checkpoints keep weights, in the order in which they are preferred; averaged ones come last.
CONTAINERS = ("state_dict", "model_state_dict", "model", "network", "net", "weights", "params", "module")
AVERAGED = ("ema", "shadow", "average", "teacher")


@dataclass
class WeightsFile:
    """``states``: each state dict in a file, by the path to it ("" for the file itself), the preferred ones first.

    ``notes``: what is unusual about the file.
    """

    states: dict[str, dict[str, torch.Tensor]]
    notes: list[str] = field(default_factory=list)


def read_weights_file(path: Path) -> WeightsFile:
    """Every state dict in a safetensors or torch file, at least one.

    Raises :class:`WeightsError` when it is missing, damaged, something else, or would have to execute code.
    """
    head = check_weights_file(path)
    safe = is_safetensors(head, path.stat().st_size)
    if path.suffix == ".safetensors" or safe:
        if not safe and head.startswith((b"PK\x03\x04", b"\x80\x02")):
            return _read_torch(path, ["a torch file, though it is named .safetensors"])
        notes = [] if path.suffix == ".safetensors" else [f"a safetensors file, though it is named {path.suffix}"]
        return WeightsFile({"": _read_safetensors(path)}, notes)
    return _read_torch(path, [])


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is not a whole safetensors file: {error}") from error


def _read_torch(path: Path, notes: list[str]) -> WeightsFile:
    check_zip(path)
    content = _unpickle(path)
    states = dict(_walk(content, _Budget(path)))
    if not states:
        held = f"keys {', '.join(map(repr, list(content)[:4]))}" if isinstance(content, Mapping) else "no mapping"
        raise WeightsError(
            f"{path} holds no state dict: it has {held}",
            "Expected a dict of tensors, or one under 'state_dict', 'model' or the like.",
        )
    return WeightsFile(dict(sorted(states.items(), key=lambda item: _rank(item[0]))), notes)


def _unpickle(path: Path) -> Any:
    import torch

    try:
        # Opened here: by a name that ends in .safetensors torch would take it for such a file.
        with path.open("rb") as file, torch.serialization.safe_globals(harmless_globals()):
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refused(path, error) from error
    except Exception as error:  # torch raises many kinds of errors for what is damaged
        raise WeightsError(f"{path} is not a whole torch file: {_first_line(error)}") from error


def _refused(path: Path, error: Exception) -> WeightsError:
    """In which the way is told: a global that is no tensor, or that the file is no pickle at all."""
    name = _blocked_global(str(error))
    if name:
        return WeightsError(
            f"{path} was not loaded: it holds {name}, and reading that could execute code",
            "Where it was written, save the state dict alone: torch.save(network.state_dict(), path).",
        )
    return WeightsError(
        f"{path} was not loaded: it is no torch file of plain tensors, and reading it could execute code",
        "Save its state dict alone with torch.save, or as safetensors.",
    )


def _blocked_global(text: str) -> str:
    """The dotted name of the function or class in what torch says of a pickle that it has refused."""
    found = re.search(
        r"GLOBAL ([\w.]+) was not|<class '([\w.]+)'>|[Tt]rying to \w+ (?:class |unsupported GLOBAL )?([\w.]+)", text
    )
    return next(filter(None, found.groups())) if found else ""


class _Budget:
    """How many values of nested mappings are looked at: a small file can name one mapping in a thousand places."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left = MOST_VALUES

    def spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise WeightsError(
                f"{self.path} holds more than {MOST_VALUES:,} values in mappings within mappings",
                "Save the network's state dict by itself.",
            )


def _walk(
    node: Any, budget: _Budget, where: str = "", depth: int = 0
) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    """Every mapping of names to tensors, at most DEEPEST levels down, with the dotted path to it."""
    if not isinstance(node, Mapping):
        return
    budget.spend(len(node))
    tensors = {key: tensor for key, value in node.items() if (tensor := _to_tensor(value)) is not None}
    if tensors and all(isinstance(key, str) for key in tensors):
        yield where, tensors
    if depth < DEEPEST:
        for key, value in node.items():
            yield from _walk(value, budget, f"{where}.{key}" if where else str(key), depth + 1)


def _to_tensor(value: Any) -> torch.Tensor | None:
    import numpy as np
    import torch

    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return torch.from_numpy(value)
    # What is sparse, nested or without values cannot be copied into a network.
    is_plain = isinstance(value, torch.Tensor) and value.layout == torch.strided
    return value if is_plain and not (value.is_meta or value.is_nested) else None


def _rank(where: str) -> tuple[int, int]:
    parts = where.split(".")
    if not where:
        return (0, 0)
    if any(word in where.lower() for word in AVERAGED):
        return (3, len(parts))
    known = [CONTAINERS.index(part) for part in parts if part in CONTAINERS]
    return (1, known[0]) if known else (2, len(parts))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
