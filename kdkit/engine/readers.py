"""Batches that other processes read ahead, whose errors arrive as they were raised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.utils.data import Dataset, get_worker_info

from kdkit.errors import KdkitError

Batch = Any
"""What a collate function gives, or the error of a process that read it: see :func:`raise_reading_error`."""


class ReadAhead(Dataset[Any]):
    """A dataset and its collate function, for a loader with processes of its own.

    torch would put its traceback in place of an error's message and hint.
    """

    def __init__(self, dataset: Dataset[Any], stack: Callable[[list[Any]], Any]) -> None:
        self.dataset = dataset
        self._stack = stack

    def __getitem__(self, place: Any) -> Any:
        return _give_error(lambda: self.dataset[place])

    def stack(self, items: list[Any]) -> Batch:
        """The collate function: what ``stack`` makes of the items, or the first error among them."""
        errors = (item for item in items if isinstance(item, KdkitError))
        return next(errors, None) or _give_error(lambda: self._stack(items))


def raise_reading_error(batch: Batch) -> None:
    """Raise what a process raised in place of this batch, if it did."""
    if isinstance(batch, KdkitError):
        raise batch


def _give_error(read: Callable[[], Any]) -> Any:
    """What ``read`` returns; in a process that reads ahead also what it raises."""
    try:
        return read()
    except KdkitError as error:
        if get_worker_info() is None:
            raise
        return error
