"""Raw frames that arrive one after the other, in a file that grows or on standard input."""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from kdkit.atomic import write_json
from kdkit.engine.stream import Stream
from kdkit.errors import DataError, StoreError, UsageError
from kdkit.store.file_kind import HEAD_BYTES, name_container

STDIN = "-"
# How long to wait before a file that grows is looked at again, in seconds.
PAUSE = 0.01


@dataclass(frozen=True)
class FrameLayout:
    """Frames without anything between them: ``shape`` and ``dtype`` of each, in C order and the machine's byte order.

    ``patience``: seconds after which a file that no longer grows has ended.
    """

    shape: Sequence[int]
    dtype: str = "uint8"
    patience: float = 2.0

    @property
    def size(self) -> int:
        """Bytes of one frame. Raises :class:`UsageError` for a shape or type that is none."""
        try:
            kind = np.dtype(self.dtype)
        except TypeError as error:
            raise UsageError(f"{self.dtype} is no type of numbers", "uint8, float32, ...") from error
        if kind.kind not in "uif" or not self.shape or min(self.shape) < 1:
            raise UsageError(f"a frame cannot be {self.dtype} {tuple(self.shape)}", "uint8 112x112, for example.")
        return kind.itemsize * math.prod(self.shape)


def read_frames(source: str, layout: FrameLayout) -> Iterator[np.ndarray]:
    """The frames of a file, or of standard input for "-", as they arrive.

    Raises :class:`DataError` when there is no such file, it begins as a video, a picture or an archive does, or the
    stream ends within a frame.
    """
    size, number, data, head = layout.size, 0, b"", b""
    try:
        with sys.stdin.buffer if source == STDIN else Path(source).open("rb") as file:
            while len(data := _read(file, size, 0 if source == STDIN else layout.patience)) == size:
                if len(head) < HEAD_BYTES:
                    head += data[: HEAD_BYTES - len(head)]
                    _refuse_container(source, head)
                yield np.frombuffer(data, layout.dtype).reshape(layout.shape)
                number += 1
    except OSError as error:
        raise DataError(f"{source} cannot be read: {error.strerror or error}") from error
    if data:
        _refuse_container(source, head + data[:HEAD_BYTES])
        raise DataError(
            f"the stream ends within frame {number}: {len(data)} of {size} bytes",
            "Check the frames' size and type; the predictions of the frames before it are kept.",
        )


def _refuse_container(source: str, head: bytes) -> None:
    what = name_container(head)
    if what:
        raise DataError(
            f"{'standard input' if source == STDIN else source} is {what}, and --stream takes bare frames",
            "Leave out --stream to predict files, or decode it first: ffmpeg -i ... -f rawvideo -pix_fmt gray -",
        )


def predict_stream(stream: Stream, source: str, layout: FrameLayout, out: Path) -> int:
    """Predict each frame as it arrives, and write its prediction behind the ones before; returns the frames' number.

    ``out/NAME.f32``: float32 predictions without anything between them; ``out/NAME.json``, in the end: their shape,
    type and number. Raises :class:`StoreError` when ``out`` cannot be written, and what
    :func:`read_frames` and :meth:`Stream.step` raise; what was predicted before is kept, and where that is nothing,
    nothing is written.
    """
    name, number = "stdin" if source == STDIN else Path(source).stem, 0
    shape: tuple[int, ...] = ()
    path = out / f"{name}.f32"
    if source != STDIN and path.resolve() == Path(source).resolve():
        raise UsageError(f"the predictions would replace {source}", "Choose another folder with --out.")
    if source != STDIN and not Path(source).exists():
        raise DataError(f"{source} does not exist")
    _ = layout.size  # says what is wrong with it before anything is written
    predictions = map(stream.step, read_frames(source, layout))
    first = list(itertools.islice(predictions, 1))  # what the frames cannot be is said before anything is written
    try:
        out.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            try:
                for prediction in itertools.chain(first, predictions):
                    file.write(prediction.tobytes())
                    file.flush()
                    shape, number = prediction.shape, number + 1
            finally:
                write_json(out / f"{name}.json", {"shape": list(shape), "dtype": "float32", "frames": number})
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}", "Choose another --out.") from error
    return number


def _read(file: IO[bytes], size: int, patience: float) -> bytes:
    """The next ``size`` bytes; fewer where the stream ends, or the file has not grown for ``patience`` seconds."""
    data, deadline = b"", time.monotonic() + patience
    while len(data) < size:
        piece = file.read(size - len(data))
        if piece:
            data, deadline = data + piece, time.monotonic() + patience
        elif time.monotonic() >= deadline:
            break
        else:
            time.sleep(PAUSE)
    return data
