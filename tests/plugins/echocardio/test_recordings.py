"""Every layout: what is read of it, what is left out of a run, and why."""

import errno
import gzip
import os
import shutil
import signal
import sys
import tracemalloc
import zlib
from contextlib import suppress
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from kdkit_echocardio.recordings import LAYOUTS, echonet_dynamic, inspect, open_study
from kdkit_echocardio.recordings.formats import read_labels
from kdkit_echocardio.recordings.labels import disagreement, ed_and_es
from kdkit_echocardio.recordings.metaimage import read_metaimage
from kdkit_echocardio.recordings.nifti import read_nifti
from kdkit_echocardio.recordings.picture import as_grey
from kdkit_echocardio.recordings.recording import Contour
from kdkit_echocardio.recordings.tracings import contours_of
from layouts import EchoNet, beat, is_cavity, tracing, write_avi
from pydicom.data import get_testdata_file
from test_clips import write_dicom, write_gif

from kdkit import DataError


def kinds(study, dropped=None):
    """(kind, name) of the defects; only those that drop a recording, or that do not, where asked for."""
    return [(d.kind, d.name) for d in study.defects if dropped in (None, d.dropped)]


def names(study):
    return [recording.name for recording in study.recordings]


class TestOpening:
    def test_each_layout_is_recognised(self, tmp_path):
        echonet = EchoNet(tmp_path / "dynamic").add("0XA").write()
        plain = tmp_path / "plain" / "sub"
        plain.mkdir(parents=True)
        write_gif(plain / "one.gif", beat())
        write_dicom(tmp_path / "dicom-IM1", beat())
        (tmp_path / "cines").mkdir()
        (tmp_path / "dicom-IM1").rename(tmp_path / "cines" / "IM1")
        folders = {
            "echonet-dynamic": echonet,
            "echonet-pediatric": pediatric(tmp_path / "pediatric"),
            "echonet-synthetic": synthetic(tmp_path / "synthetic"),
            "camus": camus(tmp_path / "camus"),
            "nnunet": nnunet(tmp_path / "nnunet"),
            "dicom": tmp_path / "cines",
            "clips": plain.parent,
        }
        assert set(folders) == set(LAYOUTS)
        for layout, folder in folders.items():
            assert open_study(folder).layout == layout
            assert names(open_study(folder, layout)) == names(open_study(folder)) != []

    def test_nothing_fits(self, tmp_path):
        (tmp_path / "notes.txt").write_text("nothing here")
        with pytest.raises(DataError) as caught:
            open_study(tmp_path)
        assert str(tmp_path) in caught.value.message
        assert all(name in caught.value.remedy for name in LAYOUTS)
        with pytest.raises(DataError, match="has not the layout camus"):
            open_study(tmp_path, "camus")
        with pytest.raises(DataError, match="is no layout"):
            open_study(tmp_path, "camsu")
        with pytest.raises(DataError, match="does not exist"):
            open_study(tmp_path / "none")
        with pytest.raises(DataError, match="is not a folder"):
            open_study(tmp_path / "notes.txt")

    @pytest.mark.parametrize(("separator", "word"), [(";", "semicolons"), ("\t", "tabulators")])
    def test_a_table_with_other_separators_is_named(self, tmp_path, separator, word):
        folder = EchoNet(tmp_path).add("0XA").write()
        index = folder / "FileList.csv"
        index.write_text(index.read_text().replace(",", separator))
        with pytest.raises(DataError, match=rf"FileList\.csv is separated by {word}, not by commas") as caught:
            open_study(folder)
        assert "with commas" in caught.value.remedy

    def test_nothing_is_decoded_or_written(self, tmp_path, monkeypatch):
        folder = EchoNet(tmp_path).add("0XA").write()
        before = sorted(tmp_path.rglob("*"))
        monkeypatch.setattr("kdkit_echocardio.recordings.video.read_clip", None)
        assert names(open_study(folder)) == ["0XA"]
        assert sorted(tmp_path.rglob("*")) == before

    def test_folders_that_may_not_be_read_are_named(self, tmp_path, monkeypatch):
        write_avi(tmp_path / "one.avi", beat())
        (tmp_path / "deep" / "locked").mkdir(parents=True)
        real = os.scandir

        def scandir(path="."):
            if Path(path).name in ("locked", "all"):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return real(path)

        monkeypatch.setattr(os, "scandir", scandir)
        study = open_study(tmp_path)
        assert [(d.kind, d.name, d.dropped) for d in study.defects] == [("unreadable-folder", "deep/locked", True)]
        (tmp_path / "all").mkdir()
        with pytest.raises(DataError, match="all cannot be read: Permission denied"):
            open_study(tmp_path / "all")

    def test_pipes_are_left_alone(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.avi")
        write_avi(tmp_path / "clip.avi", beat())
        assert names(open_study(tmp_path)) == ["clip"]


class TestEchoNetDynamic:
    def test_labels(self, tmp_path):
        folder = EchoNet(tmp_path).add("0XA.avi", ef="52.5", esv="47.5", edv="100", split="VAL", video=False)
        write_avi(folder.videos / "0XA.avi", beat())
        folder.traced = [line.replace("0XA.avi.avi", "0XA.avi") for line in folder.traced]
        (recording,) = open_study(folder.write()).recordings
        labels = recording.labels
        assert (recording.name, recording.patient, recording.split, recording.view) == ("0XA", "0XA", "val", "A4C")
        assert (labels.ejection_fraction, labels.end_systolic_volume, labels.end_diastolic_volume) == (
            52.5,
            47.5,
            100,
        )
        assert (labels.ed, labels.es, recording.declared_frames) == (0, 6, 12)
        first = labels.contours[0]
        rows = tracing().round(4)
        # X1, Y1 of rows 2..21, then X2, Y2 of the same rows backwards.
        assert first.points.tolist() == [*rows[1:, :2].tolist(), *rows[:0:-1, 2:].tolist()]
        assert first.axis.tolist() == rows[0].reshape(2, 2).tolist()
        assert first.chords.shape == (20, 2, 2)
        clip = recording.load()
        assert (clip.frames.shape, clip.fps, clip.spacing_mm) == ((12, 112, 112), 50.0, None)

    def test_the_larger_polygon_is_end_diastole(self, tmp_path):
        backwards = [(6, tracing(width=20.0)), (0, tracing())]
        study = open_study(EchoNet(tmp_path).add("0XA", tracings=backwards).write())
        assert (study.recordings[0].labels.ed, study.recordings[0].labels.es) == (0, 6)
        assert kinds(study) == [("es-before-ed", "0XA")]

    def test_untraced_videos_are_left_out(self, tmp_path):
        study = open_study(EchoNet(tmp_path).add("0XA", tracings=[]).add("0XB", tracings=[(3, tracing())]).write())
        assert names(study) == []
        assert kinds(study, dropped=True) == [("no-tracings", "0XA"), ("one-traced-frame", "0XB")]

    def test_without_a_file_of_tracings_nothing_is_left_out(self, tmp_path):
        folder = EchoNet(tmp_path).add("0XA").add("0XB", height=80, size=80).write()
        (folder / "VolumeTracings.csv").unlink()
        study = inspect(open_study(folder))
        assert (study.layout, names(study), kinds(study)) == ("echonet-dynamic", ["0XA", "0XB"], [])
        assert (study.recordings[0].labels.ed, list(study.recordings[0].labels.contours)) == (None, [])

    def test_wrong_size_by_the_index_and_by_the_video(self, tmp_path):
        study = open_study(EchoNet(tmp_path).add("0XA", height=768).add("0XB", size=64).write())
        assert kinds(study) == [("wrong-size", "0XA")]
        study = inspect(study)
        assert (kinds(study, dropped=True), names(study)) == ([("wrong-size", "0XA"), ("wrong-size", "0XB")], [])

    def test_several_annotators_and_odd_rows(self, tmp_path):
        two = np.vstack([tracing(), tracing(width=36.0)])
        odd = np.vstack([tracing(chords=15), tracing(width=24.0, chords=12)])
        folder = EchoNet(tmp_path).add("0XA", tracings=[(0, two), (6, tracing(width=20.0))])
        folder.add("0XB", tracings=[(2, tracing(width=40.0)), (5, odd)])
        study = open_study(folder.write())
        a, b = (recording.labels for recording in study.recordings)
        assert [(c.frame, len(c.chords)) for c in a.contours] == [(0, 20), (0, 20), (6, 20)]
        assert [(c.frame, len(c.chords)) for c in b.contours] == [(2, 20), (5, 15), (5, 12)]
        assert kinds(study, dropped=False) == [("several-annotators", "0XA"), ("odd-row-count", "0XB")]
        assert (a.ed, b.ed) == (0, 2)

    @pytest.mark.parametrize(
        ("video", "count", "defects"),
        [(12, 12, []), (10, 12, ["frame-count-disagrees"]), (5, 5, ["frame-out-of-range"])],
    )
    def test_frame_counts(self, tmp_path, video, count, defects):
        folder = EchoNet(tmp_path).add("0XA", frames=video, declared=count)
        study = inspect(open_study(folder.write()))
        assert [kind for kind, _ in kinds(study)] == defects
        assert len(study.recordings) == (0 if "frame-out-of-range" in defects else 1)

    def test_tinted_videos_are_kept(self, tmp_path):
        folder = EchoNet(tmp_path).add("0XA", tint=(0.6, 0.8, 1.0)).add("0XB").write()
        study = inspect(open_study(folder))
        assert (names(study), kinds(study)) == (["0XA", "0XB"], [("colour", "0XA")])

    def test_what_the_index_and_the_folder_disagree_on(self, tmp_path):
        folder = EchoNet(tmp_path).add("0XA").add("0XA", video=False, tracings=[]).add("0XB", video=False)
        folder.add("../0XC", video=False).trace("0XZ", 0, tracing())
        write_avi(folder.videos / "0XD.avi", beat())
        (folder.videos / "0XE.avi").touch()
        folder.add("0XE", video=False)
        study = open_study(folder.write())
        assert names(study) == ["0XA"]
        assert kinds(study, dropped=True) == [
            ("missing-file", "0XB"),
            ("unparsable-value", "row 5"),
            ("empty-file", "0XE"),
            ("not-in-index", "0XD"),
        ]
        assert kinds(study, dropped=False) == [("duplicate-name", "0XA"), ("unknown-tracing", "0XZ")]

    def test_two_videos_of_one_name(self, tmp_path):
        folder = EchoNet(tmp_path).add("0XA").add("0XB")
        for name in ("0XA.mov", "0XC.avi", "0XC.mp4"):
            shutil.copy(folder.videos / "0XA.avi", folder.videos / name)
        (folder.videos / "0XB.avi").rename(folder.videos / "0XB.mp4")
        (folder.videos / "0XB.avi").touch()
        study = open_study(folder.write())
        assert [recording.path.name for recording in study.recordings] == ["0XA.avi", "0XB.mp4"]
        assert [(d.kind, d.name, d.detail) for d in study.defects] == [
            ("two-candidates", "0XA", "read: 0XA.avi; not read: 0XA.mov"),
            ("two-candidates", "0XB", "read: 0XB.mp4; not read: 0XB.avi"),
            ("not-in-index", "0XC", "0XC.avi and 0XC.mp4: not in FileList.csv"),
        ]

    def test_values_that_are_none(self, tmp_path):
        folder = EchoNet(tmp_path).add("0XA", ef="high", esv="nan", edv="", declared="12.5").write()
        with (folder / "VolumeTracings.csv").open("a") as file:
            file.write("0XA.avi,1,2,x,4,0\n0XA.avi,1,2,3,4,ES\n")
        study = open_study(folder)
        labels = study.recordings[0].labels
        assert (labels.ejection_fraction, labels.end_systolic_volume, labels.end_diastolic_volume) == (
            None,
            None,
            None,
        )
        assert {kind for kind, _ in kinds(study)} == {"unparsable-value"}
        assert [d.detail.split()[0] for d in study.defects] == ["2", "EF", "ESV", "NumberOfFrames"]

    def test_ejection_fraction_against_volumes(self, tmp_path):
        folder = EchoNet(tmp_path).add("0XA", ef="51").add("0XB", ef="52").write()
        assert kinds(open_study(folder)) == [("ef-volumes-disagree", "0XB")]

    def test_videos_elsewhere(self, tmp_path, monkeypatch):
        folder = EchoNet(tmp_path / "index", videos=tmp_path / "elsewhere").add("0XA").write()
        with pytest.raises(DataError, match="Videos, the folder of the videos, does not exist"):
            open_study(folder)
        monkeypatch.setenv("VIDEO_DIR", str(tmp_path / "elsewhere"))
        assert len(open_study(folder).recordings[0].load().frames) == 12
        monkeypatch.setenv("VIDEO_DIR", str(tmp_path / "nowhere"))
        with pytest.raises(DataError, match="nowhere"):
            open_study(folder)

    def test_an_index_that_cannot_be_read(self, tmp_path):
        folder = EchoNet(tmp_path).add("0XA").write()
        (folder / "FileList.csv").write_bytes(b"FileName,EF,Split\n0X\xff\xfe,1,TEST\n")
        with pytest.raises(DataError, match=r"FileList\.csv is not a table in UTF-8"):
            open_study(folder)
        (folder / "FileList.csv").write_text("Name,Value\n")
        with pytest.raises(DataError, match=r"FileList\.csv lacks the columns FileName"):
            open_study(folder)
        with pytest.raises(DataError, match=r"FileList\.csv lacks the columns FileName, EF, Split"):
            echonet_dynamic.read(folder)


def pediatric(path):
    for view, name in (("A4C", "CR1"), ("PSAX", "CR1")):
        folder = path / view
        write_avi(folder / "Videos" / f"{name}.avi", beat())
        row = f"{name}.avi,61.5,F,3,14.2,,4\n"
        (folder / "FileList.csv").write_text(f"FileName,EF,Sex,Age,Weight,Height,Split\n{row}")
        ring = [(10, 10), (60, 10), (60, 70), (10, 10)]
        rows = [f"{name}.avi,{x / scale},{y / scale},{frame}" for frame, scale in ((7, 2), (2, 1)) for x, y in ring]
        text = "\n".join(["FileName,X,Y,Frame", *rows, f"{name}.avi,1,1,No Systolic"])
        (folder / "VolumeTracings.csv").write_text(text + "\n")
    return path


class TestEchoNetPediatric:
    def test_both_views(self, tmp_path):
        study = open_study(pediatric(tmp_path))
        assert [(r.name, r.patient, r.view, r.split) for r in study.recordings] == [
            ("A4C-CR1", "CR1", "A4C", "4"),
            ("PSAX-CR1", "CR1", "PSAX", "4"),
        ]
        recording = study.recordings[0]
        assert recording.info == {"sex": "F", "age": 3.0, "weight": 14.2}
        assert (recording.labels.ejection_fraction, recording.labels.ed, recording.labels.es) == (61.5, 2, 7)
        # Closed contours repeat their first point.
        assert recording.labels.contours[1].points.tolist() == [[10, 10], [60, 10], [60, 70]]
        assert kinds(study) == [("unparsable-value", "A4C-CR1"), ("unparsable-value", "PSAX-CR1")]
        assert "No Systolic" in study.defects[0].detail

    def test_one_view_alone(self, tmp_path):
        assert names(open_study(pediatric(tmp_path) / "PSAX")) == ["PSAX-CR1"]

    def test_no_tracings_is_no_reason_to_leave_it_out(self, tmp_path):
        folder = pediatric(tmp_path)
        (folder / "A4C" / "VolumeTracings.csv").write_text("FileName,X,Y,Frame\n")
        study = open_study(folder)
        assert (len(study.recordings), kinds(study)[0]) == (2, ("no-tracings", "A4C-CR1"))


def synthetic(path, index="FileList.csv", videos="Videos"):
    for number in range(2):
        write_avi(path / videos / f"sample_{number:06d}.avi", beat(8 + number), fps=32)
    columns = "FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split"
    rows = "".join(f"sample_{n:06d},{40 + n},0,0,768,1024,50,1,TRAIN\n" for n in range(2))
    (path / index).write_text(f"{columns}\n{rows}")
    return path


class TestEchoNetSynthetic:
    def test_real_recordings_are_never_taken_for_synthetic_ones(self, tmp_path):
        folder = EchoNet(tmp_path).add("0XA").write()
        for change in (lambda: None, (folder / "VolumeTracings.csv").unlink):
            change()
            with pytest.raises(DataError, match="has not the layout echonet-synthetic"):
                open_study(folder, "echonet-synthetic")

    def test_a_layout_that_is_named_is_taken(self, tmp_path):
        assert open_study(synthetic(tmp_path), "echonet-dynamic").layout == "echonet-dynamic"

    def test_two_indexes_and_two_folders(self, tmp_path):
        synthetic(synthetic(tmp_path), index="synthetic_FileList.csv", videos="Videos_synthetic")
        study = open_study(tmp_path)
        assert study.recordings[0].path.parent.name == "Videos_synthetic"
        assert kinds(study) == [("two-candidates", "synthetic_FileList.csv"), ("two-candidates", "Videos_synthetic")]

    @pytest.mark.parametrize("place", [{}, {"index": "synthetic_FileList.csv", "videos": "Videos_synthetic"}])
    def test_only_the_video_is_believed(self, tmp_path, place):
        study = inspect(open_study(synthetic(tmp_path, **place)))
        assert (study.layout, names(study)) == ("echonet-synthetic", ["sample_000000", "sample_000001"])
        assert kinds(study) == []
        recording = study.recordings[1]
        assert (recording.split, recording.labels.ejection_fraction) == ("train", 41.0)
        assert recording.labels.end_diastolic_volume is None
        clip = recording.load()
        assert (clip.frames.shape, clip.fps) == ((9, 112, 112), 32.0)


def nifti(path, pixels, spacing=0.3):
    """``pixels`` (T, H, W) or (H, W), stored x first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(np.ascontiguousarray(pixels.T), np.diag([spacing, spacing, 1, 1]))
    nibabel.save(image, path)


def camus(path, view="4CH", sequence=True, **info):
    """One patient: a half sequence that runs from ES (frame 0) to ED (frame 6), or ED and ES alone."""
    folder = path / "patient0001"
    clip = beat(13, 60, 40)[6:]
    labels = np.where(is_cavity(clip), 1, 2).astype(np.uint8)
    parts = {"half_sequence": slice(None)} if sequence else {"ED": -1, "ES": 0}
    for name, part in parts.items():
        nifti(folder / f"patient0001_{view}_{name}.nii.gz", clip[part])
        nifti(folder / f"patient0001_{view}_{name}_gt.nii.gz", labels[part])
    if info:
        (folder / f"Info_{view}.cfg").write_text("".join(f"{key}: {value}\n" for key, value in info.items()))
    return path


class TestCamus:
    def test_half_sequence(self, tmp_path):
        facts = {"ED": 7, "ES": 1, "NbFrame": 7, "Sex": "F", "Age": 56, "ImageQuality": "Good", "EF": 48}
        study = inspect(open_study(camus(tmp_path, **facts, FrameRate=40.5)))
        (recording,) = study.recordings
        assert kinds(study) == []
        assert (recording.name, recording.patient, recording.view) == ("patient0001_4CH", "patient0001", "A4C")
        assert recording.info == {"sex": "F", "age": 56.0, "image_quality": "Good"}
        labels = recording.labels
        assert (labels.ed, labels.es, labels.ejection_fraction) == (6, 0, 48.0)
        clip = recording.load()
        assert (clip.frames.shape, clip.fps) == ((7, 60, 40), 40.5)
        assert clip.spacing_mm == pytest.approx(0.3)
        contours = list(labels.contours)
        assert [contour.frame for contour in contours] == list(range(7))
        for contour in contours:
            assert np.array_equal(contour.mask, is_cavity(clip.frames[contour.frame]))

    def test_which_end_is_diastole_without_an_info_file(self, tmp_path):
        labels = open_study(camus(tmp_path)).recordings[0].labels
        assert (labels.ed, labels.es) == (6, 0)

    def test_stills(self, tmp_path):
        study = inspect(open_study(camus(tmp_path, view="2CH", sequence=False)))
        (recording,) = study.recordings
        clip = recording.load()
        assert (recording.view, clip.frames.shape, clip.fps) == ("A2C", (2, 60, 40), None)
        assert (recording.labels.ed, recording.labels.es) == (0, 1)
        ed, es = recording.labels.contours
        assert (ed.frame, es.frame) == (0, 1)
        assert ed.mask.sum() > es.mask.sum() > 0
        assert kinds(study) == []

    def test_a_still_alone(self, tmp_path):
        folder = camus(tmp_path, sequence=False)
        (folder / "patient0001" / "patient0001_4CH_ES.nii.gz").unlink()
        study = open_study(folder)
        assert (names(study), kinds(study)) == ([], [("missing-file", "patient0001_4CH")])

    def test_damaged_labels(self, tmp_path):
        folder = camus(tmp_path)
        path = folder / "patient0001" / "patient0001_4CH_half_sequence_gt.nii.gz"
        (folder / "patient0001" / "Info_4CH.cfg").write_text("ED: 7\nES: 1\n")
        path.write_bytes(path.read_bytes()[:-30])
        study = inspect(open_study(folder))
        assert (names(study), kinds(study)) == ([], [("undecodable", "patient0001_4CH")])
        assert path.name in study.defects[0].detail

    def test_older_release(self, tmp_path):
        """Depth twice as fine as width: rows are averaged until pixels are square."""
        folder = tmp_path / "training" / "patient0002"
        folder.mkdir(parents=True)
        clip = beat(2, 60, 40)
        for number, part in enumerate(("ED", "ES")):
            for suffix, pixels in (("", clip[number]), ("_gt", is_cavity(clip[number]).astype(np.uint8))):
                name = f"patient0002_4CH_{part}{suffix}"
                (folder / f"{name}.raw").write_bytes(pixels.tobytes())
                (folder / f"{name}.mhd").write_text(mhd(f"{name}.raw"))
        (folder / "Info_4CH.cfg").write_text("ED: 1\nES: 18\nNbFrame: 18\nLVedv: 100\nLVesv: 45\nLVef: 55\n")
        study = inspect(open_study(tmp_path))
        (recording,) = study.recordings
        assert (kinds(study), recording.split) == ([], "train")
        assert recording.labels.ejection_fraction == 55
        clip = recording.load()
        assert (clip.frames.shape, clip.spacing_mm) == ((2, 30, 40), 0.308)
        assert next(iter(recording.labels.contours)).mask.shape == (30, 40)


def nnunet(path):
    clip = beat(2, 60, 40)
    for number, part in enumerate(("ED", "ES")):
        nifti(path / "imagesTr" / f"patient0001_4CH_{part}_0000.nii.gz", clip[number])
        nifti(path / "labelsTr" / f"patient0001_4CH_{part}.nii.gz", (clip[number] < 100).astype(np.uint8))
    return path


def replace_by_pipe(file):
    file.unlink()
    os.mkfifo(file)


@pytest.fixture
def hurried():
    """Who waits for a pipe is interrupted, and fails."""

    def ring(*_):
        raise TimeoutError("it waits")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("layout", ["echonet-dynamic", "echonet-pediatric", "echonet-synthetic", "camus", "nnunet"])
@pytest.mark.parametrize("chosen", ["auto", "by name"])
def test_no_file_of_a_folder_is_waited_for(tmp_path, hurried, layout, chosen):
    make = {"echonet-pediatric": pediatric, "echonet-synthetic": synthetic, "camus": camus, "nnunet": nnunet}
    make["echonet-dynamic"] = lambda path: EchoNet(path).add("0XA").add("0XB").write()
    chosen = chosen if chosen == "auto" else layout
    number = 0
    while True:
        folder = make[layout](tmp_path / str(number))
        if layout == "nnunet":
            (folder / "dataset.json").write_text('{"labels": {"background": 0, "left ventricle": 1}}')
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        if number == len(files):
            break
        replace_by_pipe(files[number])
        if files[number].suffix in (".csv", ".json"):
            with pytest.raises(DataError, match=f"{files[number].name} is neither a file nor a folder"):
                open_study(folder, chosen)
        with suppress(DataError):
            for recording in open_study(folder, chosen).recordings:
                recording.load()
                assert recording.labels is not None
        number += 1


def test_pixels_beside_a_header_that_are_a_pipe_are_refused(tmp_path, hurried):
    (tmp_path / "a.mhd").write_text(mhd("a.raw"))
    os.mkfifo(tmp_path / "a.raw")
    with pytest.raises(DataError, match=r"a\.raw is neither a file nor a folder"):
        read_metaimage(tmp_path / "a.mhd")


def mhd(raw, sizes="40 60 1"):
    return (
        f"ObjectType = Image\nNDims = 3\nBinaryDataByteOrderMSB = False\nElementSpacing = 0.308 0.154 1.54\n"
        f"DimSize = {sizes}\nElementType = MET_UCHAR\nElementDataFile = {raw}\n"
    )


class TestPictures:
    """Sizes that a header claims are looked at before anything of that size is made."""

    def test_nifti_is_as_nibabel_reads_it(self, tmp_path):
        pixels = np.random.default_rng(0).integers(0, 900, (5, 7, 3)).astype(">u2")
        for name in ("a.nii", "a.nii.gz"):
            header = nibabel.Nifti1Header(endianness=">")
            image = nibabel.Nifti1Image(pixels, np.diag([0.5, 0.25, 1, 1]), header)
            image.header.set_slope_inter(2, 1)
            nibabel.save(image, tmp_path / name)
            found = read_nifti(tmp_path / name)
            assert np.array_equal(found.frames, np.asarray(nibabel.load(tmp_path / name).dataobj).transpose(2, 1, 0))
            assert found.steps == (0.5, 0.25)

    @pytest.mark.parametrize("maps", [(0, 1, 2, 3), (0, 1), (0, 5, 7), range(13)])
    def test_labels_that_were_saved_as_fractions_are_whole(self, tmp_path, maps):
        pixels = np.random.default_rng(0).choice(maps, (9, 7)).astype(np.float64)
        image = nibabel.Nifti1Image(pixels, np.eye(4))
        image.set_data_dtype(np.uint8)  # as tools do that keep the header of a file of bytes
        nibabel.save(image, tmp_path / "a.nii")
        stored = nibabel.load(tmp_path / "a.nii").get_fdata()
        assert len(maps) == 2 or (stored != np.rint(stored)).any()
        found, values = read_labels(tmp_path / "a.nii")
        assert np.array_equal(found.frames[0], pixels.T) and values == list(maps)

    def test_values_between_labels_are_none(self, tmp_path):
        nifti(tmp_path / "a.nii", np.array([[0, 0.9882], [2.0235, 3.0]], np.float32))
        with pytest.raises(DataError, match=r"a\.nii is no label map: its values are not whole, 0, 0\.9882, 2\.0235"):
            read_labels(tmp_path / "a.nii")
        pixels = np.array([[[10, 20, 30, 41]]], np.int16)
        image = nibabel.Nifti1Image(pixels, np.eye(4))
        image.header.set_slope_inter(0.1, 0)
        nibabel.save(image, tmp_path / "b.nii")
        assert read_nifti(tmp_path / "b.nii").frames.max() == pytest.approx(4.1)

    @pytest.mark.parametrize("shape", [(7, 9, 1, 5), (7, 9, 5), (7, 9, 1, 1, 5), (7, 9, 5, 1)])
    def test_a_volume_of_one_slice_over_time_is_a_clip(self, tmp_path, shape):
        pixels = np.random.default_rng(0).integers(0, 255, (5, 9, 7)).astype(np.uint8)
        image = nibabel.Nifti1Image(np.asfortranarray(pixels.T).reshape(shape, order="F"), np.eye(4))
        nibabel.save(image, tmp_path / "a.nii.gz")
        assert np.array_equal(read_nifti(tmp_path / "a.nii.gz").frames, pixels)

    def test_several_slices_over_time_are_no_clip(self, tmp_path):
        nibabel.save(nibabel.Nifti1Image(np.zeros((7, 9, 2, 5), np.uint8), np.eye(4)), tmp_path / "a.nii")
        with pytest.raises(DataError, match=r"claims a picture of 7x9x2x5 pixels"):
            read_nifti(tmp_path / "a.nii")

    @pytest.mark.parametrize("channels", ["RGB", "RGBA"])
    def test_colour_becomes_grey(self, tmp_path, channels):
        grey = np.random.default_rng(0).integers(0, 255, (7, 9)).astype(np.uint8)
        colour = np.repeat(grey[..., None], len(channels), 2)
        pixels = colour.view([(name, "u1") for name in channels])[..., 0]
        nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4)), tmp_path / "a.nii.gz")
        assert np.array_equal(read_nifti(tmp_path / "a.nii.gz").frames, grey.T[None])

    def test_grey_levels(self):
        for pixels, expected in [
            (np.array([[[0, 7, 255]]], np.uint16), [0, 7, 255]),
            (np.array([[[0, 32768, 65535]]], np.uint16), [0, 128, 255]),
            (np.array([[[0, 0.2, 1.0]]], np.float32), [0, 51, 255]),
            (np.array([[[0, 0.6, 200.0]]], np.float32), [0, 1, 200]),
        ]:
            assert as_grey(Path("a.nii"), pixels).tolist() == [[expected]]
        for wrong in (-1.0, np.nan, np.inf):
            with pytest.raises(DataError, match=r"a\.nii holds values"):
                as_grey(Path("a.nii"), np.array([[[wrong]]]))

    @pytest.mark.parametrize("zipped", [True, False])
    def test_a_header_that_claims_more_than_there_is(self, tmp_path, zipped):
        header = nibabel.Nifti1Header()
        header.set_data_dtype(np.uint8)
        header["dim"][:4] = 3, 4000, 4000, 60
        header["vox_offset"] = 352
        content = header.binaryblock + bytes(4) + bytes(1000)
        path = tmp_path / "lie.nii"
        path.write_bytes(gzip.compress(content) if zipped else content)
        tracemalloc.start()
        with pytest.raises(DataError, match=r"lie\.nii is truncated: 1000 of 960000000 bytes"):
            read_nifti(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20e6
        header["dim"][:4] = 3, 30000, 30000, 60
        path.write_bytes(header.binaryblock + bytes(1000))
        with pytest.raises(DataError, match=r"lie\.nii claims 30000x30000x60 pixels"):
            read_nifti(path)

    def test_a_damaged_end_of_a_compressed_file_is_noticed(self, tmp_path):
        nifti(tmp_path / "a.nii.gz", np.random.default_rng(0).integers(0, 255, (9, 9)).astype(np.uint8))
        content = bytearray((tmp_path / "a.nii.gz").read_bytes())
        content[-8] ^= 1  # the checksum
        (tmp_path / "a.nii.gz").write_bytes(content)
        with pytest.raises(DataError, match=r"a\.nii\.gz is truncated or damaged"):
            read_nifti(tmp_path / "a.nii.gz")

    def test_metaimage(self, tmp_path):
        pixels = np.arange(2400, dtype=np.uint8).reshape(1, 60, 40)
        (tmp_path / "a.raw").write_bytes(pixels.tobytes())
        (tmp_path / "b.zraw").write_bytes(zlib.compress(pixels.tobytes())[:-4])
        path = tmp_path / "a.mhd"
        path.write_text(mhd("a.raw"))
        found = read_metaimage(path)
        assert np.array_equal(found.frames, pixels)
        assert found.steps == (0.308, 0.154)
        for text, told in [
            (mhd("a.raw", "40 60 2"), "2400 of 4800 bytes"),
            (mhd("a.raw", "40000 60000 2"), "claims 40000x60000x2 pixels"),
            (mhd("a.raw", "40 -60"), "claims a picture of 40x-60 pixels"),
            (mhd("../a.raw"), "outside its folder"),
            (mhd("b.raw"), "No such file"),
            (mhd("a.raw").replace("UCHAR", "STRING"), "pixels of type MET_STRING"),
            ("CompressedData = True\n" + mhd("a.raw"), r"a\.raw is truncated or damaged"),
            ("CompressedData = True\n" + mhd("b.zraw"), r"b\.zraw is truncated: its checksum is missing"),
            (mhd("LIST\na.raw\n../a.raw", "40 60 2"), "outside its folder"),
            (mhd("LIST\na.raw\na.raw", "40 60 3"), "names 2 files of pixels for 3 frames"),
            (mhd("a%999d.raw 1 2 1"), "means no files"),
            (mhd("a%d.raw 1 2 0"), "means no files"),
        ]:
            path.write_text(text)
            with pytest.raises(DataError, match=told):
                read_metaimage(path)

    @pytest.mark.parametrize("kind", ["u1", "i1", ">u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
    @pytest.mark.parametrize(
        ("name", "zipped"), [("a.mha", True), ("a.mha", False), ("a.mhd", True), ("a.mhd", False)]
    )
    def test_metaimage_as_itk_writes_it(self, tmp_path, kind, name, zipped):
        pixels = np.random.default_rng(0).integers(0, 100, (3, 7, 9)).astype(np.dtype(kind).newbyteorder("="))
        image = SimpleITK.GetImageFromArray(pixels)
        image.SetSpacing((0.5, 0.25, 1))
        SimpleITK.WriteImage(image, str(tmp_path / name), zipped)
        found = read_metaimage(tmp_path / name)
        assert np.array_equal(found.frames, pixels)
        assert found.steps == (0.5, 0.25)

    def test_metaimage_in_other_byte_orders_and_files(self, tmp_path):
        pixels = np.random.default_rng(0).integers(0, 900, (3, 60, 40)).astype(">u2")
        path = tmp_path / "a.mhd"
        big = "BinaryDataByteOrderMSB = True\n" + mhd("a", "40 60 3").replace("UCHAR", "USHORT")
        big = big.replace("BinaryDataByteOrderMSB = False\n", "")
        for number, frame in enumerate(pixels, 1):
            (tmp_path / f"a{number:02d}.raw").write_bytes(frame.tobytes())
        (tmp_path / "head.raw").write_bytes(b"12345" + pixels.tobytes())
        for text in (
            big.replace("= a\n", "= a%02d.raw 1 3 1\n"),
            big.replace("= a\n", "= LIST\na01.raw\na02.raw\na03.raw\n"),
            "HeaderSize = 5\n" + big.replace("= a\n", "= head.raw\n"),
            "HeaderSize = -1\n" + big.replace("= a\n", "= head.raw\n"),
        ):
            path.write_text(text)
            assert np.array_equal(read_metaimage(path).frames, pixels), text

    def test_compressed_pixels_are_unpacked_no_further_than_claimed(self, tmp_path):
        (tmp_path / "a.zraw").write_bytes(zlib.compress(bytes(200_000_000)))
        path = tmp_path / "a.mhd"
        path.write_text("CompressedData = True\n" + mhd("a.zraw"))
        tracemalloc.start()
        assert read_metaimage(path).frames.shape == (1, 60, 40)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 5e6

    def test_pixels_as_text_need_simpleitk(self, tmp_path, monkeypatch):
        path = tmp_path / "a.mha"
        text = "ObjectType = Image\nNDims = 2\nBinaryData = False\nDimSize = 3 2\nElementType = MET_UCHAR\n"
        path.write_text(text + "ElementDataFile = LOCAL\n1 2 3 4 5 6\n")
        assert read_metaimage(path).frames.tolist() == [[[1, 2, 3], [4, 5, 6]]]
        monkeypatch.setitem(sys.modules, "SimpleITK", None)
        with pytest.raises(DataError, match=r"a\.mha is stored in a way that only SimpleITK reads") as caught:
            read_metaimage(path)
        assert "kdkit-echocardio[itk]" in caught.value.remedy


class TestViews:
    """Clips of another view than the four chambers."""

    def test_echonet_lvh_is_refused(self, tmp_path):
        write_avi(tmp_path / "Batch1" / "0XA.avi", beat())
        columns = "HashedFileName,Calc,CalcValue,Frame,X1,X2,Y1,Y2,Frames,FPS,Width,Height,split"
        (tmp_path / "MeasurementsList.csv").write_text(
            f"{columns}\n0XA,LVIDd,4.6,3,10,40,20,25,12,50,112,112,train\n"
        )
        for folder in (tmp_path, tmp_path / "Batch1"):
            for layout in ("auto", "clips"):
                with pytest.raises(DataError, match="parasternal long-axis clips") as caught:
                    open_study(folder, layout)
                assert "\n" not in caught.value.message

    def test_the_view_in_the_names_of_plain_clips(self, tmp_path):
        for name in ("A2C/a", "A4C/b", "c_4CH_1", "PLAX/4CH-d", "2CH and 4CH/e", "f"):
            write_avi(tmp_path / f"{name}.avi", beat())
        views = {recording.path.stem: recording.view for recording in open_study(tmp_path).recordings}
        assert views == {"a": "A2C", "b": "A4C", "c_4CH_1": "A4C", "4CH-d": "A4C", "e": None, "f": None}
        assert [recording.view for recording in open_study(tmp_path / "A2C").recordings] == ["A2C"]


class TestDicomAndClips:
    def test_dicom_by_content(self, tmp_path):
        (tmp_path / "p1").mkdir()
        write_dicom(tmp_path / "p1" / "IM0001", beat(), PatientID="P1", PatientSex="F")
        write_dicom(tmp_path / "p1" / "IM0002.dcm", beat())
        write_dicom(tmp_path / "still.dcm", beat()[:1])
        (tmp_path / "fake.dcm").write_text("no DICOM file")
        shutil.copy(get_testdata_file("rtplan.dcm"), tmp_path / "plan.dcm")
        write_avi(tmp_path / "other.avi", beat())
        # The directory of a medium is a DICOM file, too, and no recording.
        write_dicom(tmp_path / "directory.dcm", beat())
        (tmp_path / "directory.dcm").rename(tmp_path / "DICOMDIR")
        study = inspect(open_study(tmp_path))
        assert [(r.name, r.patient, r.info) for r in study.recordings] == [
            ("other", "other", {}),
            ("p1-IM0001", "P1", {"sex": "F"}),
            ("p1-IM0002", "p1-IM0002", {}),
        ]
        assert kinds(study, dropped=True) == [
            ("no-pictures", "plan"),
            ("undecodable", "fake"),
            ("still-image", "still"),
        ]

    def test_plain_clips_have_names_that_differ(self, tmp_path):
        for name in ("a/clip.avi", "a-clip.avi", "b/é 1.avi", "._a-clip.avi", ".hidden/x.avi"):
            write_avi(tmp_path / name, beat())
        write_gif(tmp_path / "still.gif", beat()[:1])
        study = inspect(open_study(tmp_path))
        assert names(study) == ["a-clip.avi", "a-clip.avi-2", "b-é 1"]
        assert kinds(study) == [("still-image", "still")]


class TestInspection:
    def test_a_damaged_file_is_named_and_left_out(self, tmp_path):
        folder = EchoNet(tmp_path).add("0XA").add("0XB").add("0XC").write()
        video = folder / "Videos" / "0XB.avi"
        video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
        write_avi(folder / "Videos" / "0XC.avi", np.zeros((12, 112, 112), np.uint8))
        study = inspect(open_study(folder))
        assert names(study) == ["0XA"]
        assert kinds(study, dropped=True) == [("undecodable", "0XB"), ("blank", "0XC")]
        assert "0XB.avi is truncated" in study.defects[0].detail
        assert str(tmp_path) not in study.defects[0].detail


class TestLabels:
    def test_tolerance_is_what_rounding_does(self):
        # True volumes of 100.5 and 39.5 ml, an ejection fraction of 60.7 %, written as 100, 40 and 61.
        assert disagreement("a", 61, 100, 40) is None
        assert disagreement("a", 61.3, 100, 40).kind == "ef-volumes-disagree"
        assert disagreement("a", 50, 0, 0) is disagreement("a", None, 100, 40) is None

    def test_annotators_are_averaged(self):
        def square(frame, side):
            return Contour(frame, points=np.array([[0, 0], [side, 0], [side, side], [0, side]], float))

        assert ed_and_es([square(3, 10), square(3, 2), square(8, 8)]) == (8, 3)
        assert ed_and_es([square(3, 10)]) == (None, None)

    def test_a_tracing_without_an_axis_is_one_contour(self):
        (contour,), faults = contours_of(4, tracing(chords=9))
        assert (contour.frame, len(contour.chords), len(contour.points)) == (4, 9, 18)
        assert faults == []
        assert contours_of(4, tracing()[:2]) == ([], [])
