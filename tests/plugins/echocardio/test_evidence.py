"""Headers that contradict their data: the data are believed, and what was not believed is told."""

import struct

import av
import cv2
import numpy as np
import pydicom
import pytest
from kdkit_echocardio.clips import StillError, clip, read_clip
from kdkit_echocardio.clips.dataset import is_dicom
from kdkit_echocardio.phantom import simulate
from kdkit_echocardio.recordings.video import load_video
from PIL import Image
from pydicom.encaps import encapsulate
from test_clips import region, write_dicom

from kdkit import DataError

FRAMES = simulate(np.random.default_rng(3), frames=12).frames
LEVELS = FRAMES.astype(np.uint16)


def rewritten(path, syntax=None, pixels=None, **attributes):
    """The file with other attributes; None removes one."""
    data = pydicom.dcmread(path)
    for name, value in attributes.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    if pixels is not None:
        data.PixelData = pixels
        data["PixelData"].VR = "OB"
    if syntax:
        data.file_meta.TransferSyntaxUID = syntax
    data.save_as(path, enforce_file_format=True)
    return path


def ycc(frames):
    """Grey frames as YCbCr: (T, H, W, 3)."""
    return np.stack([frames, np.full_like(frames, 128), np.full_like(frames, 128)], -1)


def rgb(frames):
    return np.repeat(frames[..., None], 3, -1)


def difference(clip, frames=FRAMES):
    return float(np.abs(clip.frames.astype(int) - frames).mean())


def jpegs(pictures, mode="RGB", **options):
    """Each picture as JPEG by Pillow, which stores YCbCr."""
    from io import BytesIO

    out = []
    for picture in pictures:
        file = BytesIO()
        Image.fromarray(picture, mode).save(file, "JPEG", quality=95, **options)
        out.append(file.getvalue())
    return out


def unmarked(data):
    """A JPEG picture without the marker that tells its colours."""
    assert data[2:4] == b"\xff\xe0"
    return data[:2] + data[4 + struct.unpack(">H", data[4:6])[0] :]


