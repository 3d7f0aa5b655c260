"""What a whole archive costs: ``python benchmarks/archive.py --student RUN [--clips 10030] [--cines 2000]``.

A folder in EchoNet-Dynamic's layout (hard links to some hundred simulated clips of about 175 frames) and a tree of
DICOM cines of 640 x 480 pixels are made in ``--work``; ``check``, ``evaluate`` twice, and ``predict`` with and
without overlay are timed on a tenth of them and on all. Clips that are predicted are copies whose last bytes differ,
as copies of one content are predicted once. ``predict`` is also stopped half-way and started again. Memory is that of
all processes together, what they share counted once; each case is one JSON line.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

KDKIT = str(Path(sys.executable).with_name("kdkit"))
FRAMES = (120, 230)
SIDE, CINE = 112, (480, 640)
# Seconds between two looks at the processes.
PAUSE = 0.25


def main() -> None:
    """One JSON line for each command on each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--student", type=Path, required=True, help="folder of a run or of a student")
    parser.add_argument("--clips", type=int, default=10_030)
    parser.add_argument("--cines", type=int, default=2_000)
    parser.add_argument("--different", type=int, default=300, help="simulated hearts among the clips")
    parser.add_argument("--work", type=Path, help="folder for everything that is made; a temporary one by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        hearts = simulate_hearts(work / "hearts", min(options.different, options.clips))
        for clips, cines in ((options.clips // 10, options.cines // 10), (options.clips, options.cines)):
            measure(options.student, hearts, work, clips, cines)


def measure(student: Path, hearts: list[Path], work: Path, clips: int, cines: int) -> None:
    """Every command on so many clips and cines."""
    archive, copies, tree, out = (work / name for name in ("echonet", "copies", "cines", "out"))
    for folder in (archive, copies, tree):
        shutil.rmtree(folder, ignore_errors=True)
    link_echonet(archive, hearts, clips)
    data = ("--data", archive)
    watch("check", clips, "check", "echocardio", *data)
    for turn in ("first", "second"):
        watch(f"evaluate, {turn}", clips, "evaluate", student, *data)
    copy_clips(copies, hearts, clips)
    for overlay in ("mp4", "none"):
        shutil.rmtree(out, ignore_errors=True)
        seconds = watch(f"predict, overlay {overlay}", clips, "predict", student, copies, *predicted(out, overlay))
    shutil.rmtree(out, ignore_errors=True)
    watch("predict, stopped", clips, "predict", student, copies, *predicted(out, "none"), stop_after=seconds / 2)
    watch("predict, resumed", clips, "predict", student, copies, *predicted(out, "none"))
    watch("predict, nothing new", clips, "predict", student, copies, *predicted(out, "none"))
    if cines:
        write_cines(tree, cines)
        shutil.rmtree(out, ignore_errors=True)
        watch("predict, cines, overlay mp4", cines, "predict", student, tree, *predicted(out, "mp4"))


def predicted(out: Path, overlay: str) -> tuple[Any, ...]:
    return "--out", out, "--overlay", overlay


def watch(name: str, files: int, *arguments: object, stop_after: float | None = None) -> float:
    """Run ``kdkit ARGUMENTS`` and print what it took; the seconds. ``stop_after``: interrupt it then."""
    start = time.monotonic()
    command = [KDKIT, *map(str, arguments), "--quiet"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak, processes = 0, 0
    while running.poll() is None:
        alive = [psutil.Process(running.pid), *children(running.pid)]
        peak, processes = max(peak, sum(map(share, alive))), max(processes, len(alive))
        if stop_after is not None and time.monotonic() - start > stop_after:
            running.send_signal(signal.SIGINT)
            stop_after = None
        time.sleep(PAUSE)
    seconds = time.monotonic() - start
    case = {
        "name": name,
        "files": files,
        "seconds": round(seconds, 1),
        "peak_mb": round(peak / 2**20),
        "processes": processes,
        "exit_code": running.returncode,
        "machine": platform.processor() or platform.machine(),
    }
    print(json.dumps(case), flush=True)
    return seconds


def children(process: int) -> list[psutil.Process]:
    try:
        return psutil.Process(process).children(recursive=True)
    except psutil.Error:
        return []


def share(process: psutil.Process) -> int:
    """Bytes of a process, of what it shares with others its part."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


def simulate_hearts(folder: Path, count: int) -> list[Path]:
    """So many clips as Motion JPEG, of the lengths that EchoNet-Dynamic's have; what is there already is kept."""
    import cv2
    from kdkit_echocardio.phantom import simulate

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"0X{number:016X}.avi" for number in range(count)]
    for number, path in enumerate(paths):
        if path.exists():
            continue
        rng = np.random.default_rng(number)
        clip = simulate(rng, frames=int(rng.integers(*FRAMES)))
        partial = folder / "partial.avi"
        writer = cv2.VideoWriter(str(partial), cv2.VideoWriter.fourcc(*"MJPG"), clip.fps, (SIDE, SIDE))
        for frame in clip.frames:
            writer.write(np.repeat(frame[..., None], 3, axis=-1))
        writer.release()
        partial.rename(path)
    return paths


def link_echonet(folder: Path, hearts: list[Path], count: int) -> None:
    """EchoNet-Dynamic's layout, each clip with an ellipse of 20 chords traced in two frames."""
    (folder / "Videos").mkdir(parents=True)
    with (folder / "FileList.csv").open("w") as files, (folder / "VolumeTracings.csv").open("w") as tracings:
        listed, traced = csv.writer(files), csv.writer(tracings)
        listed.writerow("FileName EF ESV EDV FrameHeight FrameWidth FPS NumberOfFrames Split".split())
        traced.writerow("FileName X1 Y1 X2 Y2 Frame".split())
        for number in range(count):
            name = f"0X{number:016X}"
            os.link(hearts[number % len(hearts)], folder / "Videos" / f"{name}.avi")
            split = ("TRAIN", "VAL", "TEST")[number % 3]
            listed.writerow([name, 55.0, 45.0, 100.0, SIDE, SIDE, 50, 120, split])
            for frame, size in ((10, 1.0), (30, 0.8)):
                traced.writerow([f"{name}.avi", 60, 30, 60, 30 + 50 * size, frame])
                for row in np.linspace(0.03, 0.97, 20):
                    half = 14 * size * np.sqrt(1 - (2 * row - 1) ** 2)
                    y = 30 + 50 * size * row
                    traced.writerow([f"{name}.avi", 60 - half, y, 60 + half, y, frame])


def copy_clips(folder: Path, hearts: list[Path], count: int) -> None:
    """So many clips of different content: each ends with a chunk of its own that readers pass over."""
    folder.mkdir(parents=True)
    for number in range(count):
        with (folder / f"{number:06d}.avi").open("wb") as file:
            file.write(hearts[number % len(hearts)].read_bytes())
            file.write(b"JUNK" + struct.pack("<II", 4, number))


def write_cines(folder: Path, count: int) -> None:
    """So many DICOM cines of 30 frames, 640 x 480 pixels, in folders of 50, without a suffix."""
    import cv2
    import pydicom
    from kdkit_echocardio.phantom import simulate
    from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

    height, width = CINE
    for number in range(count):
        frames = np.zeros((30, height, width), np.uint8)
        for target, frame in zip(frames, simulate(np.random.default_rng(number), frames=30).frames, strict=True):
            target[40:440, 120:520] = cv2.resize(frame, (400, 400), interpolation=cv2.INTER_CUBIC)
        meta = pydicom.dataset.FileMetaDataset()
        meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset = pydicom.dataset.FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        dataset.Rows, dataset.Columns, dataset.NumberOfFrames, dataset.SamplesPerPixel = height, width, 30, 1
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PixelRepresentation = 7, 0
        dataset.PhotometricInterpretation, dataset.FrameTime = "MONOCHROME2", "33"
        dataset.PixelData = frames.tobytes()
        path = folder / f"study{number // 50:03d}" / f"IM{number % 50:04d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(path, enforce_file_format=True)


if __name__ == "__main__":
    main()
