"""``kdkit predict --stream``: raw frames from a file that grows, or from standard input."""

import io
import json
import shutil
from types import SimpleNamespace

import av
import nibabel
import numpy as np
import pytest
import torch
from PIL import Image
from pydicom.data import get_testdata_file

import kdkit
from kdkit import DataError
from kdkit.engine import stream_files
from kdkit.plugins.registry import discover
from kdkit.recipe.load import load_experiment
from kdkit.runs.student import write_student

FRAMES = np.random.default_rng(0).integers(0, 256, (7, 20, 24), dtype=np.uint8)
SIZE = ("--stream", "--frame", "20x24", "--patience", "0.3")


@pytest.fixture
def student(home, tmp_path):
    experiment = load_experiment(discover(), "echocardio", None, ["student.blocks=2", "student.width=4"])
    write_student(tmp_path / "student", experiment.student.build(), experiment, {})
    return tmp_path / "student"


def read(out, name):
    facts = json.loads((out / f"{name}.json").read_text())
    return np.fromfile(out / f"{name}.f32", facts["dtype"]).reshape(facts["frames"], *facts["shape"])


def expected(student, frames):
    return kdkit.load_student(student).network(torch.from_numpy(frames[None]))[0].sigmoid().numpy()


def test_standard_input_until_it_ends(student, cli, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(FRAMES.tobytes())))
    result = cli("predict", student, "-", *SIZE, "--out", tmp_path / "out")
    assert result.code == 0 and "7 frames" in result.out, result.err
    np.testing.assert_allclose(read(tmp_path / "out", "stdin"), expected(student, FRAMES), rtol=0, atol=1e-5)


def test_a_file_that_grows_byte_by_byte_is_followed(student, tmp_path, monkeypatch):
    source, data, now = tmp_path / "scanner.raw", FRAMES.tobytes(), [0.0]
    source.write_bytes(data[:100])
    pieces = [data[start : start + 431] for start in range(100, len(data), 431)]
    assert len(pieces) > 5  # so that it grows for longer than it is waited for

    def sleep(seconds):
        """A second passes, in which the file grows as long as there is more."""
        now[0] += 1
        with source.open("ab") as file:
            file.write(pieces.pop(0) if pieces else b"")

    monkeypatch.setattr(stream_files, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    count = kdkit.load_student(student).predict_stream(source, tmp_path / "out", (20, 24), patience=5)
    assert not pieces
    assert count == len(FRAMES)
    np.testing.assert_allclose(read(tmp_path / "out", "scanner"), expected(student, FRAMES), rtol=0, atol=1e-5)


def test_a_stream_that_ends_within_a_frame_says_so_and_keeps_what_came_before(student, cli, tmp_path):
    (tmp_path / "cut.raw").write_bytes(FRAMES.tobytes()[:-11])
    result = cli("predict", student, tmp_path / "cut.raw", *SIZE, "--out", tmp_path / "out")
    assert result.code == 1 and "ends within frame 6: 469 of 480 bytes" in result.err
    np.testing.assert_allclose(read(tmp_path / "out", "cut"), expected(student, FRAMES[:6]), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frame", "20by24"], "20by24 is no size of a frame"),
        (["--frame", "0x24"], "a frame cannot be uint8 (0, 24)"),
        (["--frame", "20x24", "--frame-type", "picture"], "picture is no type of numbers"),
        (["--frame", "20x24", "--frame-type", "object"], "a frame cannot be object"),
        (["--frame", "480"], "--frame 480 is no size of a frame"),
        (["--frame", "20x24x1x1"], "cannot take a frame uint8 (20, 24, 1, 1)"),
    ],
)
def test_what_a_frame_cannot_be_is_one_message(student, cli, tmp_path, arguments, message):
    (tmp_path / "a.raw").write_bytes(FRAMES.tobytes())
    arguments = ["--stream", "--patience", 0, *arguments, "--out", tmp_path / "out"]
    result = cli("predict", student, tmp_path / "a.raw", *arguments)
    assert result.code != 0 and message in result.err and "Traceback" not in result.err
    assert not (tmp_path / "out").exists()