class TestColour:
    def test_halved_chrominance_uncompressed(self, tmp_path):
        half = np.empty((12, 112, 56, 4), np.uint8)
        half[..., 0], half[..., 1], half[..., 2:] = FRAMES[..., ::2], FRAMES[..., 1::2], 128
        path = write_dicom(tmp_path / "c.dcm", ycc(FRAMES), "YBR_FULL_422")
        clip = read_clip(rewritten(path, pixels=half.tobytes()))
        assert (len(clip.frames), clip.flags) == (12, ())
        assert difference(clip) <= 1
        # As many a pixel as the name of the kind does not say.
        assert difference(read_clip(write_dicom(tmp_path / "d.dcm", ycc(FRAMES), "YBR_FULL_422"))) <= 1
        assert difference(read_clip(rewritten(path, PhotometricInterpretation="YBR_FULL"))) <= 1

    @pytest.mark.parametrize(
        ("pixels", "kind", "planar", "flags"),
        [
            (rgb(FRAMES), "RGB", 0, ()),
            (ycc(FRAMES), "YBR_FULL", 0, ()),
            (ycc(FRAMES), "RGB", 0, ("colour-space",)),
            (rgb(FRAMES), "YBR_FULL", 0, ("colour-space",)),
            (rgb(FRAMES).transpose(0, 3, 1, 2), "RGB", 1, ()),
            (ycc(FRAMES).transpose(0, 3, 1, 2), "YBR_FULL", 1, ()),
            (ycc(FRAMES).transpose(0, 3, 1, 2), "RGB", 0, ("colour-space",)),
        ],
    )
    def test_uncompressed(self, tmp_path, pixels, kind, planar, flags):
        path = write_dicom(tmp_path / "c.dcm", rgb(FRAMES), kind, PlanarConfiguration=planar)
        clip = read_clip(rewritten(path, pixels=np.ascontiguousarray(pixels).tobytes()))
        assert difference(clip) <= 1
        assert clip.flags == flags
        assert clip.coloured < 0.01

    @pytest.mark.parametrize("kind", ["RGB", "YBR_FULL_422", "YBR_FULL"])
    @pytest.mark.parametrize("subsampling", [0, 2])
    @pytest.mark.parametrize("marked", [True, False])
    def test_jpeg_of_chrominances(self, tmp_path, kind, subsampling, marked):
        pictures = jpegs(rgb(FRAMES), subsampling=subsampling)
        pictures = pictures if marked else [unmarked(picture) for picture in pictures]
        path = write_dicom(tmp_path / "c.dcm", rgb(FRAMES), kind)
        clip = read_clip(rewritten(path, pydicom.uid.JPEGBaseline8Bit, encapsulate(pictures)))
        assert difference(clip) < 3
        assert clip.flags == (("colour-space",) if kind == "RGB" else ())

    @pytest.mark.parametrize(("kind", "flags"), [("RGB", ()), ("YBR_FULL_422", ("colour-space",))])
    def test_jpeg_of_rgb(self, tmp_path, kind, flags):
        """Stored as it is, whether the header says so or not; the marker of JFIF lies."""
        pictures = jpegs(rgb(FRAMES), mode="YCbCr", subsampling=0)
        path = write_dicom(tmp_path / "c.dcm", rgb(FRAMES), kind)
        clip = read_clip(rewritten(path, pydicom.uid.JPEGBaseline8Bit, encapsulate(pictures)))
        assert difference(clip) < 3
        assert clip.flags == flags

    def test_doppler_keeps_its_colours(self, tmp_path):
        colour = rgb(FRAMES)
        colour[:, 40:70, 40:70] = (255, 40, 0)
        clip = read_clip(write_dicom(tmp_path / "c.dcm", colour, "RGB"))
        assert clip.flags == ()
        assert abs(int(clip.frames[0, 50, 50]) - 100) <= 1

    @pytest.mark.parametrize("bits", [8, 16])
    @pytest.mark.parametrize("declared", [8, 16])
    @pytest.mark.parametrize("factor", [1, 256, 257])
    def test_depth_of_a_palette(self, tmp_path, bits, declared, factor):
        ramp = np.arange(256, dtype=np.uint8) if bits == 8 else np.arange(256, dtype=np.uint16) * factor
        table = {f"{c}PaletteColorLookupTableDescriptor": [256, 0, declared] for c in ("Red", "Green", "Blue")}
        table |= {f"{c}PaletteColorLookupTableData": ramp.tobytes() for c in ("Red", "Green", "Blue")}
        clip = read_clip(write_dicom(tmp_path / "c.dcm", FRAMES, "PALETTE COLOR", **table))
        assert np.array_equal(clip.frames, FRAMES)
        assert clip.flags == (() if (int(ramp.max()) > 255) == (declared > 8) else ("palette",))

    def test_no_palette(self, tmp_path):
        clip = read_clip(write_dicom(tmp_path / "c.dcm", FRAMES, "PALETTE COLOR"))
        assert np.array_equal(clip.frames, FRAMES)
        assert clip.flags == ("palette",)


