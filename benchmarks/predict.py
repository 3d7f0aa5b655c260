"""How many frames a second ``kdkit predict`` makes, end to end: ``python benchmarks/predict.py --student RUN``.

Simulated clips of 112 x 112 pixels and 200 frames are written as Motion JPEG, as EchoNet-Dynamic's are, and predicted
with and without overlay. The time that processes need to start is told apart: it does not grow with the files.
``--alone``: the processor's time for a frame in one process instead, which says more where a machine does other work;
also of DICOM cines of 640 x 480 pixels.
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

FRAMES = 200


def main() -> None:
    """One JSON line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--student", type=Path, required=True, help="folder of a run or of a student")
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--alone", action="store_true", help="processor time in one process, of fewer files")
    options = parser.parse_args()
    if options.alone:
        measure_alone(options.student, options.files)
        return
    with tempfile.TemporaryDirectory() as scratch:
        few, many = (write_clips(Path(scratch) / str(count), count) for count in (12, options.files))
        for overlay in ("mp4", "none"):
            start = predict(options.student, few, Path(scratch) / "few", overlay)
            seconds = predict(options.student, many, Path(scratch) / "many", overlay)
            frames = FRAMES * (options.files - 12)
            case = {
                "name": f"predict, overlay {overlay}",
                "files": options.files,
                "seconds": round(seconds, 1),
                "frames_per_second": round(FRAMES * options.files / seconds),
                "frames_per_second_without_start": round(frames / (seconds - start)),
                "machine": platform.processor() or platform.machine(),
            }
            print(json.dumps(case), flush=True)


def measure_alone(student: Path, files: int) -> None:
    """Milliseconds of one core for a frame, of clips and cines, one JSON line for each kind of overlay."""
    from archive import write_cines

    with tempfile.TemporaryDirectory() as scratch:
        clips, cines = write_clips(Path(scratch) / "clips", files), Path(scratch) / "cines"
        write_cines(cines, files)
        for name, folder in (("clips, 112x112", clips), ("cines, 640x480", cines)):
            for overlay in ("mp4", "none"):
                milliseconds = processor_time(student, folder, Path(scratch) / "out", overlay)
                case = {"name": f"{name}, overlay {overlay}", "files": files, "milliseconds": round(milliseconds, 2)}
                print(json.dumps(case), flush=True)


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


def write_clips(folder: Path, count: int) -> Path:
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
        clip = simulate(np.random.default_rng(number), frames=FRAMES)
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), clip.fps, (112, 112))
        for frame in clip.frames:
            writer.write(np.repeat(frame[..., None], 3, axis=-1))
        writer.release()
    return folder


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
