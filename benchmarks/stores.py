"""Which store suits clips: ``python benchmarks/stores.py [--clips 200]``; needs zarr, litdata and numcodecs.

Today's shards (safetensors of about 8 MB), memory-mapped npy files, zarr 3 (an array for each clip, chunks of 25
frames, with and without zstd) and litdata (chunks of 8 MB) hold the same simulated clips of 112 x 112 pixels, uint8.
Each is written, read clip by clip and in random windows of 25 frames, from memory and after the system was told to
forget the files; two processes write at once; a writer is killed; a byte is changed. Then lossless codecs are tried
on the clips. One JSON line for each store and codec; times are medians of ``--rounds``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

FRAMES = (120, 230)
WINDOW = 25
Read = Callable[[int, slice], np.ndarray]
ALL = slice(None)


class Shards:
    """kdkit's own."""

    name = "shards"

    @staticmethod
    def write(folder: Path, clips: Sequence[np.ndarray], indices: range) -> None:
        from kdkit.store.shards import Record, ShardStore, shard_length

        store, length = ShardStore(folder), shard_length(Record({"inputs": clips[0]}))
        for start in range(indices.start, indices.stop, length):
            part = range(start, min(start + length, indices.stop))
            store.write(start, [Record({"inputs": clip_of(clips, index)}) for index in part])

    @staticmethod
    def open(folder: Path) -> Read:
        from kdkit.store.shards import ShardStore, _checksum_of

        _checksum_of.cache_clear()  # what a process verifies once is part of the cost
        store = ShardStore(folder)
        return lambda index, frames: store.read(index, "inputs", (frames,))


class Npy:
    """A file for each clip, mapped into memory."""

    name = "npy, memory-mapped"

    @staticmethod
    def write(folder: Path, clips: Sequence[np.ndarray], indices: range) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for index in indices:
            np.save(folder / f"{index:06d}.npy", clip_of(clips, index))

    @staticmethod
    def open(folder: Path) -> Read:
        return lambda index, frames: np.array(np.load(folder / f"{index:06d}.npy", mmap_mode="r")[frames])


class Zarr:
    """An array for each clip in a group."""

    name = "zarr 3"

    @classmethod
    def write(cls, folder: Path, clips: Sequence[np.ndarray], indices: range) -> None:
        import zarr

        group = zarr.open_group(folder, mode="a")
        for index in indices:
            clip = clip_of(clips, index)
            chunks = (WINDOW, *clip.shape[1:])
            group.create_array(f"{index:06d}", data=clip, chunks=chunks, compressors=cls.compressors())

    @classmethod
    def compressors(cls) -> Any:
        return None

    @staticmethod
    def open(folder: Path) -> Read:
        import zarr

        group = zarr.open_group(folder, mode="r")
        arrays: dict[int, Any] = {}

        def read(index: int, frames: slice) -> np.ndarray:
            if index not in arrays:
                arrays[index] = group[f"{index:06d}"]
            return np.asarray(arrays[index][frames])

        return read


class ZarrZstd(Zarr):
    """The same, compressed."""

    name = "zarr 3, zstd"

    @classmethod
    def compressors(cls) -> Any:
        from zarr.codecs import ZstdCodec

        return ZstdCodec(level=1)


class Litdata:
    """Lightning's chunks of serialised samples."""

    name = "litdata"

    @classmethod
    def write(cls, folder: Path, clips: Sequence[np.ndarray], indices: range, writers: int = 1) -> None:
        from functools import partial

        import litdata

        litdata.optimize(
            partial(_item, clips),
            list(indices),
            str(folder),
            chunk_bytes="8MB",
            num_workers=writers,
            verbose=False,
            start_method="fork",
            keep_data_ordered=True,
        )

    @staticmethod
    def open(folder: Path) -> Read:
        import litdata

        items = litdata.StreamingDataset(str(folder))
        return lambda index, frames: items[index]["clip"][frames]


STORES = (Shards, Npy, Zarr, ZarrZstd, Litdata)


def _item(clips: Sequence[np.ndarray], index: int) -> dict[str, Any]:
    return {"index": index, "clip": clip_of(clips, index)}


def clip_of(clips: Sequence[np.ndarray], index: int) -> np.ndarray:
    return clips[index % len(clips)]