class TestGrey:
    @pytest.mark.parametrize(
        ("values", "attributes"),
        [
            (LEVELS, {}),
            (LEVELS << 4, {}),
            (LEVELS << 4, {"BitsStored": 12, "HighBit": 11}),
            (LEVELS << 8, {}),
            (LEVELS << 8, {"BitsStored": 8, "HighBit": 7}),
            (LEVELS << 8, {"BitsStored": 8, "HighBit": 15}),
            (LEVELS << 4, {"BitsStored": 8, "HighBit": 7}),
            (LEVELS << 2, {"BitsStored": 12, "HighBit": 11, "RescaleSlope": "2", "RescaleIntercept": "-1024"}),
            ((LEVELS << 4) - 2048, {"PixelRepresentation": 1}),
            (((LEVELS << 4) - 2048) & 0xFFF, {"PixelRepresentation": 1, "BitsStored": 12, "HighBit": 11}),
        ],
    )
    def test_depth(self, tmp_path, values, attributes):
        clip = read_clip(write_dicom(tmp_path / "c.dcm", values, **attributes))
        # A clip that never reaches the upper half of eight bits cannot be told from one that was stored brighter.
        assert FRAMES.max() >= 128
        assert np.array_equal(clip.frames, FRAMES)
        assert clip.flags == ()

    @pytest.mark.parametrize(
        ("values", "declared"), [(LEVELS << 8, 1), (FRAMES, 1), (((LEVELS << 6) - 4096) & 0xFFFF, 0)]
    )
    def test_wrong_sign(self, tmp_path, values, declared):
        clip = read_clip(write_dicom(tmp_path / "c.dcm", values, PixelRepresentation=declared))
        assert clip.flags == ("sign",)
        assert np.array_equal(clip.frames, FRAMES)

    def test_white_text_is_no_negative_value(self, tmp_path):
        dim = FRAMES // 3
        dim[:, 100:104, :40] = 255
        clip = read_clip(write_dicom(tmp_path / "c.dcm", dim))
        assert (clip.flags, np.array_equal(clip.frames, dim)) == ((), True)
        deep = dim.astype(np.uint16) << 4
        deep[:, 100:104, :40] = 65535
        assert "sign" not in read_clip(write_dicom(tmp_path / "d.dcm", deep)).flags

    @pytest.mark.parametrize(
        "attributes",
        [
            {"WindowCenter": "1128", "WindowWidth": "256"},
            {"WindowCenter": ["9000", "1128"], "WindowWidth": ["10", "256"]},
            {"WindowCenter": "128", "WindowWidth": "256", "RescaleIntercept": "-1000", "RescaleSlope": "1"},
            {"WindowCenter": "1127.5", "WindowWidth": "255", "VOILUTFunction": "LINEAR_EXACT"},
        ],
    )
    def test_window(self, tmp_path, attributes):
        clip = read_clip(write_dicom(tmp_path / "c.dcm", LEVELS + 1000, **attributes))
        assert difference(clip) <= 1
        assert clip.flags == ()

    @pytest.mark.parametrize("window", [("60000", "100"), ("-500", "100"), ("32768", "65536"), ("100", "0")])
    def test_a_window_that_shows_nothing_is_not_believed(self, tmp_path, window):
        clip = read_clip(write_dicom(tmp_path / "c.dcm", LEVELS, WindowCenter=window[0], WindowWidth=window[1]))
        assert np.array_equal(clip.frames, FRAMES)
        assert clip.flags == (() if window[1] == "0" else ("window",))

    def test_voi_table(self, tmp_path):
        item = pydicom.Dataset()
        item.LUTDescriptor = [256, 1000, 8]
        item.add_new("LUTData", "OW", np.arange(256, dtype=np.uint16).tobytes())
        clip = read_clip(write_dicom(tmp_path / "c.dcm", LEVELS + 1000, VOILUTSequence=[item]))
        assert np.array_equal(clip.frames, FRAMES)

    def test_padding_is_black_and_no_value(self, tmp_path):
        values = (LEVELS << 4).astype(np.int16)
        values[:, :20] = -32768
        path = write_dicom(tmp_path / "c.dcm", values.view(np.uint16), PixelRepresentation=1)
        data = pydicom.dcmread(path)
        data.add_new("PixelPaddingValue", "SS", -32768)
        data.save_as(path)
        frames = FRAMES.copy()
        frames[:, :20] = 0
        assert np.array_equal(read_clip(path).frames, frames)

    def test_inverted(self, tmp_path):
        deep = (4095 - (LEVELS << 4)).astype(np.uint16)
        clip = read_clip(write_dicom(tmp_path / "c.dcm", deep, "MONOCHROME1", BitsStored=12, HighBit=11))
        assert (difference(clip) <= 1, clip.flags) == (True, ())
        # Its black background says that it is not.
        clip = read_clip(write_dicom(tmp_path / "d.dcm", FRAMES, "MONOCHROME1"))
        assert (difference(clip), clip.flags) == (0, ("inverted",))


