"""Damaged and lying pictures, clips and arrays for the readers of any domain: each is read, or named and left out."""

import io

import numpy as np
import pytest
from hostile import counts, files, given_or_refused, tried
from kdkit_digits.reading import read_image
from kdkit_echocardio.recordings.photo import read_photo
from kdkit_generators.files import fault, read
from kdkit_generators.folder import Folder
from PIL import Image

from kdkit import DataError

pytestmark = pytest.mark.usefixtures("limited_memory")

DIGIT = np.arange(64, dtype=np.uint8).reshape(8, 8)


def encoded(ending, mode="L", frames=1, **options):
    file = io.BytesIO()
    first, *others = [Image.fromarray(DIGIT + number).convert(mode) for number in range(frames)]
    moving = {"save_all": True, "append_images": others} if others else {}
    first.save(file, ending, **moving, **options)
    return file.getvalue()


def array(value, **options):
    file = io.BytesIO()
    np.save(file, value, **options)
    return file.getvalue()


IMAGES = [encoded("png"), encoded("png", "P"), encoded("png", "RGB", dpi=(72, 72)), encoded("jpeg", "RGB")]
IMAGES += [encoded("tiff"), encoded("webp", "RGB"), encoded("bmp")]
ARRAYS = [array(DIGIT), array(DIGIT.astype(float)), array(np.array([None]), allow_pickle=True)]


@counts
@pytest.mark.parametrize("kind", ["images", "clips"])
def test_a_folder_of_hostile_files(tmp_path, count, kind):
    options = Folder.Options(path=tmp_path, kind=kind, size=(8, 8), colour="gray")
    path = tmp_path / ("hostile.gif" if kind == "clips" else "hostile.png")
    seeds = IMAGES if kind == "images" else [encoded("gif", frames=3), encoded("gif")]

    def check(content):
        path.write_bytes(content)
        reason = fault(path, options)
        if reason is None:
            assert read(path, options).dtype == np.uint8
        else:
            assert reason[0] in ("unreadable", "too-short") and "\n" not in reason[1]

    tried(count, files(seeds), check)


@counts
@pytest.mark.parametrize(("suffix", "seeds"), [(".png", IMAGES), (".npy", ARRAYS)])
def test_digits(tmp_path, suffix, seeds, count):
    path = tmp_path / f"hostile{suffix}"

    def check(content):
        path.write_bytes(content)
        image = given_or_refused(read_image, path)
        assert image is None or (image.shape, image.dtype) == ((8, 8), np.uint8)

    tried(count, files(seeds), check)


@pytest.mark.parametrize("shape", ["200000, 200000", "-8, 8", "8, 9999999999999999999", "8, " * 900])
def test_an_array_that_is_not_there_takes_no_memory(tmp_path, shape):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({shape}), }}\n".encode()
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(DataError, match=r"a\.npy"):
        read_image(tmp_path / "a.npy")


@pytest.mark.parametrize("reader", [read_image, lambda path: read(path, Folder.Options(path=path.parent))])
def test_a_small_file_of_a_giant_picture_is_refused_before_it_is_decoded(tmp_path, reader, monkeypatch):
    Image.new("L", (3000, 3000)).save(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size < 20_000
    monkeypatch.setenv("KDKIT_LARGEST_FILE", "10MB")
    with pytest.raises(DataError, match="becomes 72 MB in memory; one file may take 10 MB"):
        reader(tmp_path / "a.png")


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n(x) (w) file showpage\n%%EOF\n"


@pytest.mark.parametrize(
    "reader", [read_image, read_photo, lambda path: read(path, Folder.Options(path=path.parent))]
)
@pytest.mark.parametrize("content", [POSTSCRIPT, encoded("avif", "RGB"), encoded("ppm"), encoded("pdf")])
def test_what_is_no_picture_of_the_usual_kinds_is_not_opened_whatever_it_is_called(
    tmp_path, monkeypatch, reader, content
):
    from PIL import EpsImagePlugin

    def run(*_, **__):
        raise KeyboardInterrupt("a program was run")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", run)
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.png"):
        reader(tmp_path / "a.png")


def test_one_damaged_picture_ends_no_run(tmp_path):
    """A chunk that inflates to more than it may makes Pillow raise ValueError, not one of its own kinds."""
    import struct
    import zlib

    png = encoded("png")
    body = b"zTXta\0\0" + zlib.compress(bytes(80_000_000), 9)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    place = png.index(b"IDAT") - 4
    (tmp_path / "a.png").write_bytes(png[:place] + chunk + png[place:])
    (tmp_path / "b.png").write_bytes(png)
    folder = Folder(Folder.Options(path=tmp_path))
    assert folder.count() == 1
    assert [defect.name for defect in folder.exclusions()] == ["a.png"]
