"""Files that lie: one of them takes neither the memory nor the others with it."""

import os
import zlib

import numpy as np
import pydicom
import pytest
from kdkit_echocardio.clips import read_clip
from kdkit_echocardio.recordings import inspect, open_study
from layouts import beat
from PIL import Image
from pydicom.encaps import encapsulate
from test_clips import write_dicom

from kdkit import DataError

FRAMES = beat(5, 24, 32)
SYNTAXES = {
    "private": b"1.2.3.4.5.6.7",
    "empty": b"",
    "damaged": b"\xff\xfe1.x\n\x1b[2J",
    "several": b"1.2\\1.3",
    "of videos": b"1.2.840.10008.1.2.4.100",
    "deflated": b"1.2.840.10008.1.2.1.99",
}


def with_syntax(path, name, damage):
    """A DICOM file of JPEG pictures under another transfer syntax, its pictures whole or damaged."""
    import cv2

    pictures = [cv2.imencode(".jpg", frame)[1].tobytes() for frame in FRAMES]
    data = pydicom.dcmread(write_dicom(path, FRAMES))
    data.PixelData = encapsulate([picture[: 40 if damage else None] for picture in pictures])
    data["PixelData"].VR = "OB"
    data.file_meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit
    data.save_as(path, enforce_file_format=True)
    own = pydicom.uid.JPEGBaseline8Bit.encode()
    content = path.read_bytes()
    assert content.count(own) == 1
    path.write_bytes(content.replace(own, SYNTAXES[name].ljust(len(own), b"\0")[: len(own)]))


@pytest.mark.parametrize("damage", [False, True])
@pytest.mark.parametrize("name", SYNTAXES)
def test_a_strange_transfer_syntax_ends_no_folder(tmp_path, name, damage):
    with_syntax(tmp_path / "strange.dcm", name, damage)
    write_dicom(tmp_path / "whole.dcm", FRAMES)
    study = inspect(open_study(tmp_path, "dicom"))
    names = {recording.name for recording in study.recordings}
    assert "whole" in names
    assert names | {defect.name for defect in study.defects if defect.dropped} == {"strange", "whole"}
    if damage:
        with pytest.raises(DataError, match=r"strange\.dcm"):
            read_clip(tmp_path / "strange.dcm")


def test_a_narrow_and_long_picture_is_refused_before_it_is_widened(tmp_path):
    frames = [Image.new("L", (32, 65500), number) for number in range(3)]
    frames[0].save(tmp_path / "tall.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match="claims frames of 32x65500 pixels; at most 4096x4096 are read"):
        read_clip(tmp_path / "tall.gif")


def test_a_deflated_file_is_not_inflated_beyond_the_limit(tmp_path, monkeypatch):
    data = pydicom.dcmread(write_dicom(tmp_path / "c.dcm", FRAMES))
    data.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    data.save_as(tmp_path / "c.dcm")
    content = (tmp_path / "c.dcm").read_bytes()
    inflater = zlib.decompressobj(-15)
    start = next(n for n in range(200, 500) if _inflates(content[n:]))
    plain = inflater.decompress(content[start:])
    packer = zlib.compressobj(9, wbits=-15)
    (tmp_path / "c.dcm").write_bytes(content[:start] + packer.compress(plain + bytes(40_000_000)) + packer.flush())
    assert (tmp_path / "c.dcm").stat().st_size < 100_000
    monkeypatch.setenv("KDKIT_LARGEST_FILE", "20MB")
    with pytest.raises(DataError, match="inflates to more than 5 MB; one file may take 20 MB"):
        read_clip(tmp_path / "c.dcm")


def _inflates(content):
    inflater = zlib.decompressobj(-15)
    try:
        return b"MONOCHROME" in inflater.decompress(content) and inflater.eof
    except zlib.error:
        return False


@pytest.mark.parametrize("name", [b"Herz\xe9", b"two\nlines", b"\x1b[2J", b"x" * 250, b"\xff\xfe", b"%s%n"])
def test_whatever_a_recording_is_called_it_can_be_drawn(tmp_path, name):
    from kdkit_echocardio.sheet import contact_sheet

    from kdkit import Sample

    path = tmp_path / f"{os.fsdecode(name)}.dcm"
    write_dicom(path, FRAMES)
    (recording,) = inspect(open_study(tmp_path, "dicom")).recordings
    sample = Sample(recording.load().frames, info={"name": recording.name})
    assert contact_sheet([sample]).dtype == np.uint8