class TestFrames:
    @pytest.mark.parametrize("declared", [None, 0, 1, 5, 13, 1000])
    @pytest.mark.parametrize("compressed", [True, False])
    def test_number_of_frames(self, tmp_path, declared, compressed):
        path = write_dicom(tmp_path / "c.dcm", FRAMES, FrameTime="20")
        if compressed:
            pictures = [cv2.imencode(".jpg", frame)[1].tobytes() for frame in FRAMES]
            rewritten(path, pydicom.uid.JPEGBaseline8Bit, encapsulate(pictures))
        clip = read_clip(rewritten(path, NumberOfFrames=declared))
        assert (len(clip.frames), clip.fps, clip.flags) == (12, 50, ("frame-count",))

    def test_pictures_in_several_fragments(self, tmp_path):
        path = write_dicom(tmp_path / "c.dcm", FRAMES)
        pictures = [cv2.imencode(".jpg", frame)[1].tobytes() for frame in FRAMES]
        rewritten(path, pydicom.uid.JPEGBaseline8Bit, encapsulate(pictures, fragments_per_frame=3))
        assert read_clip(rewritten(path, NumberOfFrames=1)).frames.shape == FRAMES.shape

    def test_run_lengths(self, tmp_path):
        data = pydicom.dcmread(write_dicom(tmp_path / "c.dcm", FRAMES))
        data.compress(pydicom.uid.RLELossless)
        data.NumberOfFrames = 3
        data.save_as(tmp_path / "c.dcm")
        clip = read_clip(tmp_path / "c.dcm")
        assert np.array_equal(clip.frames, FRAMES)

    @pytest.mark.parametrize("colour", [True, False])
    def test_jpeg_2000_named_otherwise(self, tmp_path, colour):
        from io import BytesIO

        pictures = []
        for frame in FRAMES:
            file = BytesIO()
            picture = Image.fromarray(rgb(frame[None])[0] if colour else frame)
            picture.save(file, "JPEG2000", no_jp2=True, irreversible=False, mct=int(colour))
            pictures.append(file.getvalue())
        kind = "YBR_RCT" if colour else "MONOCHROME2"
        path = write_dicom(tmp_path / "c.dcm", rgb(FRAMES) if colour else FRAMES, kind)
        for syntax in (pydicom.uid.JPEG2000Lossless, pydicom.uid.JPEGBaseline8Bit):
            assert np.array_equal(read_clip(rewritten(path, syntax, encapsulate(pictures))).frames, FRAMES)

    @pytest.mark.parametrize("syntax", ["1.2.840.113619.5.2", "1.2.3.4", str(pydicom.uid.JPEGLSLossless)])
    def test_a_transfer_syntax_that_is_none_or_another(self, tmp_path, syntax):
        path = write_dicom(tmp_path / "c.dcm", FRAMES)
        pictures = [cv2.imencode(".jpg", frame)[1].tobytes() for frame in FRAMES]
        clip = read_clip(rewritten(path, pydicom.uid.JPEGBaseline8Bit, encapsulate(pictures)))
        whole = path.read_bytes()
        declared = str(pydicom.uid.JPEGBaseline8Bit).encode().ljust(22, b"\0")
        named = syntax.encode().ljust(22, b"\0")
        assert declared in whole
        path.write_bytes(whole.replace(declared, named))
        assert np.array_equal(read_clip(path).frames, clip.frames)

    def test_a_still_is_one_by_its_data(self, tmp_path):
        path = write_dicom(tmp_path / "c.dcm", FRAMES[:1])
        with pytest.raises(StillError):
            read_clip(rewritten(path, NumberOfFrames=24))

    @pytest.mark.parametrize(
        ("codec", "syntax"), [("libx264", "MPEG4HP41"), ("mpeg2video", "MPEG2MPML"), ("libx265", "HEVCMP51")]
    )
    def test_video_inside(self, tmp_path, codec, syntax):
        suffix = ".mp4" if codec == "libx264" else ".mpg" if codec == "mpeg2video" else ".ts"
        video = encoded(tmp_path / f"inside{suffix}", FRAMES, codec)
        path = write_dicom(tmp_path / "c.dcm", rgb(FRAMES), "YBR_PARTIAL_420", FrameTime="40")
        path = rewritten(path, getattr(pydicom.uid, syntax), encapsulate([video.read_bytes()]))
        clip = read_clip(path)
        assert (clip.frames.shape, clip.fps, clip.flags) == (FRAMES.shape, 25, ())
        assert difference(clip) < 6


