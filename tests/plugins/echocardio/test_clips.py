"""Clips: reading every kind of file, refusing the broken ones, fitting to the network's square, writing overlays."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pydicom
import pytest
from kdkit_echocardio.beats import Beats
from kdkit_echocardio.clips import SIDE, Clip, Square, fit, read_clip, restore
from kdkit_echocardio.clips.overlay import write_overlay
from kdkit_echocardio.clips.sector import find_sector
from kdkit_echocardio.domain import Echocardio
from opencv import silence_opencv
from PIL import Image
from pydicom.data import get_testdata_file

from kdkit import DataError, KdkitError
from kdkit.engine.inputs import choose_stems, list_inputs

REAL_CINE = Path(get_testdata_file("examples_ybr_color.dcm"))


def beating(count=20, height=96, width=120):
    """A bright disc that grows and shrinks: uint8 (count, height, width)."""
    rows, columns = np.mgrid[:height, :width]
    radius = min(height, width) * (0.25 + 0.08 * np.cos(np.arange(count) / 3))
    distance = np.hypot(rows - height / 2, columns - width / 2)
    return np.clip(200 - 12 * np.abs(distance - radius[:, None, None]), 0, 255).astype(np.uint8)


def write_video(path, frames, codec="MJPG", fps=25.0):
    # FFmpeg settles how much it says when a process first opens a video, so here as in the reader.
    with silence_opencv():
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), fps, frames.shape[:0:-1])
        assert writer.isOpened()
        for frame in frames:
            writer.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
        writer.release()
    return path


def write_gif(path, frames, duration=40):
    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=True, append_images=others, duration=duration, loop=0)
    return path


def write_dicom(path, pixels, kind="MONOCHROME2", **attributes):
    """An uncompressed multi-frame DICOM file of pixels (T, H, W) or (T, H, W, 3), uint8 or uint16."""
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.3.1"
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    data.Modality = "US"
    data.NumberOfFrames, data.Rows, data.Columns = pixels.shape[:3]
    data.SamplesPerPixel = 3 if pixels.ndim == 4 else 1
    if pixels.ndim == 4:
        data.PlanarConfiguration = 0
    data.PhotometricInterpretation = kind
    data.BitsAllocated = data.BitsStored = 8 * pixels.itemsize
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, 0
    data.PixelData = pixels.tobytes()
    for name, value in attributes.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return path


def region(box, delta=0.05, **attributes):
    """A 2D tissue region: (left, top, right, bottom), the last two included; ``delta`` in centimetres."""
    item = pydicom.Dataset()
    item.RegionSpatialFormat = item.RegionDataType = 1
    item.RegionLocationMinX0, item.RegionLocationMinY0, item.RegionLocationMaxX1, item.RegionLocationMaxY1 = box
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.PhysicalDeltaX = item.PhysicalDeltaY = delta
    for name, value in attributes.items():
        setattr(item, name, value)
    return item


class TestReading:
    @pytest.mark.parametrize(
        ("suffix", "codec"),
        [(".avi", "MJPG"), (".avi", "XVID"), (".mp4", "mp4v"), (".mov", "mp4v"), (".mp4", "vp09")],
    )
    def test_video(self, tmp_path, suffix, codec):
        frames = beating()
        clip = read_clip(write_video(tmp_path / f"clip{suffix}", frames, codec))
        assert clip.frames.shape == frames.shape
        assert clip.frames.dtype == np.uint8
        assert clip.fps == pytest.approx(25.0)
        assert clip.spacing_mm is None
        assert np.abs(clip.frames.astype(int) - frames).mean() < 6

    def test_gif(self, tmp_path):
        frames = beating()
        clip = read_clip(write_gif(tmp_path / "clip.gif", frames))
        assert clip.fps == pytest.approx(25.0)
        assert np.array_equal(clip.frames, frames)

    def test_gif_without_durations_has_no_rate(self, tmp_path):
        assert read_clip(write_gif(tmp_path / "clip.gif", beating(), duration=0)).fps is None

    def test_name_with_blanks_colons_and_accents(self, tmp_path):
        assert len(read_clip(write_video(tmp_path / "écho 4C: n°1 %03d.avi", beating())).frames) == 20

    def test_wrong_suffix_is_no_obstacle(self, tmp_path):
        path = write_gif(tmp_path / "clip.gif", beating()).rename(tmp_path / "clip.avi")
        assert len(read_clip(path).frames) == 20
        assert len(read_clip(write_dicom(tmp_path / "cine.mp4", beating())).frames) == 20
        assert len(read_clip(write_dicom(tmp_path / "IM000001", beating())).frames) == 20

    def test_relative_path(self, tmp_path, monkeypatch):
        write_video(tmp_path / "clip.avi", beating())
        monkeypatch.chdir(tmp_path)
        assert len(read_clip(Path("clip.avi")).frames) == 20


class TestDicom:
    def test_real_cine(self):
        clip = read_clip(REAL_CINE)
        assert clip.frames.shape == (30, 240, 320)
        assert clip.fps == pytest.approx(1000 / 33.333)
        # It was scaled from 640 x 480 without its regions, which now reach beyond the frame: a wrong scale, not none.
        assert clip.spacing_mm is None
        assert clip.region is None

    def test_pillow_alone_decodes_the_real_cine(self):
        from pydicom.pixels import pixel_array

        assert pixel_array(REAL_CINE, decoding_plugin="pillow").shape == (30, 240, 320, 3)

    def test_grey(self, tmp_path):
        frames = beating()
        clip = read_clip(write_dicom(tmp_path / "cine.dcm", frames, FrameTime="20"))
        assert np.array_equal(clip.frames, frames)
        assert clip.fps == 50

    def test_inverted_grey(self, tmp_path):
        frames = beating()
        assert np.array_equal(read_clip(write_dicom(tmp_path / "c.dcm", 255 - frames, "MONOCHROME1")).frames, frames)

    def test_colour(self, tmp_path):
        frames = beating()
        colour = np.stack([frames, frames, frames], -1)
        assert np.array_equal(read_clip(write_dicom(tmp_path / "c.dcm", colour, "RGB")).frames, frames)
        colour[..., 1:] = 0
        assert read_clip(write_dicom(tmp_path / "c.dcm", colour, "RGB")).frames.max() < 80

    def test_sixteen_bits(self, tmp_path):
        frames = beating()
        deep = frames.astype(np.uint16) << 4
        clip = read_clip(write_dicom(tmp_path / "c.dcm", deep, BitsStored=12, HighBit=11))
        assert np.array_equal(clip.frames, frames)

    def test_palette(self, tmp_path):
        frames = beating()
        table = {f"{c}PaletteColorLookupTableDescriptor": [256, 0, 16] for c in ("Red", "Green", "Blue")}
        ramp = (np.arange(256, dtype=np.uint16) * 257).tobytes()
        table |= {f"{c}PaletteColorLookupTableData": ramp for c in ("Red", "Green", "Blue")}
        assert np.array_equal(
            read_clip(write_dicom(tmp_path / "c.dcm", frames, "PALETTE COLOR", **table)).frames, frames
        )

    @pytest.mark.parametrize(
        ("attributes", "rate"),
        [
            ({"FrameTimeVector": ["0", *["25"] * 19]}, 40),
            ({"CineRate": "30"}, 30),
            ({"RecommendedDisplayFrameRate": "60"}, 60),
            ({"FrameTime": "0"}, None),
            ({"FrameTime": ""}, None),
            ({}, None),
        ],
    )
    def test_frame_rate(self, tmp_path, attributes, rate):
        assert read_clip(write_dicom(tmp_path / "c.dcm", beating(), **attributes)).fps == rate

    @pytest.mark.parametrize(
        ("regions", "spacing", "box"),
        [
            ([region((10, 5, 109, 90))], 0.5, (10, 5, 110, 91)),
            ([region((0, 0, 120, 96))], 0.5, (0, 0, 121, 97)),  # a size where the last pixel belongs
            ([region((10, 5, 300, 90))], None, None),
            ([region((10, 5, 109, 90), PhysicalDeltaY=0.06)], None, (10, 5, 110, 91)),
            ([region((10, 5, 109, 90), PhysicalUnitsXDirection=4)], None, (10, 5, 110, 91)),
            ([region((10, 5, 109, 60)), region((0, 61, 119, 95), RegionDataType=10)], 0.5, (10, 5, 110, 61)),
            ([region((0, 0, 59, 95)), region((60, 0, 119, 95), delta=0.06)], None, None),
            ([], None, None),
        ],
    )
    def test_regions(self, tmp_path, regions, spacing, box):
        path = write_dicom(tmp_path / "c.dcm", beating(), SequenceOfUltrasoundRegions=regions)
        clip = read_clip(path)
        assert clip.spacing_mm == (None if spacing is None else pytest.approx(spacing))
        assert clip.region == box


class TestNifti:
    """(x, y, time) or (x, y, 1, time), whatever the file is called."""

    def write(self, path, frames, zooms=(0.4, 0.4, 1.0, 0.02), units=("mm", "sec"), volume=True):
        pixels = frames.transpose(2, 1, 0)
        image = nibabel.Nifti1Image(pixels[:, :, None] if volume else pixels, np.eye(4))
        image.header.set_zooms(zooms if volume else zooms[:3])
        image.header.set_xyzt_units(*units)
        nibabel.save(image, path)
        return path

    @pytest.mark.parametrize("name", ["heart0.nii.gz", "heart0.nii"])
    def test_a_volume_over_time_is_a_clip_with_its_rate_and_spacing(self, tmp_path, name):
        path = self.write(tmp_path / name, beating())
        assert list_inputs(Echocardio(), [tmp_path]).files == [path]
        clip = read_clip(path)
        np.testing.assert_array_equal(clip.frames, beating())
        assert clip.fps == pytest.approx(50) and clip.spacing_mm == pytest.approx(0.4)
        assert choose_stems([path], tmp_path / "out")[path].name == "heart0"

    def test_without_a_unit_of_time_the_rate_is_unknown(self, tmp_path):
        assert read_clip(self.write(tmp_path / "a.nii.gz", beating(), units=("mm", "unknown"))).fps is None
        assert read_clip(self.write(tmp_path / "b.nii.gz", beating(), volume=False)).fps is None

    def test_pixels_become_square(self, tmp_path):
        clip = read_clip(self.write(tmp_path / "a.nii.gz", beating(), zooms=(0.4, 0.2, 1.0, 0.02)))
        assert clip.frames.shape == (20, 48, 120) and clip.spacing_mm == pytest.approx(0.4)

    def test_the_content_decides_and_not_the_name(self, tmp_path):
        path = self.write(tmp_path / "a.nii.gz", beating()).rename(tmp_path / "recording")
        assert list_inputs(Echocardio(), [tmp_path]).files == [path]
        assert len(read_clip(path).frames) == 20

    @pytest.mark.parametrize(
        ("frames", "reason"),
        [(beating(count=1), "still image"), ((beating() > 100).astype(np.uint8), "label map")],
        ids=["still", "labels"],
    )
    def test_what_is_no_clip_says_what_it_is(self, tmp_path, frames, reason):
        path = self.write(tmp_path / "a.nii.gz", frames)
        with pytest.raises(DataError, match=reason):
            read_clip(path)

    def test_a_truncated_one_says_so(self, tmp_path):
        path = self.write(tmp_path / "a.nii.gz", np.random.default_rng(0).integers(0, 255, (9, 40, 40), np.uint8))
        path.write_bytes(path.read_bytes()[:-500])
        with pytest.raises(DataError, match=r"a\.nii\.gz is truncated"):
            read_clip(path)


class TestRefusing:
    """Every refusal is one DataError that names the file; nothing is written to stderr."""

    @pytest.fixture(autouse=True)
    def _quiet(self, capfd):
        yield
        assert capfd.readouterr().err == ""

    def refused(self, path):
        with pytest.raises(DataError) as caught:
            read_clip(path)
        assert str(path) in caught.value.message
        return str(caught.value)

    @pytest.mark.parametrize("suffix", [".avi", ".mp4", ".gif", ".dcm", ""])
    def test_empty_file(self, tmp_path, suffix):
        path = tmp_path / f"clip{suffix}"
        path.touch()
        assert "is empty (0 bytes)" in self.refused(path)

    @pytest.mark.parametrize("suffix", [".avi", ".mp4", ".gif", ".dcm", ""])
    def test_text(self, tmp_path, suffix):
        path = tmp_path / f"clip{suffix}"
        path.write_text("Dear colleague, enclosed please find the clip.\n" * 20)
        self.refused(path)

    @pytest.mark.parametrize("suffix", [".avi", ".mp4", ".gif", ".dcm"])
    @pytest.mark.parametrize("magic", [b"", b"RIFF\xff\xff\xff\xffAVI LIST", b"GIF89a", bytes(128) + b"DICM"])
    def test_random_bytes(self, tmp_path, suffix, magic):
        path = tmp_path / f"clip{suffix}"
        path.write_bytes(magic + np.random.default_rng(0).bytes(3000))
        self.refused(path)

    def test_missing_and_folder(self, tmp_path):
        assert "No such file" in self.refused(tmp_path / "clip.avi")
        assert "directory" in self.refused(tmp_path)

    @pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
    @pytest.mark.parametrize(
        ("suffix", "codec"), [(".avi", "MJPG"), (".avi", "XVID"), (".mp4", "mp4v"), (".mp4", "vp09")]
    )
    def test_truncated_video(self, tmp_path, suffix, codec, share):
        path = write_video(tmp_path / f"clip{suffix}", beating(40), codec)
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        self.refused(path)

    def test_truncated_video_says_how_much_is_left(self, tmp_path):
        path = write_video(tmp_path / "clip.avi", beating(40))
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
        assert "is truncated: 18001 bytes are missing at its end, in or after frame 21" in self.refused(path)

    def test_a_cut_in_the_last_frame_is_noticed(self, tmp_path):
        """The decoder conceals it: it fills up the picture and counts the frame."""
        path = write_video(tmp_path / "clip.avi", beating(40))
        whole = path.read_bytes()
        end_of_frames = whole.rindex(b"idx1")
        path.write_bytes(whole[: end_of_frames - 200])
        assert "is truncated" in self.refused(path)

    def test_a_lost_index_is_no_loss(self, tmp_path):
        path = write_video(tmp_path / "clip.avi", beating(40))
        before = read_clip(path).frames
        path.write_bytes(path.read_bytes()[: path.read_bytes().rindex(b"idx1")])
        assert np.array_equal(read_clip(path).frames, before)

    def test_mp4_with_its_index_in_front(self, tmp_path):
        path = write_video(tmp_path / "clip.mp4", beating(40), "mp4v")
        path.write_bytes(index_first(path.read_bytes()))
        assert len(read_clip(path).frames) == 40
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert "is truncated" in self.refused(path)

    def test_damaged_frames(self, tmp_path):
        path = write_video(tmp_path / "clip.avi", beating(40))
        content = bytearray(path.read_bytes())
        third = len(content) // 3
        content[third : 2 * third] = np.random.default_rng(0).bytes(third)
        path.write_bytes(content)
        assert "is damaged: 25 of the 40 packets in its index can be reached" in self.refused(path)

    def test_no_frames_and_one_frame(self, tmp_path):
        assert "no frames" in self.refused(write_video(tmp_path / "none.avi", beating()[:0].reshape(0, 96, 120)))
        assert "still image: 1 frame of 120x96" in self.refused(write_video(tmp_path / "one.avi", beating()[:1]))
        assert "still image" in self.refused(write_gif(tmp_path / "one.gif", beating()[:1]))
        assert "still image" in self.refused(write_dicom(tmp_path / "one.dcm", beating()[:1]))

    def test_a_size_that_nobody_can_mean(self, tmp_path):
        """Refused before they are decoded: 10,000 x 10,000 pixels take 100 MB for each frame."""
        gif = write_gif(tmp_path / "clip.gif", beating())
        content = bytearray(gif.read_bytes())
        content[6:10] = struct.pack("<HH", 10000, 10000)
        gif.write_bytes(content)
        assert "claims frames of 10000x10000 pixels" in self.refused(gif)
        dicom = pydicom.dcmread(write_dicom(tmp_path / "cine.dcm", beating()))
        dicom.Rows = dicom.Columns = 10000
        dicom.save_as(tmp_path / "cine.dcm")
        assert "claims frames of 10000x10000 pixels" in self.refused(tmp_path / "cine.dcm")

    def test_a_picture_that_lies_about_its_size(self, tmp_path):
        """Refused before it is decoded, which took a minute and a gigabyte for these few kilobytes."""
        path = write_dicom(tmp_path / "cine.dcm", beating())
        data = pydicom.dcmread(path)
        picture = bytearray(cv2.imencode(".jpg", beating()[0])[1].tobytes())
        start_of_frame = picture.index(b"\xff\xc0")
        picture[start_of_frame + 5 : start_of_frame + 9] = struct.pack(">HH", 12000, 12000)
        data.PixelData = pydicom.encaps.encapsulate([bytes(picture)] * 20)
        data["PixelData"].VR = "OB"
        data.file_meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit
        data.save_as(path, enforce_file_format=True)
        assert "pictures of 12000x12000 pixels in frames of 120x96" in self.refused(path)

    def test_a_gif_that_grows(self, tmp_path):
        path = write_gif(tmp_path / "clip.gif", beating())
        content = bytearray(path.read_bytes())
        second = content.index(b"\x2c", content.index(b"\x21\xf9", content.index(b"\x2c")))
        content[second + 5 : second + 9] = struct.pack("<HH", 12000, 12000)
        path.write_bytes(content)
        assert "at most 4096x4096 are read" in self.refused(path)

    def test_frames_beyond_any_memory(self, tmp_path, monkeypatch):
        monkeypatch.setenv("KDKIT_LARGEST_FILE", str(2 * 10 * 96 * 120))
        for path in (write_gif(tmp_path / "c.gif", beating()), write_dicom(tmp_path / "c.dcm", beating())):
            assert "is too long" in self.refused(path)
        assert "is too long" in self.refused(write_video(tmp_path / "c.avi", beating()))

    @pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 0.999])
    def test_truncated_gif(self, tmp_path, share):
        path = write_gif(tmp_path / "clip.gif", beating())
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        self.refused(path)

    @pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.97])
    @pytest.mark.parametrize("compressed", [True, False])
    def test_truncated_dicom(self, tmp_path, share, compressed):
        path = tmp_path / "cine.dcm"
        content = (REAL_CINE if compressed else write_dicom(path, beating())).read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        self.refused(path)

    def test_dicom_without_pictures(self):
        assert "without pixel data" in self.refused(Path(get_testdata_file("rtplan.dcm")))

    def test_a_damaged_compressed_picture_is_not_blamed_on_a_missing_decoder(self, tmp_path):
        data = pydicom.dcmread(REAL_CINE)
        pixels = bytearray(data.PixelData)
        pixels[2000:60_000] = np.random.default_rng(0).bytes(58_000)
        data.PixelData = bytes(pixels)
        data.save_as(tmp_path / "cine.dcm")
        assert "no decoder" not in self.refused(tmp_path / "cine.dcm")

    def test_dicom_of_a_compression_without_decoder(self, tmp_path, monkeypatch):
        data = pydicom.dcmread(REAL_CINE)
        data.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLSLossless
        start_of_frame = bytes.fromhex("fff7000b0800f0014003011100")  # 240 x 320, one component
        pictures = [b"\xff\xd8" + start_of_frame + bytes(20)] * 30
        data.PixelData = pydicom.encaps.encapsulate(pictures)
        decoder = pydicom.pixels.get_decoder(pydicom.uid.JPEGLSLossless)
        monkeypatch.setattr(decoder, "_available", {})
        data.save_as(tmp_path / "cine.dcm")
        message = self.refused(tmp_path / "cine.dcm")
        assert "JPEG-LS Lossless" in message
        assert "pip install" in message

    def test_picture_files(self, tmp_path):
        for name in ("photo.png", "photo.jpg", "photo.avi"):
            path = tmp_path / name
            ok, data = cv2.imencode(path.suffix.replace("avi", "png"), beating()[0])
            assert ok
            path.write_bytes(data.tobytes())
            self.refused(path)


def index_first(content):
    """An MP4 file with the box ``moov`` moved before ``mdat``, as streaming servers want it."""
    boxes, position = [], 0
    while position < len(content):
        length, name = struct.unpack(">I4s", content[position : position + 8])
        boxes.append((name, content[position : position + length]))
        position += length
    moov = bytearray(dict(boxes)[b"moov"])
    table = moov.index(b"stco")
    for entry in range(struct.unpack(">I", moov[table + 8 : table + 12])[0]):
        place = table + 12 + 4 * entry
        offset = struct.unpack(">I", moov[place : place + 4])[0]
        moov[place : place + 4] = struct.pack(">I", offset + len(moov))
    return b"".join([boxes[0][1], bytes(moov), *(data for name, data in boxes[1:] if name != b"moov")])


def scanner_picture(count=24, height=480, width=640, text=True):
    """A sector of flickering speckle with a beating cavity, and around it what a scanner's screen shows."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width]
    radius, angle = np.hypot(rows - 40, columns - 320), np.arctan2(columns - 320, rows - 40)
    inside = (radius < 380) & (np.abs(angle) < 0.7)
    frames = np.zeros((count, height, width), np.uint8)
    for number, frame in enumerate(frames):
        speckle = cv2.GaussianBlur(rng.integers(0, 255, (height, width), np.uint8), (0, 0), 1.5)
        frame[inside] = speckle[inside]
        if text:
            cv2.putText(frame, "HR 72  MI 1.1", (10, 60), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255,), 2)
            cv2.rectangle(frame, (0, 0), (width, 24), (90,), -1)
            trace = [[x, 455 - (30 if (x - 7 * number) % 160 < 6 else 0)] for x in range(0, width, 2)]
            cv2.polylines(frame, [np.array(trace, np.int32)], False, (255,), 1)
    return frames, inside


