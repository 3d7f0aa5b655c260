"""Records of named arrays in shard files, each holding a range of consecutive indices.

A shard is a safetensors file, ``00000016-00000032-1c291ca3.safetensors``: no code in it, windows of an array are read
without the rest, and it appears under its name only when it is whole. So a store that was cut off simply lacks some
ranges. The name ends with the checksum of the file, a CRC-32, which each process verifies before it reads a shard.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from kdkit.atomic import write_bytes
from kdkit.errors import DataError, StoreError

SUFFIX = ".safetensors"
SHARD_BYTES = 8_000_000
MOST_RECORDS = 1024
MOST_OPEN = 256
STORED_TYPES = (
    *("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    *("float16", "float32", "float64", "complex64"),
)
CHUNK = 1 << 20
# Checksums are computed outside of Python's lock; more threads than this wait for the disk.
THREADS = 4

Range = tuple[int, int]


@dataclass(frozen=True)
class Record:
    """Named arrays and JSON-able facts of one index."""

    arrays: Mapping[str, np.ndarray]
    info: Mapping[str, Any] = field(default_factory=dict)


class ShardStore:
    """The shards in one folder, which need not exist yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[Range, Path] | None = None
        # Reading a shard's header takes longer than reading a sample from it, so shards stay open.
        self._shards: dict[Path, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_shards": {}}  # an open file cannot be sent to another process

    def ranges(self) -> list[Range]:
        """The index ranges [start, stop) that are there and whole, in order."""
        return sorted(self._shard_paths())

    def missing_ranges(self, start: int, stop: int) -> list[Range]:
        """The parts of [start, stop) that no shard holds."""
        gaps, position = [], start
        for first, last in self.ranges():
            if last <= position or first >= stop:
                continue
            if first > position:
                gaps.append((position, first))
            position = last
        return [*gaps, (position, stop)] if position < stop else gaps

    def holds(self, start: int, stop: int) -> bool:
        """Whether every index of [start, stop) is there."""
        return not self.missing_ranges(start, stop)

    def write(self, start: int, records: Sequence[Record]) -> None:
        """Write one shard with the indices from ``start`` on.

        Raises :class:`DataError` for what a shard cannot hold, and :class:`StoreError` when it cannot be written.
        """
        arrays = {
            f"{start + i}.{name}": _storable(name, array)
            for i, record in enumerate(records)
            for name, array in record.arrays.items()
        }
        data = save(arrays, {"infos": f"[{', '.join(_info_text(record.info) for record in records)}]"})
        name = f"{start:08d}-{start + len(records):08d}-"
        path = self.folder / f"{name}{zlib.crc32(data):08x}{SUFFIX}"
        write_bytes(path, data)
        for other in self.folder.glob(f"{name}*{SUFFIX}"):  # a damaged one of the same records
            if other != path:
                other.unlink(missing_ok=True)
        self.refresh()

    def read(self, index: int, name: str, window: tuple[slice, ...] | None = None) -> np.ndarray:
        """One array of a record; ``window`` cuts its axes, and only that part is read from the disk."""
        shard, key = self._shard_of(index), f"{index}.{name}"
        return shard.get_tensor(key) if window is None else shard.get_slice(key)[window]

    def has(self, index: int, name: str) -> bool:
        """Whether a record holds this array."""
        return f"{index}.{name}" in self._shard_of(index).keys()  # noqa: SIM118  # it is no mapping

    def shape(self, index: int, name: str) -> tuple[int, ...]:
        """The shape of an array, without reading it."""
        return tuple(self._shard_of(index).get_slice(f"{index}.{name}").get_shape())

    def record(self, index: int) -> Record:
        """Everything that is kept of one index."""
        shard, prefix = self._shard_of(index), f"{index}."
        names = [key.removeprefix(prefix) for key in shard.keys() if key.startswith(prefix)]  # noqa: SIM118
        infos = json.loads(shard.metadata()["infos"])
        start = self._locate(index)[0]
        return Record({name: shard.get_tensor(prefix + name) for name in names}, infos[index - start])

    def infos(self, stop: int) -> Iterator[Mapping[str, Any]]:
        """The facts of every record below ``stop`` that is there, in order; no array is read."""
        position = 0
        for (start, last), path in sorted(self._shard_paths().items()):
            infos = json.loads(_open_shard(path).metadata()["infos"])
            yield from infos[max(position - start, 0) : max(stop - start, 0)]
            position = max(position, last)

    def refresh(self) -> None:
        """Look at the folder again: another process may have written to it."""
        self._files = None
        self._shards.clear()

    def _shard_paths(self) -> dict[Range, Path]:
        if self._files is None:
            paths = sorted(self.folder.glob(f"*{SUFFIX}")) if self.folder.is_dir() else []
            with ThreadPoolExecutor(THREADS) as pool:
                self._files = {
                    _range_of(p): p for p, whole in zip(paths, pool.map(_is_whole, paths), strict=True) if whole
                }
        return self._files

    def _locate(self, index: int) -> tuple[int, Path]:
        for (start, stop), path in self._shard_paths().items():
            if start <= index < stop:
                return start, path
        raise StoreError(f"{self.folder} holds no record {index}", "Run the command again: it makes what is missing.")

    def _shard_of(self, index: int) -> Any:
        path = self._locate(index)[1]
        if path not in self._shards:
            if len(self._shards) == MOST_OPEN:
                self._shards.clear()
            self._shards[path] = _open_shard(path)
        return self._shards[path]


def _storable(name: str, array: Any) -> np.ndarray:
    """The array as safetensors takes it: contiguous, of numbers."""
    try:
        whole = np.ascontiguousarray(array).reshape(np.shape(array))
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} is a {type(array).__name__}, which makes no array: {error}") from error
    if whole.dtype.newbyteorder("=") not in STORED_TYPES:
        kinds = ", ".join(STORED_TYPES)
        raise DataError(f"{name} is an array of {whole.dtype}, which is not stored", f"Convert it to one of {kinds}.")
    return whole


