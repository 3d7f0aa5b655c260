"""How much memory a network needs for a prediction."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


def peak_memory(call: Callable[[], object]) -> int:
    """Bytes of the tensors made in ``call()`` that are alive at once, at most.

    What a library holds for itself within one operation is not seen.
    """
    tally = _Tally()
    with tally:
        call()
    return tally.peak


class _Tally(TorchDispatchMode):
    """Counts each storage that an operation makes until it is freed; views and operations in place make none."""

    def __init__(self) -> None:
        super().__init__()
        self.alive = 0
        self.peak = 0
        self.seen_storages: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen_storages.update(_storages((args, kwargs)))
        outputs = func(*args, **(kwargs or {}))
        for storage in _storages(outputs):
            if storage not in self.seen_storages:
                self._count(storage)
        return outputs

    def _count(self, storage: torch.UntypedStorage) -> None:
        self.seen_storages.add(storage)
        self.alive += storage.nbytes()
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self._release, storage.nbytes())

    def _release(self, size: int) -> None:
        self.alive -= size


def _storages(tree: Any) -> Iterator[torch.UntypedStorage]:
    for leaf in tree_iter(tree):
        if isinstance(leaf, torch.Tensor) and leaf.layout is torch.strided:  # others have no storage of their own
            yield leaf.untyped_storage()