class TestSector:
    def test_text_and_electrocardiogram_are_left_out(self):
        frames, inside = scanner_picture()
        found = find_sector(frames)
        assert 2 * (found & inside).sum() / (found.sum() + inside.sum()) > 0.97
        assert not found[:30].any()
        assert not found[440:].any()

    def test_a_clip_that_stands_still_is_told_by_brightness(self):
        frames, inside = scanner_picture(text=False)
        found = find_sector(frames[[0, 0, 0]])
        assert 2 * (found & inside).sum() / (found.sum() + inside.sum()) > 0.95

    def test_region_bounds_the_search(self):
        frames, _ = scanner_picture()
        found = find_sector(frames, (100, 50, 500, 400))
        assert found[150:390, 300:340].all()
        assert not found[:50].any()
        assert not found[:, 500:].any()

    @pytest.mark.parametrize("level", [0, 200])
    def test_nothing_to_find_keeps_the_whole_frame(self, level):
        assert find_sector(np.full((4, 50, 60), level, np.uint8)).all()

    @pytest.mark.parametrize("shape", [(2, 1, 1), (2, 3, 200), (2, 200, 3)])
    def test_tiny_frames(self, shape):
        frames = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
        assert find_sector(frames).shape == shape[1:]


class TestFitting:
    def test_right_size_passes_unchanged(self):
        frames = beating(height=SIDE, width=SIDE)
        fitted, square = fit(Clip(frames))
        assert np.array_equal(fitted, frames)
        probability = np.random.default_rng(0).random(frames.shape, np.float32)
        assert np.array_equal(np.stack(list(restore(probability, square))), probability)

    def test_square_survives_json(self):
        import json

        square = Square(-3, 4, 100, 90, 80)
        assert Square.from_info(json.loads(json.dumps(square.as_info()))) == square

    def test_real_cine(self):
        clip = read_clip(REAL_CINE)
        fitted, square = fit(clip)
        assert fitted.shape == (30, SIDE, SIDE)
        # Measured on the picture: the probe's face at row 22, the arc's lowest point at row 203, axis at column 171.
        assert abs(square.top - 21) <= 4
        assert abs(square.top + square.side - 204) <= 4
        assert abs(square.left + square.side / 2 - 171) <= 4
        # The orientation mark and the depth scale beside the sector are gone.
        assert clip.frames[:, 16:24, 186:194].max() > 80
        scale = SIDE / square.side
        row, column = round((20 - square.top) * scale), round((190 - square.left) * scale)
        assert fitted[:, max(0, row - 2) : row + 3, column - 2 : column + 3].max() < 20

    @pytest.mark.parametrize("size", [(480, 640), (300, 200), (90, 70), (113, 111), (1000, 300), (40, 400)])
    def test_answers_return_to_their_place(self, size):
        height, width = size
        rng = np.random.default_rng(0)
        # Everything moves, so all of the frame is sector.
        frames = rng.integers(60, 120, (6, height, width), np.uint8)
        rows, columns = np.mgrid[:height, :width]
        side = min(height, width)
        blob = np.hypot((rows - height / 2) / 1.3, columns - width / 2) < 0.25 * side
        frames[:, blob] += 120
        fitted, square = fit(Clip(frames))
        assert fitted.shape == (6, SIDE, SIDE)
        probability = (cv2.GaussianBlur(fitted.mean(0), (0, 0), 1.0) > 150).astype(np.float32)
        restored = list(restore(np.stack([probability, probability]), square))
        assert [frame.shape for frame in restored] == [size, size]
        found = restored[0] >= 0.5
        assert 2 * (found & blob).sum() / (found.sum() + blob.sum()) > 0.94

    def test_outside_of_the_square_is_zero(self):
        frames, _ = scanner_picture(8)
        _, square = fit(Clip(frames))
        restored = next(restore(np.ones((1, SIDE, SIDE), np.float32), square))
        expected = np.zeros((480, 640), np.float32)
        expected[max(0, square.top) : square.top + square.side, square.left : square.left + square.side] = 1
        assert np.array_equal(restored, expected)