class TestTimes:
    @pytest.mark.parametrize(
        ("attributes", "rate"),
        [
            ({"FrameIncrementPointer": 0x00181065, "FrameTimeVector": ["0", *["25"] * 11], "FrameTime": "500"}, 40),
            ({"FrameIncrementPointer": 0x00181063, "FrameTimeVector": ["0", *["25"] * 11], "FrameTime": "50"}, 20),
            ({"FrameIncrementPointer": 0x00181065, "FrameTime": "50"}, 20),
            ({"FrameIncrementPointer": 0x00181063, "CineRate": "30"}, 30),
            ({"FrameIncrementPointer": [0x00181065, 0x00181063], "FrameTime": "20"}, 50),
            ({"FrameTime": "0.033", "CineRate": "30"}, 30),
            ({"FrameTime": "-40", "RecommendedDisplayFrameRate": "24"}, 24),
            ({"CineRate": "0", "RecommendedDisplayFrameRate": "24"}, 24),
            ({"FrameTimeVector": ["0", "40"]}, 25),
            ({"FrameTimeVector": "40"}, None),
        ],
    )
    def test_pointer(self, tmp_path, attributes, rate):
        clip = read_clip(write_dicom(tmp_path / "c.dcm", FRAMES, **attributes))
        assert clip.fps == (None if rate is None else pytest.approx(rate))
        assert (len(clip.frames), clip.flags) == (12, ())

    def test_an_uneven_vector(self, tmp_path):
        vector = ["0", *["20"] * 5, *["40"] * 6]
        clip = read_clip(write_dicom(tmp_path / "c.dcm", FRAMES, FrameTimeVector=vector))
        assert (clip.fps, clip.flags) == (50, ("variable-rate",))
        assert len(clip.frames) == 5 + 12 + 1
        assert np.array_equal(clip.frames[:6], FRAMES[:6])
        assert np.array_equal(clip.frames[[7, 9, 17]], FRAMES[[6, 7, 11]])


class TestRegions:
    @pytest.mark.parametrize("box", [(50, 50, 50, 50), (50, 10, 51, 100), (90, 90, 20, 20), (0, 0, 0, 0)])
    def test_without_extent(self, tmp_path, box):
        clip = read_clip(write_dicom(tmp_path / "c.dcm", FRAMES, SequenceOfUltrasoundRegions=[region(box)]))
        assert (clip.region, clip.spacing_mm) == (None, None)

    def test_without_a_place(self, tmp_path):
        item = region((0, 0, 100, 100))
        del item.RegionLocationMinX0
        assert read_clip(write_dicom(tmp_path / "c.dcm", FRAMES, SequenceOfUltrasoundRegions=[item])).region is None

    def test_one_that_misses_the_picture(self):
        from kdkit_echocardio.clips.sector import find_sector

        frames = np.zeros((12, 200, 300), np.uint8)
        frames[:, 60:172, 20:132] = FRAMES
        found = find_sector(frames, (200, 0, 300, 60))
        assert found[60:172, 20:132].mean() > 0.2 and not found[:50].any()

    @pytest.mark.parametrize("delta", [0.0, 5.0, float("1e9")])
    def test_impossible_spacing(self, tmp_path, delta):
        item = region((0, 0, 111, 111), delta=delta)
        assert (
            read_clip(write_dicom(tmp_path / "c.dcm", FRAMES, SequenceOfUltrasoundRegions=[item])).spacing_mm is None
        )


