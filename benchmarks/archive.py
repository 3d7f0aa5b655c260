"""What a whole archive costs: ``python benchmarks/archive.py --student RUN [--clips 10030] [--cines 2000]``.

A folder in EchoNet-Dynamic's layout (hard links to some hundred simulated clips of about 175 frames, or as long as
``--frames`` says) and a tree of DICOM cines of 640 x 480 pixels are made in ``--work``; ``check``, ``evaluate`` and
``evaluate`` again, and ``predict`` with and without overlay are timed on a tenth of them and on all. Clips that are
predicted are copies whose last bytes differ, as copies of one content are predicted once. ``predict`` is also stopped
half-way and started again. Memory is that of all processes together, what they share counted once; ``cpu_seconds``
are theirs, too: on a machine that does other work (``load``, over the last minute) they say more than the time that
went by. Each case is one JSON line; ``--plot FILES --out FIGURE`` draws those of earlier calls.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

PARTS = ("check", "evaluate", "predict", "resume", "cines")
FRAMES = (120, 230)
KDKIT = str(Path(sys.executable).with_name("kdkit"))
SIDE, CINE = 112, (480, 640)
# Seconds between two looks at the processes.
PAUSE = 0.25


class Heart(NamedTuple):
    """A simulated clip."""

    path: Path
    frames: int


def main() -> None:
    """One JSON line for each command on each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--student", type=Path, help="folder of a run or of a student")
    parser.add_argument("--clips", type=int, default=10_030)
    parser.add_argument("--cines", type=int, default=2_000)
    parser.add_argument("--frames", type=int, nargs=2, default=FRAMES, metavar=("LEAST", "MOST"), help="of a clip")
    parser.add_argument("--cine-frames", type=int, default=30, help="of a cine")
    parser.add_argument("--different", type=int, default=300, help="simulated hearts among the clips")
    parser.add_argument("--work", type=Path, help="folder for everything that is made; a temporary one by default")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS, help="these commands alone")
    parser.add_argument("--plot", type=Path, nargs="*", help="files of lines that earlier calls printed")
    parser.add_argument("--out", type=Path, help="the figure that --plot draws")
    options = parser.parse_args()
    if options.plot:
        draw([json.loads(line) for file in options.plot for line in file.read_text().splitlines()], options.out)
        return
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        # What the commands remember of a folder, and predictions that evaluate keeps, are this measurement's own.
        os.environ |= {"XDG_CACHE_HOME": f"{scratch}/cache", "KDKIT_HOME": f"{scratch}/home"}
        hearts = simulate_hearts(work, min(options.different, options.clips), options.frames)
        for clips, cines in ((options.clips // 10, options.cines // 10), (options.clips, options.cines)):
            for part in options.only:
                if part == "cines":
                    measure_cines(options.student, work, cines, options.cine_frames)
                else:
                    MEASURES[part](options.student, hearts, work, clips)


def measure_check(student: Path, hearts: list[Heart], work: Path, clips: int) -> None:
    """A folder that is looked at for the first time, and again."""
    data = ("--data", link_echonet(work / "echonet", hearts, clips))
    for turn in ("first", "second"):
        show(watch(f"check, {turn}", clips, "check", "echocardio", *data))


def measure_evaluate(student: Path, hearts: list[Heart], work: Path, clips: int) -> None:
    """Teacher and student on the folder, and again with their predictions kept."""
    data = ("--data", link_echonet(work / "echonet", hearts, clips))
    for turn in ("first", "second"):
        show(watch(f"evaluate, {turn}", clips, "evaluate", student, *data))


def measure_predict(student: Path, hearts: list[Heart], work: Path, clips: int) -> None:
    """With and without overlay."""
    copies, out = copy_clips(work / "copies", hearts, clips), work / "out"
    for overlay in ("mp4", "none"):
        shutil.rmtree(out, ignore_errors=True)
        show(watch(f"predict, overlay {overlay}", clips, "predict", student, copies, *predicted(out, overlay)))


def measure_resume(student: Path, hearts: list[Heart], work: Path, clips: int) -> None:
    """Stopped when half is done, resumed, and with nothing left to do."""
    copies, out = copy_clips(work / "copies", hearts, clips), work / "out"
    shutil.rmtree(out, ignore_errors=True)
    arguments = ("predict", student, copies, *predicted(out, "none"))
    log = out / ".predictions.jsonl"
    case = watch("predict, stopped", clips, *arguments, stop=lambda: 2 * count_lines(log) > clips)
    done = count_lines(log) - 1  # its first line says what the others belong to
    show(case | {"files": done})
    show(watch("predict, resumed", clips - done, *arguments))
    show(watch("predict, nothing new", clips, *arguments))


def measure_cines(student: Path, work: Path, cines: int, frames: int) -> None:
    """DICOM cines with overlay."""
    tree, out = work / "cines", work / "out"
    shutil.rmtree(tree, ignore_errors=True)
    write_cines(tree, cines, frames)
    shutil.rmtree(out, ignore_errors=True)
    show(watch("predict, cines, overlay mp4", cines, "predict", student, tree, *predicted(out, "mp4")))


MEASURES = {
    "check": measure_check,
    "evaluate": measure_evaluate,
    "predict": measure_predict,
    "resume": measure_resume,
}


def predicted(out: Path, overlay: str) -> tuple[Any, ...]:
    return "--out", out, "--overlay", overlay


def count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def show(case: dict[str, Any]) -> None:
    print(json.dumps(case), flush=True)


def watch(name: str, files: int, *arguments: object, stop: Callable[[], bool] | None = None) -> dict[str, Any]:
    """Run ``kdkit ARGUMENTS`` and interrupt it when ``stop`` says so: what it took."""
    start = time.monotonic()
    command = [KDKIT, *map(str, arguments), "--quiet"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
    peak, processes = 0, 0
    cpu: dict[int, float] = {}
    while running.poll() is None:
        alive = [psutil.Process(running.pid), *children(running.pid)]
        peak, processes = max(peak, sum(map(share, alive))), max(processes, len(alive))
        cpu |= {process.pid: used for process in alive if (used := cpu_seconds(process))}
        if stop is not None and stop():
            running.terminate()  # in a background job Ctrl-C would be ignored
            stop = None
        time.sleep(PAUSE)
    seconds = time.monotonic() - start
    return {
        "name": name,
        "files": files,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(sum(cpu.values()), 1),
        "load": round(os.getloadavg()[0], 1),
        "peak_mb": round(peak / 2**20),
        "processes": processes,
        "exit_code": running.returncode,
        "machine": platform.processor() or platform.machine(),
    }


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


def cpu_seconds(process: psutil.Process) -> float:
    """Seconds of a core that a process has used."""
    try:
        times = process.cpu_times()
        return float(times.user + times.system)
    except psutil.Error:
        return 0.0


def draw(cases: list[dict[str, Any]], path: Path) -> None:
    """Time and peak memory against the number of files, a line for each command that ran on several numbers."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "archive"
    from matplotlib import pyplot

    by_name: dict[str, list[dict[str, Any]]] = {}
    for case in cases:
        by_name.setdefault(case["name"], []).append(case)
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for name, of_command in by_name.items():
        if len(of_command) < 2:
            continue
        files = [case["files"] for case in of_command]
        for axis, key in zip(axes, ("cpu_seconds", "peak_mb"), strict=True):
            axis.plot(files, [case[key] for case in of_command], "o-", label=name, linewidth=1, markersize=4)
    for axis, title in zip(axes, ("seconds of one core", "peak memory of all processes, MB"), strict=True):
        axis.set(xscale="log", xlabel="files", title=title)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_yscale("log")
    axes[1].set_ylim(bottom=0)
    axes[0].legend(fontsize=7, frameon=False)
    figure.savefig(path, metadata={"Date": None})


def simulate_hearts(work: Path, count: int, frames: tuple[int, int]) -> list[Heart]:
    """So many clips as Motion JPEG, of lengths between those; what is there already is kept."""
    import cv2
    from kdkit_echocardio.phantom import simulate

    folder = work / "hearts-{}-{}".format(*frames)
    folder.mkdir(parents=True, exist_ok=True)
    lengths = [int(np.random.default_rng(number).integers(*frames)) for number in range(count)]
    hearts = [Heart(folder / f"0X{number:016X}.avi", length) for number, length in enumerate(lengths)]
    for number, (path, length) in enumerate(hearts):
        if path.exists():
            continue
        clip = simulate(np.random.default_rng(number), frames=length)
        partial = folder / "partial.avi"
        writer = cv2.VideoWriter(str(partial), cv2.VideoWriter.fourcc(*"MJPG"), clip.fps, (SIDE, SIDE))
        for frame in clip.frames:
            writer.write(np.repeat(frame[..., None], 3, axis=-1))
        writer.release()
        partial.rename(path)
    return hearts


def link_echonet(folder: Path, hearts: list[Heart], count: int) -> Path:
    """EchoNet-Dynamic's layout, each clip with an ellipse of 20 chords traced in two frames."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "Videos").mkdir(parents=True)
    with (folder / "FileList.csv").open("w") as files, (folder / "VolumeTracings.csv").open("w") as tracings:
        listed, traced = csv.writer(files), csv.writer(tracings)
        listed.writerow("FileName EF ESV EDV FrameHeight FrameWidth FPS NumberOfFrames Split".split())
        traced.writerow("FileName X1 Y1 X2 Y2 Frame".split())
        for number in range(count):
            name = f"0X{number:016X}"
            path, frames = hearts[number % len(hearts)]
            os.link(path, folder / "Videos" / f"{name}.avi")
            split = ("TRAIN", "VAL", "TEST")[number % 3]
            listed.writerow([name, 55.0, 45.0, 100.0, SIDE, SIDE, 50, frames, split])
            for frame, size in ((frames // 10, 1.0), (frames // 4, 0.8)):
                traced.writerow([f"{name}.avi", 60, 30, 60, 30 + 50 * size, frame])
                for row in np.linspace(0.03, 0.97, 20):
                    half = 14 * size * np.sqrt(1 - (2 * row - 1) ** 2)
                    y = 30 + 50 * size * row
                    traced.writerow([f"{name}.avi", 60 - half, y, 60 + half, y, frame])
    return folder


def copy_clips(folder: Path, hearts: list[Heart], count: int) -> Path:
    """So many clips of different content: each ends with a chunk of its own that readers pass over."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number in range(count):
        with (folder / f"{number:06d}.avi").open("wb") as file:
            file.write(hearts[number % len(hearts)].path.read_bytes())
            file.write(b"JUNK" + struct.pack("<II", 4, number))
    return folder


def write_cines(folder: Path, count: int, length: int = 30) -> None:
    """So many DICOM cines of so many frames, 640 x 480 pixels, in folders of 50, without a suffix."""
    import cv2
    import pydicom
    from kdkit_echocardio.phantom import simulate
    from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

    height, width = CINE
    for number in range(count):
        frames = np.zeros((length, height, width), np.uint8)
        for target, frame in zip(frames, simulate(np.random.default_rng(number), frames=length).frames, strict=True):
            target[40:440, 120:520] = cv2.resize(frame, (400, 400), interpolation=cv2.INTER_CUBIC)
        meta = pydicom.dataset.FileMetaDataset()
        meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset = pydicom.dataset.FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        dataset.Rows, dataset.Columns, dataset.NumberOfFrames, dataset.SamplesPerPixel = height, width, length, 1
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PixelRepresentation = 7, 0
        dataset.PhotometricInterpretation, dataset.FrameTime = "MONOCHROME2", "33"
        dataset.PixelData = frames.tobytes()
        path = folder / f"study{number // 50:03d}" / f"IM{number % 50:04d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(path, enforce_file_format=True)


if __name__ == "__main__":
    main()
