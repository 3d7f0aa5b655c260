"""What makes a clip implausible is flagged, and what is only unusual is not."""

import csv
import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from kdkit_echocardio.clips import Clip, fit, read_clip
from kdkit_echocardio.clips.plausibility import find_flags
from kdkit_echocardio.domain import Echocardio
from kdkit_echocardio.flags import FLAGS, WITHOUT_BEATS, join
from kdkit_echocardio.phantom import simulate
from pydicom.data import get_testdata_file
from test_clips import region, scanner_picture, write_dicom, write_gif, write_video
from test_data_commands import student  # noqa: F401  a fixture

PHANTOM = simulate(np.random.default_rng(3), frames=16).frames


def flags(frames, fps=30.0, **facts):
    return find_flags(Clip(np.ascontiguousarray(frames), fps, **facts))


def gained(factor):
    return np.clip(PHANTOM.astype(int) * factor, 0, 255).astype(np.uint8)


class TestImplausible:
    @pytest.mark.parametrize("level", [0, 7, 128, 255])
    def test_blank(self, level):
        noise = np.random.default_rng(0).integers(0, 3, PHANTOM.shape)
        assert flags(np.clip(level + noise, 0, 255).astype(np.uint8)) == ("blank",)

    def test_nearly_blank(self):
        assert "nearly-blank" in flags(PHANTOM // 12)
        lettered = np.zeros_like(PHANTOM)
        lettered[:, :6, :20] = np.random.default_rng(0).integers(0, 255, (16, 6, 20))
        assert "nearly-blank" in flags(lettered)

    @pytest.mark.parametrize("frames", [gained(6), 40 + gained(6) // 2, (PHANTOM > 60).astype(np.uint8) * 255])
    def test_saturated(self, frames):
        assert "saturated" in flags(frames)

    def test_no_sector(self):
        rng = np.random.default_rng(0)
        assert flags(rng.integers(0, 255, PHANTOM.shape, np.uint8)) == ("no-sector",)
        scene = cv2.GaussianBlur(rng.integers(0, 255, (300, 300), np.uint8), (0, 0), 6)
        scene = cv2.normalize(scene, None, 20, 230, cv2.NORM_MINMAX)
        assert flags(np.stack([scene[3 * n : 3 * n + 200, n : n + 200] for n in range(20)])) == ("no-sector",)

    def test_frame_rate(self):
        for rate in (1.0, 7.9, 301.0, 1000.0):
            assert flags(PHANTOM, rate) == ("frame-rate",)
        for rate in (None, 8.0, 50.0, 300.0):
            assert flags(PHANTOM, rate) == ()
        assert flags(PHANTOM[:, :14], 1.0)[:2] == ("frame-rate", "narrow")

    def test_nothing_moves(self):
        rng = np.random.default_rng(0)
        assert flags(np.repeat(PHANTOM[:1], 12, 0)) == ("still",)
        noisy = np.clip(np.repeat(PHANTOM[:1], 12, 0) + rng.normal(0, 0.8, PHANTOM[:12].shape), 0, 255)
        assert flags(noisy.astype(np.uint8)) == ("still",)

    def test_nothing_moves_but_the_electrocardiogram(self):
        frames, inside = scanner_picture(16)
        frames[:, inside] = frames[0, inside]
        assert flags(frames) == ("still",)

    @pytest.mark.parametrize(
        "part", [np.s_[:, :, 56:57], np.s_[:, 56:57], np.s_[:, 40:48, 40:48], np.s_[:, :, 50:70]]
    )
    def test_narrow(self, part):
        assert "narrow" in flags(PHANTOM[part])

    def test_colour(self):
        assert flags(PHANTOM, coloured=0.9) == ("colour",)
        assert flags(PHANTOM, coloured=0.3) == ()

    def test_other_view_by_the_shape(self):
        assert flags(PHANTOM[:, ::-1]) == ("other-view",)
        # A spectrum that scrolls through a band as wide as the screen.
        rng = np.random.default_rng(0)
        band = cv2.GaussianBlur(rng.integers(0, 255, (90, 400), np.uint8), (0, 0), 1.5)
        frames = np.zeros((16, 240, 320), np.uint8)
        for number, frame in enumerate(frames):
            frame[120:210] = band[:, number : number + 320]
        assert flags(frames) == ("other-view",)


class TestPlausible:
    @pytest.mark.parametrize("seed", [*range(5), *(pytest.param(s, marks=pytest.mark.slow) for s in range(5, 20))])
    def test_simulated(self, seed):
        assert flags(simulate(np.random.default_rng(100 + seed)).frames) == ()

    def test_scanners(self):
        assert find_flags(read_clip(Path(get_testdata_file("examples_ybr_color.dcm")))) == ()
        assert flags(scanner_picture()[0]) == ()

    def test_fitted_to_the_network(self):
        assert flags(fit(Clip(scanner_picture()[0]))[0]) == ()

    @pytest.mark.parametrize(
        "change", [lambda f: f // 2, lambda f: gained(1.3), lambda f: np.pad(f, ((0, 0), (20, 60), (30, 90)))]
    )
    def test_dim_bright_and_off_centre(self, change):
        assert flags(change(PHANTOM)) == ()

    def test_stills_of_two_phases_need_not_move(self):
        assert flags(PHANTOM[[0, 0]], fps=None) == ()
        assert flags(PHANTOM[[0, 0]], fps=30.0) == ("still",)


class TestOtherViewByHeader:
    @pytest.mark.parametrize(
        ("attributes", "suspected"),
        [
            ({"SeriesDescription": "A4C"}, False),
            ({"SeriesDescription": "Apical 4 chamber"}, False),
            ({"SeriesDescription": "Adult echo with Doppler"}, False),
            ({"ViewName": "A2C"}, True),
            ({"SeriesDescription": "PLAX zoom"}, True),
            ({"ImageComments": "subcostal"}, True),
            ({"SequenceOfUltrasoundRegions": [region((0, 0, 100, 100), RegionSpatialFormat=3)]}, True),
            ({"SequenceOfUltrasoundRegions": [region((0, 0, 100, 100))]}, False),
        ],
    )
    def test_words(self, tmp_path, attributes, suspected):
        clip = read_clip(write_dicom(tmp_path / "c.dcm", PHANTOM, **attributes))
        assert ("other-view" in clip.flags) == suspected


def test_every_flag_has_a_sentence_and_its_place():
    assert join(["still", "blank", "still"]) == "blank still"
    assert set(WITHOUT_BEATS) <= set(FLAGS)
    assert Echocardio.flags is FLAGS
    assert all(sentence and not sentence.endswith(".") for sentence in FLAGS.values())


@pytest.fixture
def clinic(tmp_path):
    """Files as a clinic hands them over: some without suffix or preamble, some that cannot mean anything."""
    folder = tmp_path / "clinic"
    (folder / "export").mkdir(parents=True)
    grow = partial(np.repeat, repeats=2, axis=1)
    write_dicom(folder / "export" / "IM0001", PHANTOM, FrameTime="30")
    data = pydicom.dcmread(write_dicom(folder / "export" / "IM0002", PHANTOM, FrameTime="30", NumberOfFrames=1))
    data.preamble = None
    data.save_as(folder / "export" / "IM0002", enforce_file_format=False)
    write_dicom(folder / "still.dcm", PHANTOM[:1])
    write_dicom(folder / "frozen.dcm", np.repeat(PHANTOM[:1], 12, 0), FrameTime="30")
    write_gif(folder / "moving.gif", PHANTOM)
    write_video(folder / "dark.avi", grow(PHANTOM) * 0)
    (folder / "broken.avi").write_bytes(b"RIFF")
    (folder / "notes.txt").write_text("Dear colleague")
    (folder / "._moving.gif").write_bytes(b"left by a file system")
    return folder


OF_PREDICTIONS = {"no-beat", "heart-rate", "implausible-area", "area-jump", "at-edge", "low-contrast", "trembles"}


def test_both_commands_say_the_same_of_the_same_files(cli, clinic, student, tmp_path):  # noqa: F811
    checked = cli("check", "echocardio", "--data", clinic, "--json")
    found = json.loads(checked.out)
    predicted = cli("predict", student, clinic, "--out", tmp_path / "out", "--json")
    told = json.loads(predicted.out)
    flagged = {Path(row["file"]).stem: row["flags"] for row in told["files"] if row["flags"]}
    of_check = {}
    for defect in found["defects"]:
        if defect["kind"] in FLAGS:
            assert defect["detail"] == FLAGS[defect["kind"]]
            of_check.setdefault(defect["name"].removeprefix("export-"), []).append(defect["kind"])
    # What is said of the predictions besides is said by this command alone.
    assert all("no-beat" in flagged[name] for name in ("IM0001", "IM0002", "moving"))
    of_files = {name: join(set(words.split()) - OF_PREDICTIONS) for name, words in flagged.items()}
    flagged = {name: words for name, words in of_files.items() if words}
    assert flagged == {"IM0002": "frame-count", "frozen": "still", "dark": "blank"}
    assert {name: join(kinds) for name, kinds in of_check.items()} == flagged
    assert {Path(row["file"]).stem for row in told["files"]} == {"IM0001", "IM0002", "frozen", "moving", "dark"}
    skipped = {Path(entry["file"]).name: entry["reason"] for entry in told["skipped"]}
    lost = {defect["name"]: defect["detail"] for defect in found["defects"] if defect["dropped"]}
    assert set(skipped) == {"still.dcm", "broken.avi"}
    assert set(lost) == {"still", "broken", "dark"}
    for name, reason in skipped.items():
        assert lost[Path(name).stem].endswith(reason)
    assert "A clip of at least one heart beat is needed." in skipped["still.dcm"]
    with (tmp_path / "out" / "summary.csv").open() as file:
        rows = {Path(row["file"]).stem: row for row in csv.DictReader(file)}
    assert rows["frozen"]["flags"] == "still"
    assert rows["frozen"]["area_ef"] == rows["dark"]["discs_ef"] == rows["dark"]["discs_ef_high"] == ""
    assert (rows["frozen"]["ef_note"], rows["dark"]["ef_note"]) == (FLAGS["still"], FLAGS["blank"])


def test_people_read_a_sentence_for_each_flag(cli, clinic, student, tmp_path):  # noqa: F811
    finished = cli("predict", student, clinic / "frozen.dcm", "--out", tmp_path / "out")
    assert f"still: {clinic / 'frozen.dcm'} ({FLAGS['still']})" in " ".join(finished.err.split())
    finished = cli("check", "echocardio", "--data", clinic)
    assert "still" in finished.out and "frame-count" in finished.out
    assert "3 left out: " in finished.out and "2 doubtful: 1 frame-count, 1 still" in finished.out


def test_a_run_says_what_is_doubtful(cli, clinic):
    settings = [
        "generator={name: recordings, path: " + str(clinic) + "}",
        # The clips of the clinic are one clip in several files: nothing of it is left to be evaluated on.
        "evaluation.generator={name: phantom, frames: 8}",
        "controls=[]",
        "samples={train: 1, validation: 1, evaluation: 1}",
    ]
    finished = cli("generate", "echocardio", *(part for setting in settings for part in ("--set", setting)))
    assert finished.code == 0, finished.err
    assert "2 doubtful: 1 frame-count, 1 still" in finished.err
