"""One wrong edit of the code, which the tests have to notice."""

from __future__ import annotations

from typing import NamedTuple


class Breakage(NamedTuple):
    """``old``, which stands once in ``file``, becomes ``new``; ``tests`` have to fail then."""

    name: str
    file: str
    old: str
    new: str
    tests: str