class TestOverlay:
    def write(self, path, height=96, width=120, count=12):
        frames = beating(count, height, width)
        probability = [np.clip(frame / 200.0, 0, 1).astype(np.float32) for frame in frames]
        areas = np.array([(mask >= 0.5).sum() for mask in probability], float)
        write_overlay(path, frames, probability, areas, Beats(np.array([0]), np.array([9])), 25.0)
        return path

    @pytest.mark.parametrize("size", [(96, 120), (97, 121), (900, 30), (1, 1)])
    def test_plays_back(self, tmp_path, size):
        clip = read_clip(self.write(tmp_path / "overlay.mp4", *size))
        assert len(clip.frames) == 12
        assert clip.fps == pytest.approx(25.0)
        assert clip.frames[0].size >= 110_000
        assert [path.name for path in tmp_path.iterdir()] == ["overlay.mp4"]

    def test_the_ventricle_is_tinted(self, tmp_path):
        capture = cv2.VideoCapture(str(self.write(tmp_path / "overlay.mp4", 112, 112)))
        _, picture = capture.read()
        blue, green, red = picture[:400].astype(int).transpose(2, 0, 1)
        assert ((red - blue) > 30).sum() > 1000
        assert (np.abs(red - green)[:40, :40] < 20).all()

    def test_unwritable_places(self, tmp_path):
        (tmp_path / "file").touch()
        for folder in (tmp_path / "missing", tmp_path / "file"):
            with pytest.raises(KdkitError, match="cannot write") as caught:
                self.write(folder / "overlay.mp4")
            assert "overlay.mp4" in caught.value.message

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_read_only_folder(self, tmp_path):
        tmp_path.chmod(0o500)
        with pytest.raises(KdkitError, match="Permission denied"):
            self.write(tmp_path / "overlay.mp4")

    def test_full_disk(self, tmp_path):
        """The system refuses to let a file grow: one error, nothing half-written, an older file untouched."""
        (tmp_path / "overlay.mp4").write_bytes(b"older")
        script = (
            "import resource\n"
            "from pathlib import Path\n"
            "from test_clips import KdkitError, TestOverlay\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
            "try:\n"
            f"    TestOverlay().write(Path({str(tmp_path)!r}) / 'overlay.mp4')\n"
            "except KdkitError as error:\n"
            "    print(error.message)\n"
        )
        result = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{script}"],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parent,
        )
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        assert "cannot write" in result.stdout
        assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("overlay.mp4", b"older")]
