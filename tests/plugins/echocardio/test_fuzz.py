"""Damaged, foreign and lying files: every reader gives what it promises or a DataError that names the file.

Each is a whole small file that was cut, patched, enlarged or replaced, under a right, a wrong or an odd name.
"""

import gzip

import cv2
import nibabel
import numpy as np
import pytest
import SimpleITK
from hostile import counts, files, given_or_refused, tried
from hypothesis import strategies as st
from kdkit_echocardio.clips import Clip, read_clip
from kdkit_echocardio.recordings import Study, inspect, open_study
from kdkit_echocardio.recordings.itk import read_nrrd
from kdkit_echocardio.recordings.metaimage import read_metaimage
from kdkit_echocardio.recordings.nifti import read_nifti
from kdkit_echocardio.recordings.photo import read_photo
from layouts import EchoNet, beat, is_cavity
from opencv import silence_opencv
from PIL import Image
from test_clips import region, write_dicom

from kdkit import DataError

pytestmark = pytest.mark.usefixtures("limited_memory")

FRAMES = beat(5, 24, 32)


def video(folder, suffix, codec):
    path = folder / f"whole{suffix}"
    with silence_opencv():
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), 25.0, (32, 24))
        for frame in FRAMES:
            writer.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
        writer.release()
    return path.read_bytes()


def gif(folder, frames=FRAMES):
    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save(folder / "whole.gif", save_all=True, append_images=others, duration=40)
    return (folder / "whole.gif").read_bytes()


def dicom(folder, pixels=FRAMES, **attributes):
    return write_dicom(folder / "whole.dcm", pixels, **attributes).read_bytes()


def compressed_dicom(folder):
    """JPEG baseline, as scanners write it."""
    import pydicom
    from pydicom.encaps import encapsulate

    data = pydicom.dcmread(write_dicom(folder / "jpeg.dcm", FRAMES))
    data.PixelData = encapsulate([cv2.imencode(".jpg", frame)[1].tobytes() for frame in FRAMES])
    data["PixelData"].VR = "OB"
    data.file_meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit
    data.save_as(folder / "jpeg.dcm", enforce_file_format=True)
    return (folder / "jpeg.dcm").read_bytes()


def nifti(pixels, zipped):
    image = nibabel.Nifti1Image(pixels, np.diag([0.3, 0.3, 1, 1]))
    data = image.to_bytes()
    return gzip.compress(data) if zipped else data


def nifti_files(folder):
    moving = FRAMES.transpose(2, 1, 0)
    deep = moving.astype(np.uint16) * 256
    kinds = (moving, moving[:, :, 0], deep, moving.astype(np.float32), moving[:1, :1], moving[:, :, :1])
    return [nifti(np.ascontiguousarray(pixels), zipped) for pixels in kinds for zipped in (False, True)]


def mhd(kind="MET_UCHAR", sizes="32 24 5", source="pixels.raw"):
    return (
        f"ObjectType = Image\nNDims = {len(sizes.split())}\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
        f"CompressedData = False\nElementSpacing = 0.308 0.154 1\nDimSize = {sizes}\nElementType = {kind}\n"
        f"ElementDataFile = {source}\n"
    ).encode()


def mhd_files(folder):
    local = mhd(source="LOCAL") + FRAMES.tobytes()
    return [mhd(), mhd("MET_USHORT", "32 24 2"), mhd("MET_FLOAT", "8 8"), mhd(sizes="1 1"), local]


def nrrd(folder, pixels, zipped):
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(pixels), str(folder / "whole.nrrd"), useCompression=zipped)
    return (folder / "whole.nrrd").read_bytes()


def photo(folder, ending, mode):
    path = folder / f"whole.{ending}"
    Image.fromarray(FRAMES[0]).convert(mode).save(path)
    return path.read_bytes()


NAMES = ["whole", "écho 4C n°1 %03d", "サンプル", "a.b.c", "-rf", "x" * 100]
CLIP_SUFFIXES = [".avi", ".mp4", ".mov", ".gif", ".dcm", "", ".AVI"]


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    still = FRAMES[:1]
    return {
        "avi": [video(folder, ".avi", "MJPG"), video(folder, ".avi", "XVID")],
        "mp4": [video(folder, ".mp4", "mp4v"), video(folder, ".mp4", "vp09")],
        "mov": [video(folder, ".mov", "mp4v"), video(folder, ".mov", "MJPG")],
        "gif": [gif(folder), gif(folder, still), gif(folder, FRAMES[:, :1, :1])],
        "dicom": [
            dicom(folder),
            dicom(folder, FRAMES.astype(np.uint16) << 4, BitsStored=12, HighBit=11),
            dicom(folder, still),
            dicom(folder, FRAMES, FrameTime="20", SequenceOfUltrasoundRegions=[region((2, 2, 20, 20))]),
            compressed_dicom(folder),
        ],
        "nifti": nifti_files(folder),
        "mhd": mhd_files(folder),
        "nrrd": [nrrd(folder, frames, zipped) for frames in (FRAMES, FRAMES[0]) for zipped in (False, True)],
        "photo": [photo(folder, ending, mode) for ending in ("png", "bmp", "tiff") for mode in ("L", "P", "RGB")],
    }


