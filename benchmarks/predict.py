"""How many frames a second ``kdkit predict`` makes, end to end: ``python benchmarks/predict.py --student RUN``.

Simulated clips of 112 x 112 pixels and 200 frames are written as Motion JPEG, as EchoNet-Dynamic's are, and DICOM
cines of 640 x 480 pixels and 30 frames, and predicted with and without overlay. The time that processes need to start
is told apart: it does not grow with the files. ``--alone``: the processor's time for a frame in one process instead,
which says more where a machine does other work. ``--only`` chooses clips or cines.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# The frames of a file of each kind, and their size.
KINDS = {"clips": 200, "cines": 30}
SIZES = {"clips": "112x112", "cines": "640x480"}
# Files from which on they are shared among processes: by these the start of the processes is measured.
FEW = 12


def main() -> None:
    """One JSON line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--student", type=Path, required=True, help="folder of a run or of a student")
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--alone", action="store_true", help="processor time in one process, of fewer files")
    parser.add_argument("--only", nargs="*", choices=KINDS, default=list(KINDS), help="these files alone")
    options = parser.parse_args()
    measure = measure_alone if options.alone else measure_together
    with tempfile.TemporaryDirectory() as scratch:
        for kind in options.only:
            for overlay in ("mp4", "none"):
                values = measure(options.student, kind, options.files, Path(scratch), overlay)
                case = {"name": f"{kind}, {SIZES[kind]}, overlay {overlay}", "files": options.files, **values}
                print(json.dumps(case), flush=True)


def measure_together(student: Path, kind: str, files: int, scratch: Path, overlay: str) -> dict[str, float | str]:
    """Frames a second of the command, by as many processes as it takes."""
    few, many = (write_files(kind, scratch / kind / str(count), count) for count in (FEW, files))
    start = predict(student, few, scratch / "out", overlay)
    seconds = predict(student, many, scratch / "out", overlay)
    return {
        "seconds": round(seconds, 1),
        "frames_per_second": round(KINDS[kind] * files / seconds),
        "frames_per_second_without_start": round(KINDS[kind] * (files - FEW) / (seconds - start)),
        "machine": platform.processor() or platform.machine(),
    }


def measure_alone(student: Path, kind: str, files: int, scratch: Path, overlay: str) -> dict[str, float | str]:
    """Milliseconds of one core for a frame."""
    folder = write_files(kind, scratch / kind / str(files), files)
    return {"milliseconds": round(processor_time(student, folder, scratch / "out", overlay), 2)}


def write_files(kind: str, folder: Path, count: int) -> Path:
    """So many clips or cines, unless they are there."""
    from archive import write_cines

    if not folder.exists():
        write = write_clips if kind == "clips" else write_cines
        write(folder, count, KINDS[kind])
    return folder


def processor_time(student: Path, folder: Path, out: Path, overlay: str) -> float:
    """Milliseconds of one core for a frame, the first file apart."""
    import cv2
    import torch

    from kdkit.api import load_student
    from kdkit.engine.file_prediction import predict_with

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    trained = load_student(student).student.with_outputs({"overlay": overlay})
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    first, *others = sorted(path for path in folder.rglob("*") if path.is_file())
    predict_with(trained, first, out / "first")
    start = time.process_time()
    frames = sum(predict_with(trained, path, out / str(number)).items for number, path in enumerate(others))
    return 1000 * (time.process_time() - start) / frames


def write_clips(folder: Path, count: int, frames: int) -> None:
    """So many clips of ten different hearts."""
    import cv2
    import numpy as np
    from kdkit_echocardio.phantom import simulate

    folder.mkdir(parents=True)
    for number in range(count):
        path = folder / f"{number:05d}.avi"
        if number >= 10:
            # A chunk of its own at the end, which readers pass over: copies of one content are predicted once.
            own = b"JUNK" + struct.pack("<II", 4, number)
            path.write_bytes((folder / f"{number % 10:05d}.avi").read_bytes() + own)
            continue
        clip = simulate(np.random.default_rng(number), frames=frames)
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), clip.fps, (112, 112))
        for frame in clip.frames:
            writer.write(np.repeat(frame[..., None], 3, axis=-1))
        writer.release()


def predict(student: Path, clips: Path, out: Path, overlay: str) -> float:
    """The seconds that the command takes."""
    shutil.rmtree(out, ignore_errors=True)
    command = [
        str(Path(sys.executable).with_name("kdkit")),
        "predict",
        str(student),
        str(clips),
        "--out",
        str(out),
        "--quiet",
    ]
    start = time.monotonic()
    subprocess.run([*command, "--overlay", overlay], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


if __name__ == "__main__":
    main()