def _info_text(info: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(info))
    except (TypeError, ValueError) as error:
        raise DataError(
            f"info {dict(info)!r:.120} cannot be kept: {error}", "Put text, Python numbers and lists into it."
        ) from error


def shard_length(record: Record) -> int:
    """How many records like this one make a shard of a convenient size."""
    size = sum(np.asarray(array).nbytes for array in record.arrays.values())
    return max(1, min(MOST_RECORDS, SHARD_BYTES // max(1, size)))


def split(ranges: Sequence[Range], length: int) -> list[Range]:
    """The same indices in ranges of at most ``length``."""
    return [(first, min(first + length, stop)) for start, stop in ranges for first in range(start, stop, length)]


def _range_of(path: Path) -> Range:
    start, stop, _checksum = path.name.removesuffix(SUFFIX).split("-")
    return int(start), int(stop)


def _open_shard(path: Path) -> Any:
    try:
        return safe_open(path, framework="numpy")
    except (SafetensorError, OSError) as error:
        raise StoreError(f"{path} is gone or damaged", "Run the command again: it makes what is missing.") from error


def _is_whole(path: Path) -> bool:
    """A damaged shard counts as not there, so that it is made anew instead of spoiling a run."""
    try:
        _range_of(path)
        state = path.stat()
        checksum = _checksum_of(path, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        return path.name.endswith(f"-{checksum}{SUFFIX}")
    except (OSError, ValueError):
        return False


@lru_cache(maxsize=1 << 16)
def _checksum_of(path: Path, *_: int) -> str:
    """Computed once in a process, as long as nobody touches the file."""
    checksum = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            checksum = zlib.crc32(chunk, checksum)
    return f"{checksum:08x}"