@counts
@pytest.mark.parametrize("kind", ["avi", "mp4", "mov", "gif", "dicom"])
def test_clips(tmp_path, seeds, kind, count, capfd):
    """Any container under any name."""
    right = ".dcm" if kind == "dicom" else f".{kind}"
    names = st.tuples(st.sampled_from(NAMES), st.one_of(st.just(right), st.sampled_from(CLIP_SUFFIXES)))

    def check(case):
        content, name = case
        path = tmp_path / "".join(name)
        path.write_bytes(content)
        clip = given_or_refused(read_clip, path)
        path.unlink()
        if clip is not None:
            assert isinstance(clip, Clip)
            assert (clip.frames.dtype, clip.frames.ndim) == (np.uint8, 3)
            assert len(clip.frames) >= 2
            assert clip.fps is None or 1 <= clip.fps <= 1000

    tried(count, st.tuples(files(seeds[kind]), names), check)


@counts
@pytest.mark.parametrize(
    ("kind", "reader", "suffix"),
    [
        *(("nifti", read_nifti, ".nii.gz"), ("mhd", read_metaimage, ".mhd")),
        *(("nrrd", read_nrrd, ".nrrd"), ("photo", read_photo, ".png")),
    ],
)
def test_pictures(tmp_path, seeds, kind, reader, suffix, count):
    """NIfTI and NRRD, compressed or not, MetaImage headers with the pixels beside them, and PNG, BMP and TIFF."""

    def check(case):
        content, name = case
        path = tmp_path / f"{name}{suffix}"
        path.write_bytes(content)
        (tmp_path / "pixels.raw").write_bytes(FRAMES.tobytes())
        picture = given_or_refused(reader, path)
        path.unlink()
        if picture is not None:
            assert picture.frames.ndim == 3
            # What is given was there: nothing is made up beyond what the file can hold.
            assert picture.frames.size <= 1100 * max(len(content), FRAMES.size)

    tried(count, st.tuples(files(seeds[kind]), st.sampled_from(NAMES)), check)


@counts
@pytest.mark.parametrize("table", ["FileList.csv", "VolumeTracings.csv"])
@pytest.mark.parametrize("layout", ["echonet-dynamic", "echonet-pediatric", "echonet-synthetic"])
def test_indexes(tmp_path, layout, table, count):
    """Each table of each EchoNet data set beside a whole other one."""
    folder = tmp_path / ("A4C" if layout == "echonet-pediatric" else "data")
    EchoNet(folder).add("0XA").add("sample_0", video=False).write()
    if layout == "echonet-pediatric":
        index = "FileName,EF,Sex,Age,Weight,Height,Split\n0XA.avi,61.5,F,3,14.2,95,4\n0XB.avi,55,M,,,,x\n"
        points = "".join(f"0XA.avi,{x},{y},{f}\n" for f in (3, 8) for x, y in ((10, 10), (60 - f, 12), (30, 70)))
        (folder / "FileList.csv").write_text(index)
        (folder / "VolumeTracings.csv").write_text(f"FileName,X,Y,Frame\n{points}0XA.avi,1,1,No Systolic\n")
    if layout == "echonet-synthetic":
        (folder / "VolumeTracings.csv").unlink()
        (folder / "FileList.csv").write_text("FileName,EF,Split\nsample_0,50,TRAIN\nsample_1,60,VAL\n")
    path = folder / table
    seed = path.read_bytes() if path.exists() else b"FileName\n"

    def check(content):
        path.write_bytes(content)
        for named in ("auto", layout):
            try:
                study = open_study(folder, named)
            except DataError as error:
                assert folder.name in error.message or path.name in error.message, error.message
                continue
            assert isinstance(study, Study)
            assert len({recording.name for recording in study.recordings}) == len(study.recordings)
            assert all(recording.path.parent == folder / "Videos" for recording in study.recordings)

    tried(count, files([seed]), check)


@counts
@pytest.mark.parametrize(
    "victim", ["Info_4CH.cfg", "patient0001_4CH_half_sequence.nii.gz", "patient0001_4CH_half_sequence_gt.nii.gz"]
)
def test_camus(tmp_path, victim, count):
    folder = tmp_path / "patient0001"
    folder.mkdir()
    labels = is_cavity(FRAMES).astype(np.uint8)
    for name, pixels in (("half_sequence", FRAMES), ("half_sequence_gt", labels)):
        content = nifti(np.ascontiguousarray(pixels.transpose(2, 1, 0)), zipped=True)
        (folder / f"patient0001_4CH_{name}.nii.gz").write_bytes(content)
    info = "ED: 1\nES: 5\nNbFrame: 5\nSex: F\nAge: 56\nImageQuality: Good\nEF: 48\nFrameRate: 40.5\n"
    (folder / "Info_4CH.cfg").write_text(info)
    whole = (folder / victim).read_bytes()

    def check(content):
        (folder / victim).write_bytes(content)
        study = inspect(open_study(tmp_path, "camus"))
        named = {defect.name for defect in study.defects if defect.dropped}
        assert {recording.name for recording in study.recordings} | named == {"patient0001_4CH"}

    tried(count, files([whole]), check)


@counts
def test_dicom_folders(tmp_path, seeds, count):
    def check(case):
        content, name = case
        path = tmp_path / name
        path.write_bytes(content)
        try:
            study = inspect(open_study(tmp_path, "dicom"))
        except DataError as error:
            assert "layout dicom" in error.message
        else:
            names = {recording.name for recording in study.recordings} | {d.name for d in study.defects if d.dropped}
            assert len(names) == 1
        path.unlink()

    tried(count, st.tuples(files(seeds["dicom"]), st.sampled_from([*NAMES, "IM0001", "clip.avi"])), check)
