"""Labels that are pictures: too large to keep for a whole study."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import overload

from .recording import Contour


class LazyContours(Sequence[Contour]):
    """Contours that ``read`` loads from their files each time they are used; nothing is cached.

    There is at least one. Iterate over them once, with ``for`` or ``list``. Using them raises
    :class:`kdkit.DataError` when a file is damaged.
    """

    def __init__(self, read: Callable[[], list[Contour]]) -> None:
        self._read = read

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        return len(self._read())

    @overload
    def __getitem__(self, index: int) -> Contour: ...
    @overload
    def __getitem__(self, index: slice) -> list[Contour]: ...
    def __getitem__(self, index: int | slice) -> Contour | list[Contour]:
        return self._read()[index]

    def __iter__(self) -> Iterator[Contour]:
        return iter(self._read())