def video(path):
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 24, 20, "yuv420p"
        for frame in FRAMES:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray").reformat(format="yuv420p")))
        container.mux(stream.encode())


CONTAINERS = {
    "clip.avi": (video, "an AVI video"),
    "clip.mp4": (video, "an MP4 or MOV video"),
    "clip.mkv": (video, "a Matroska or WebM video"),
    "clip.dcm": (lambda path: shutil.copy(get_testdata_file("examples_ybr_color.dcm"), path), "a DICOM file"),
    "clip.nii": (lambda path: nibabel.save(nibabel.Nifti1Image(FRAMES.T, np.eye(4)), path), "a NIfTI file"),
    "clip.nii.gz": (lambda path: nibabel.save(nibabel.Nifti1Image(FRAMES.T, np.eye(4)), path), "compressed by gzip"),
    "clip.gif": (lambda path: Image.fromarray(FRAMES[0]).save(path), "a GIF animation"),
    "clip.png": (lambda path: Image.fromarray(FRAMES[0]).save(path), "a PNG picture"),
    "clip.jpg": (lambda path: Image.fromarray(FRAMES[0]).save(path), "a JPEG picture"),
    "clip.tif": (lambda path: Image.fromarray(FRAMES[0]).save(path), "a TIFF picture"),
    "clip.npy": (lambda path: np.save(path, FRAMES), "a numpy array with a header"),
    "clip.npz": (lambda path: np.savez(path, FRAMES), "a zip archive"),
}


@pytest.mark.parametrize("size", ["20x24", "4x4", "400x400"])
@pytest.mark.parametrize("name", CONTAINERS)
def test_a_file_that_holds_more_than_frames_is_no_stream(student, tmp_path, name, size):
    """Also where a frame is smaller than what tells the kind, or larger than the file."""
    write, what = CONTAINERS[name]
    write(tmp_path / name)
    height, width = map(int, size.split("x"))
    stream = SimpleNamespace(step=lambda frame: frame.astype(np.float32))
    layout = stream_files.FrameLayout((height, width), patience=0)
    with pytest.raises(DataError, match=f"{name} is {what}") as caught:
        stream_files.predict_stream(stream, str(tmp_path / name), layout, tmp_path / "out")
    assert "Leave out --stream" in caught.value.remedy


def test_a_video_on_standard_input_is_no_stream_and_leaves_nothing(student, cli, tmp_path, monkeypatch):
    video(tmp_path / "clip.avi")
    data = (tmp_path / "clip.avi").read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    result = cli("predict", student, "-", *SIZE, "--out", tmp_path / "out")
    assert result.code == 1 and "standard input is an AVI video" in result.err
    assert not (tmp_path / "out").exists()


def test_more_or_no_inputs_and_missing_files_are_refused(student, cli, tmp_path):
    assert "takes one input, not 2" in cli("predict", student, "a", "b", *SIZE, "--out", tmp_path / "out").err
    result = cli("predict", student, tmp_path / "none.raw", *SIZE, "--out", tmp_path / "out")
    assert result.code == 2 and "none.raw does not exist" in result.err and not (tmp_path / "out").exists()


def test_the_frames_themselves_are_never_replaced(student, cli, tmp_path):
    (tmp_path / "a.f32").write_bytes(FRAMES.tobytes())
    result = cli("predict", student, tmp_path / "a.f32", *SIZE, "--out", tmp_path)
    assert result.code == 2 and "would replace" in result.err
    assert (tmp_path / "a.f32").read_bytes() == FRAMES.tobytes()


def test_a_student_without_steps_is_refused(home, cli, tmp_path):
    experiment = load_experiment(discover(), "digits", None, [])
    write_student(tmp_path / "digits", experiment.student.build(), experiment, {})
    result = cli("predict", tmp_path / "digits", "-", *SIZE, "--out", tmp_path / "out")
    assert result.code == 2 and "cannot be fed frame by frame" in result.err
