"""Folders of images and clips: what is used, what is left out, what is told."""

import os
import shutil
import sys

import numpy as np
import pytest
from kdkit_generators.folder import Folder
from PIL import Image

from kdkit import DataError, KdkitError

from .writing import write_clip


def folder(path, **options):
    return Folder(Folder.Options(path=path, **options))


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return array


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    save(tmp_path / "b.png", rng.integers(0, 256, (6, 4, 3), dtype=np.uint8))
    save(tmp_path / "a" / "c.PNG", rng.integers(0, 256, (8, 8), dtype=np.uint8))
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def test_images_come_in_the_order_of_their_names_with_their_pixels(images):
    generator = folder(images)
    assert generator.count() == 2
    first, second = generator.generate([0, 1])
    assert [first.info["name"], second.info["name"]] == ["a/c.PNG", "b.png"]
    assert np.array_equal(second.inputs, np.asarray(Image.open(images / "b.png")))
    assert first.inputs.shape == (8, 8, 3)
    assert [sample.inputs.shape for sample in folder(images, colour="gray").generate([0, 1])] == [(8, 8), (6, 4)]


def test_images_are_scaled_to_the_mean_of_what_a_pixel_covers(tmp_path):
    array = save(tmp_path / "x.png", np.arange(64, dtype=np.uint8).reshape(8, 8) * 4)
    (sample,) = folder(tmp_path, colour="gray", size=(4, 4)).generate([0])
    expected = array.reshape(4, 2, 4, 2).mean((1, 3))
    assert np.abs(sample.inputs - expected).max() <= 1


def test_a_pattern_chooses(images):
    assert folder(images, pattern="*.png").count() == 1
    with pytest.raises(DataError, match=r"(?s)holds no images that match \*\.jpg.*\.jpeg"):
        folder(images, pattern="*.jpg").count()
    with pytest.raises(DataError, match="is no pattern"):
        folder(images, pattern="/etc/*").count()


def test_what_cannot_be_read_is_left_out_with_the_reason(images):
    whole = (images / "b.png").read_bytes()
    (images / "cut.png").write_bytes(whole[: len(whole) // 2])
    (images / "empty.png").write_bytes(b"")
    generator = folder(images)
    assert generator.count() == 2
    assert {defect.name for defect in generator.exclusions()} == {"cut.png", "empty.png"}
    assert all(defect.dropped and "not a whole image file" in defect.detail for defect in generator.exclusions())
    (images / "b.png").unlink()
    shutil.rmtree(images / "a")
    with pytest.raises(DataError, match=r"(?s)none of the 2 images .* can be used.*cut\.png"):
        folder(images).count()


def test_the_fingerprint_follows_the_files_and_not_the_folder(images, tmp_path_factory):
    before = folder(images).fingerprint()
    moved = tmp_path_factory.mktemp("moved") / "here"
    shutil.copytree(images, moved)
    assert folder(moved).fingerprint() == before
    os.utime(moved / "b.png", (1, 1))
    (moved / ".DS_Store").write_bytes(b"left")
    (moved / "Thumbs.db").write_bytes(b"left")
    assert folder(moved).fingerprint() == before
    content = bytearray((moved / "b.png").read_bytes())
    content[-1] ^= 1
    (moved / "b.png").write_bytes(content)
    os.utime(moved / "b.png", (1, 1))
    changed = folder(moved).fingerprint()
    assert changed != before
    (moved / "b.png").unlink()
    assert folder(moved).fingerprint() not in (before, changed)


def test_clips_are_read_with_their_frames_and_short_ones_left_out(tmp_path):
    write_clip(tmp_path / "long.avi", frames=5, size=(16, 24))
    write_clip(tmp_path / "short.avi", frames=2, size=(16, 24))
    (tmp_path / "broken.avi").write_bytes(b"RIFF" + bytes(40))
    generator = folder(tmp_path, kind="clips", frames=4)
    assert generator.count() == 1
    assert {defect.name: defect.kind for defect in generator.exclusions()} == {
        "short.avi": "too-short",
        "broken.avi": "unreadable",
    }
    (sample,) = generator.generate([0])
    assert sample.inputs.shape == (4, 16, 24, 3)
    (whole,) = folder(tmp_path, kind="clips", pattern="long.avi", colour="gray", size=(8, 12)).generate([0])
    assert whole.inputs.shape == (5, 8, 12)


def test_clips_without_the_library_name_the_line_that_installs_it(tmp_path, monkeypatch):
    write_clip(tmp_path / "a.avi", frames=2, size=(16, 16))
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(KdkitError, match=r"(?s)needs cv2.*pip install 'kdkit-generators\[clips\]'"):
        folder(tmp_path, kind="clips").count()