def main() -> None:
    """One JSON line for each store, then for each codec."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--different", type=int, default=24, help="simulated hearts among the clips")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="folder on the disk to be measured; a temporary one by default")
    options = parser.parse_args()
    clips = simulate_clips(min(options.different, options.clips))
    with tempfile.TemporaryDirectory(dir=options.work) as scratch:
        for store in STORES:
            print(json.dumps(measure(store, Path(scratch) / "store", clips, options)), flush=True)
    for name, (encode, decode) in codecs().items():
        print(json.dumps(measure_codec(name, encode, decode, clips)), flush=True)


def simulate_clips(count: int) -> list[np.ndarray]:
    from kdkit_echocardio.phantom import simulate

    rngs = [np.random.default_rng(number) for number in range(count)]
    return [simulate(rng, frames=int(rng.integers(*FRAMES))).frames for rng in rngs]


def measure(store: Any, folder: Path, clips: Sequence[np.ndarray], options: Any) -> dict[str, Any]:
    """Everything about one store."""
    indices, frames = range(options.clips), sum(len(clip_of(clips, index)) for index in range(options.clips))
    size = sum(clip_of(clips, index).nbytes for index in indices)
    writes = []
    for _ in range(options.rounds):
        shutil.rmtree(folder, ignore_errors=True)
        writes.append(seconds(lambda: (store.write(folder, clips, indices), os.sync())))
    row: dict[str, Any] = {"store": store.name, "clips": options.clips, "frames": frames, "megabytes": size / 1e6}
    row["write_mb_s"] = size / 1e6 / statistics.median(writes)
    row["bytes_on_disk"] = sum(file.stat().st_blocks * 512 for file in files_in(folder)) / size
    row["files"] = len(files_in(folder))
    row |= reading_rates(store, folder, clips, indices, options.rounds)
    row["two_writers_mb_s"] = size / 1e6 / two_writers(store, folder, clips, indices)
    row["whole_after_two_writers"] = is_whole(store, folder, clips, indices)
    row["after_kill"] = killed_writer(store, folder, clips, indices)
    row["notices_a_changed_byte"] = notices_damage(store, folder, clips, indices)
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()}


def reading_rates(
    store: Any, folder: Path, clips: Sequence[np.ndarray], indices: range, rounds: int
) -> dict[str, float]:
    """Clips and windows a second, warm and cold; each time from a store that is opened anew."""
    rng = np.random.default_rng(0)
    order = [int(index) for index in rng.permutation(indices)]
    starts = [int(rng.integers(len(clip_of(clips, index)) - WINDOW)) for index in order]
    windows = [slice(start, start + WINDOW) for start in starts]
    rates: dict[str, float] = {}
    for what, cuts in (("clips", [ALL] * len(order)), ("windows", windows)):
        for state in ("warm", "cold"):
            times = []
            for _ in range(rounds):
                if state == "cold":
                    forget(folder)
                read = store.open(folder)

                def everything(read: Read = read, cuts: Sequence[slice] = cuts) -> None:
                    for index, cut in zip(order, cuts, strict=True):
                        read(index, cut)

                times.append(seconds(everything))
            rates[f"{what}_s_{state}"] = len(order) / statistics.median(times)
    return rates


def forget(folder: Path) -> None:
    """Have the system drop what it holds of these files in memory."""
    for path in files_in(folder):
        file = os.open(path, os.O_RDONLY)
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


def two_writers(store: Any, folder: Path, clips: Sequence[np.ndarray], indices: range) -> float:
    """Seconds in which two processes write half of the clips each."""
    shutil.rmtree(folder, ignore_errors=True)
    if store is Litdata:
        return seconds(lambda: (store.write(folder, clips, indices, 2), os.sync()))
    half = len(indices) // 2
    context = multiprocessing.get_context("fork")
    parts = (indices[:half], indices[half:])
    writers = [context.Process(target=store.write, args=(folder, clips, part)) for part in parts]

    def run() -> None:
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        os.sync()

    return seconds(run)


def is_whole(store: Any, folder: Path, clips: Sequence[np.ndarray], indices: range) -> bool:
    try:
        read = store.open(folder)
        return all(np.array_equal(read(index, ALL), clip_of(clips, index)) for index in indices)
    except Exception:
        return False


def killed_writer(store: Any, folder: Path, clips: Sequence[np.ndarray], indices: range) -> str:
    """How many clips there are after a writer was killed half-way, and how many of them are wrong."""
    shutil.rmtree(folder, ignore_errors=True)
    writer = multiprocessing.get_context("fork").Process(target=_write_as_group, args=(store, folder, clips, indices))
    writer.start()
    size = sum(clip_of(clips, index).nbytes for index in indices)
    while writer.is_alive() and sum(map(size_of, files_in(folder))) < size // (8 if store is ZarrZstd else 2):
        time.sleep(0.002)
    os.killpg(writer.pid or 0, 9)
    writer.join()
    right = wrong = 0
    for index in indices:
        try:
            same = np.array_equal(store.open(folder)(index, ALL), clip_of(clips, index))
        except Exception:  # it is not there, or known to be damaged
            continue
        right, wrong = right + same, wrong + (not same)
    return f"{right} right, {wrong} wrong"


def _write_as_group(store: Any, folder: Path, clips: Sequence[np.ndarray], indices: range) -> None:
    os.setpgrp()
    store.write(folder, clips, indices)


def notices_damage(store: Any, folder: Path, clips: Sequence[np.ndarray], indices: range) -> bool:
    """Whether a changed byte in the middle of the largest file is refused when it is read."""
    shutil.rmtree(folder, ignore_errors=True)
    store.write(folder, clips, indices)
    largest = max(files_in(folder), key=size_of)
    with largest.open("r+b") as file:
        file.seek(size_of(largest) // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 255]))
    for index in indices:
        try:
            if not np.array_equal(store.open(folder)(index, ALL), clip_of(clips, index)):
                return False
        except Exception:
            return True
    return False


def codecs() -> dict[str, tuple[Callable[[np.ndarray], bytes], Callable[[bytes, np.ndarray], np.ndarray]]]:
    """Lossless codecs of a clip: how it is encoded, and decoded into the shape of the clip."""
    import zlib

    from numcodecs import Blosc, Zstd

    def of_bytes(encode: Any, decode: Any) -> Any:
        return (
            lambda clip: encode(np.ascontiguousarray(clip)),
            lambda data, like: np.frombuffer(decode(data), np.uint8).reshape(like.shape),
        )

    blosc = Blosc(cname="zstd", clevel=1, shuffle=Blosc.BITSHUFFLE)
    return {
        "none": of_bytes(lambda clip: clip.tobytes(), lambda data: data),
        "deflate 1": of_bytes(lambda clip: zlib.compress(clip, 1), zlib.decompress),
        "zstd 1": of_bytes(Zstd(1).encode, Zstd(1).decode),
        "zstd 9": of_bytes(Zstd(9).encode, Zstd(9).decode),
        "blosc, zstd 1, bits shuffled": of_bytes(blosc.encode, blosc.decode),
        "FFV1": (_encode_ffv1, lambda data, like: _decode_ffv1(data)),
    }


def _encode_ffv1(clip: np.ndarray) -> bytes:
    import io

    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=50)
        stream.height, stream.width, stream.pix_fmt = *clip.shape[1:], "gray"
        for picture in clip:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode())
    return buffer.getvalue()


def _decode_ffv1(data: bytes) -> np.ndarray:
    import io

    import av

    with av.open(io.BytesIO(data)) as container:
        return np.stack([frame.to_ndarray() for frame in container.decode(video=0)])


def measure_codec(name: str, encode: Any, decode: Any, clips: Sequence[np.ndarray]) -> dict[str, Any]:
    """Bytes for each byte of the clips, and megabytes of clips a second in both directions."""
    size = sum(clip.nbytes for clip in clips)
    encoded: list[bytes] = []
    encoding = seconds(lambda: encoded.extend(bytes(encode(clip)) for clip in clips))
    decoded: list[np.ndarray] = []
    decoding = seconds(lambda: decoded.extend(decode(data, clip) for data, clip in zip(encoded, clips, strict=True)))
    assert all(np.array_equal(one, clip) for one, clip in zip(decoded, clips, strict=True)), name
    row = {"codec": name, "bytes": round(sum(map(len, encoded)) / size, 3)}
    return row | {"encode_mb_s": round(size / 1e6 / encoding, 1), "decode_mb_s": round(size / 1e6 / decoding, 1)}


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
