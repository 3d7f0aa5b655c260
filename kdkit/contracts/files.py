"""A folder of files as a source of samples, by a domain's own ``read``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from kdkit.contracts.generator import Generator
from kdkit.errors import DataError
from kdkit.sample import Sample


class Files(Generator):
    """The samples in files, in their order, as ``read`` gives them."""

    synthetic = False

    def __init__(self, paths: Sequence[Path], read: Callable[[Path], Sample]) -> None:
        super().__init__()
        self.paths = paths
        self.read = read

    def count(self) -> int:
        return len(self.paths)

    def generate(self, indices: Iterable[int]) -> Iterator[Sample]:
        for index in indices:
            if not 0 <= index < len(self.paths):
                raise DataError(f"there is no sample {index}: these are {len(self.paths)} files")
            yield self.read(self.paths[index])

    def files(self) -> Sequence[Path]:
        return self.paths