class TestContainer:
    @pytest.mark.parametrize("implicit", [True, False])
    @pytest.mark.parametrize("meta", [True, False])
    def test_without_preamble(self, tmp_path, implicit, meta):
        data = pydicom.dcmread(write_dicom(tmp_path / "c.dcm", FRAMES, FrameTime="20"))
        path = tmp_path / "IM0001"
        data.preamble = None
        if not meta:
            del data.file_meta
        elif implicit:
            data.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        data.save_as(path, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
        assert path.read_bytes()[128:132] != b"DICM"
        assert is_dicom(path)
        clip = read_clip(path)
        assert (np.array_equal(clip.frames, FRAMES), clip.fps) == (True, 50)

    def test_deflated(self, tmp_path, monkeypatch):
        path = write_dicom(tmp_path / "c.dcm", FRAMES)
        data = pydicom.dcmread(path)
        data.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
        data.save_as(path)
        assert np.array_equal(read_clip(path).frames, FRAMES)
        monkeypatch.setenv("KDKIT_LARGEST_FILE", str(FRAMES.nbytes))
        with pytest.raises(DataError, match="inflates to more than"):
            read_clip(path)

    def test_a_small_file_takes_no_gigabytes(self, tmp_path):
        """Many pictures that are all one grey level compress to nothing."""
        import tracemalloc

        picture = cv2.imencode(".jpg", np.zeros((4096, 4096), np.uint8))[1].tobytes()
        path = write_dicom(tmp_path / "c.dcm", FRAMES[:2], Rows=4096, Columns=4096)
        rewritten(path, pydicom.uid.JPEGBaseline8Bit, encapsulate([picture] * 80))
        tracemalloc.start()
        with pytest.raises(DataError, match="80 frames of 4096x4096 pixels"):
            read_clip(path)
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
        tracemalloc.stop()


def encoded(path, frames, codec="libx264", times=None, **options):
    """A video of grey frames (T, H, W) by FFmpeg at 25 frames a second, or at ``times`` in milliseconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:], "yuv420p"
        stream.options = {"crf": "5", "qscale": "2", **options}
        if times is not None:
            from fractions import Fraction

            stream.codec_context.time_base = Fraction(1, 1000)
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(rgb(frame[None])[0], "rgb24")
            if times is not None:
                picture.pts, picture.time_base = times[number], stream.codec_context.time_base
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def copied(source, target, first=0):
    """The packets of an MP4 from the ``first`` on in another container, nothing encoded anew."""
    from av.bitstream import BitStreamFilterContext

    with av.open(str(source)) as whole, av.open(str(target), "w") as container:
        stream = container.add_stream_from_template(whole.streams.video[0])
        plain = BitStreamFilterContext("h264_mp4toannexb", whole.streams.video[0], stream)
        packets = [packet for packet in whole.demux(video=0) if packet.dts is not None][first:]
        start = packets[0].dts
        for packet in packets:
            packet.dts, packet.pts = packet.dts - start, packet.pts - start
            for part in plain.filter(packet):
                part.stream = stream
                container.mux(part)
    return target


class TestVideo:
    long = simulate(np.random.default_rng(3), frames=40).frames

    def test_an_edit_list_hides_frames(self, tmp_path):
        path = encoded(tmp_path / "c.mp4", self.long, g="10")
        content = bytearray(path.read_bytes())
        edits = content.index(b"elst")
        # One entry: duration in the movie's ticks (milliseconds), where it begins in the media's, rate.
        assert struct.unpack(">I", content[edits + 8 : edits + 12]) == (1,)
        step = struct.unpack(">I", content[edits + 12 : edits + 16])[0] // 40
        first = struct.unpack(">i", content[edits + 16 : edits + 20])[0]
        with av.open(str(path)) as container:
            tick = int(0.04 / container.streams.video[0].time_base)
        content[edits + 12 : edits + 20] = struct.pack(">Ii", 25 * step, first + 15 * tick)
        path.write_bytes(content)
        clip = read_clip(path)
        assert (len(clip.frames), clip.fps, clip.flags) == (25, pytest.approx(25), ())
        assert difference(clip, self.long[15:]) < 4

    @pytest.mark.parametrize("suffix", [".avi", ".mkv"])
    @pytest.mark.parametrize("first", [0, 10])
    def test_copied_into_another_container(self, tmp_path, suffix, first):
        source = encoded(tmp_path / "c.mp4", self.long, g="10")
        clip = read_clip(copied(source, tmp_path / f"copy{suffix}", first))
        assert (len(clip.frames), clip.fps) == (40 - first, pytest.approx(25))
        assert difference(clip, self.long[first:]) < 4

    @pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
    @pytest.mark.parametrize("share", [0.4, 0.9])
    def test_a_copy_that_breaks_off(self, tmp_path, suffix, share):
        path = encoded(tmp_path / f"c{suffix}", self.long, g="10")
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        with pytest.raises(DataError, match="truncated") as caught:
            read_clip(path)
        assert "Copy it again" in caught.value.remedy

    # H.264 has no checksum: of single changed bytes nearly half go unnoticed, whatever decodes them.
    @pytest.mark.parametrize("count", [30, 300])
    def test_damage_within(self, tmp_path, count):
        path = encoded(tmp_path / "c.mp4", self.long, g="10")
        content = bytearray(path.read_bytes())
        begin, rng = content.index(b"mdat") + 3000, np.random.default_rng(count)
        for place in rng.integers(begin, len(content) - 3000, count):
            content[place] ^= 0x55
        path.write_bytes(content)
        with pytest.raises(DataError, match="damaged"):
            read_clip(path)

    def test_uneven_times(self, tmp_path):
        times = [*range(0, 400, 40), *range(400, 2800, 80)]
        clip = read_clip(encoded(tmp_path / "c.mp4", self.long, times=times, bf="0"))
        assert (clip.fps, clip.flags) == (pytest.approx(25, rel=0.01), ("variable-rate",))
        assert len(clip.frames) == 2720 // 40 + 1
        assert difference(clip_part(clip, [0, 9, 10, 12, 14, 68]), self.long[[0, 9, 10, 11, 12, 39]]) < 4

    def test_labels_count_frames_as_they_are_stored(self, tmp_path):
        times = [*range(0, 400, 40), *range(400, 2800, 80)]
        clip = load_video(encoded(tmp_path / "c.mp4", self.long, times=times, bf="0"), None)
        assert (len(clip.frames), clip.fps, clip.flags) == (40, pytest.approx(39 / 2.72, rel=0.01), ())

    def test_times_that_only_jitter_change_nothing(self, tmp_path):
        times = [40 * number + number % 3 * 5 for number in range(40)]
        clip = read_clip(encoded(tmp_path / "c.mp4", self.long, times=times, bf="0"))
        assert (len(clip.frames), clip.fps, clip.flags) == (40, pytest.approx(25, rel=0.02), ())

    def test_uneven_gif(self, tmp_path):
        first, *others = [Image.fromarray(frame) for frame in FRAMES]
        durations = [20] * 6 + [60] * 6
        first.save(tmp_path / "c.gif", save_all=True, append_images=others, duration=durations)
        clip = read_clip(tmp_path / "c.gif")
        assert (clip.fps, clip.flags, len(clip.frames)) == (50, ("variable-rate",), 6 + 15 + 1)

    @pytest.mark.parametrize("turn", [0, 1, 2, 3])
    def test_rotation(self, tmp_path, turn):
        wide = np.pad(self.long[:8], ((0, 0), (0, 0), (0, 48)))
        path = encoded(tmp_path / "c.mp4", wide)
        content = bytearray(path.read_bytes())
        matrix = content.index(b"tkhd") + 4 + 40
        one, minus = 0x10000, -0x10000
        turns = [(one, 0, 0, one), (0, minus, one, 0), (minus, 0, 0, minus), (0, one, minus, 0)]
        a, b, c, d = turns[turn]
        content[matrix : matrix + 20] = struct.pack(">iiiii", a, b, 0, c, d)
        path.write_bytes(content)
        assert difference(read_clip(path), np.rot90(wide, turn, (1, 2))) < 4

    def test_a_playlist_opens_nothing(self, tmp_path):
        encoded(tmp_path / "c.ts", self.long)
        for text in ("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.6,\nc.ts\n", "ffconcat version 1.0\nfile c.ts\n"):
            (tmp_path / "list.mp4").write_text(text)
            with pytest.raises(DataError, match="not a video"):
                read_clip(tmp_path / "list.mp4")


def clip_part(whole, frames):
    return clip.Clip(whole.frames[frames])
