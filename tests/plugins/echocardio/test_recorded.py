"""The generators of recordings keep their contract, and their samples carry the labels to the fitted square."""

import os
import pickle
import shutil
from functools import cached_property
from typing import get_args

import numpy as np
import pytest
from kdkit_echocardio.clips import Square
from kdkit_echocardio.domain import Echocardio
from kdkit_echocardio.recorded import EchoNetSynthetic, Recordings
from kdkit_echocardio.recordings import LAYOUTS
from kdkit_echocardio.recordings.sample import fitted_points, window
from layouts import EchoNet, beat, tracing, write_avi
from pydantic import ValidationError

from kdkit import DataError
from kdkit.evaluation.scoring import score_models
from kdkit.plugins.registry import discover
from kdkit.progress import Silence
from kdkit.recipe.schema import Hardware
from kdkit.testing import GeneratorContract

pytestmark = pytest.mark.filterwarnings("error::kdkit.testing.ContractAdvice")


class TestRecordings(GeneratorContract):
    component = Recordings

    @cached_property
    def options(self):
        echonet = EchoNet(self.folder / "data")
        for number in range(3):
            echonet.add(f"0X{number}", frames=10 + number, tracings=None, ef=50)
        return {"path": echonet.write(), "split": "test"}


class TestEchoNetSynthetic(GeneratorContract):
    component = EchoNetSynthetic


def test_example_options_give_samples(tmp_path):
    options = Recordings.Options(**Recordings.example_options(tmp_path))
    assert Recordings(options).count() == 3


def test_whether_anything_is_labelled_is_known_before_a_clip_is_read(tmp_path, monkeypatch):
    clips = Recordings(Recordings.Options(**Recordings.example_options(tmp_path / "clips"))).unchecked()
    traced = EchoNet(tmp_path / "traced").add("0XA").write()
    measured = EchoNet(tmp_path / "measured").add("0XA", tracings=None, ef=50).write()
    monkeypatch.setattr("kdkit_echocardio.recordings.inspection.load_usable", None)
    assert not clips.has_truth()
    for folder in (traced, measured):
        assert Recordings(Recordings.Options(path=folder)).unchecked().has_truth()


def test_nothing_is_read_where_no_label_is_known(tmp_path, monkeypatch):
    source = Recordings(Recordings.Options(**Recordings.example_options(tmp_path))).unchecked()
    monkeypatch.setattr(Recordings, "generate", None)
    overlap = discover({}).component("metric", "dice")()
    with pytest.raises(DataError, match=r"3 samples have no label\n"):
        score_models({}, Echocardio(), source, {"dice": overlap}, Hardware(), 0, None, Silence())


def test_a_part_of_a_recording_is_known_by_all_of_it(tmp_path):
    known = Recordings.example_options(tmp_path)
    (part,) = Recordings(Recordings.Options(**known, frames=4)).generate([1])
    (whole,) = Recordings(Recordings.Options(**known)).generate([1])
    assert len(part.inputs) == 4 < len(whole.inputs) and part.content == whole.content


def test_every_layout_can_be_chosen():
    known = get_args(Recordings.Options.model_fields["layout"].annotation)
    assert set(known) == {"auto", *LAYOUTS}


@pytest.fixture
def folder(tmp_path):
    return EchoNet(tmp_path / "data").add("0XA").add("0XB", split="TRAIN", frames=20).write()


def samples(folder, **options):
    generator = Recordings(Recordings.Options(path=folder, **options))
    return list(generator.generate(range(generator.count())))


def test_truth_and_info_of_a_labelled_recording(folder):
    (sample,) = samples(folder, split="test")
    assert (sample.inputs.shape, sample.inputs.dtype) == ((12, 112, 112), np.uint8)
    assert sample.truth["mask"].shape == (2, 112, 112)
    assert sample.truth["mask_frames"].tolist() == [0, 6]
    assert (sample.truth["ed"].tolist(), sample.truth["es"].tolist()) == ([0], [6])
    assert float(sample.truth["ejection_fraction"]) == 50
    assert sample.info["name"] == sample.info["patient"] == "0XA"
    assert (sample.info["fps"], sample.info["spacing_mm"], sample.info["view"]) == (50.0, None, "A4C")
    assert sample.info["tracings"] == "echonet"


def test_tracings_become_masks_as_echonet_draws_them_or_exactly(folder):
    (echonet,), (exact,) = (samples(folder, split="test", tracings=way) for way in ("echonet", "exact"))
    assert (echonet.info["tracings"], exact.info["tracings"]) == ("echonet", "exact")
    for large, small, width in zip(echonet.truth["mask"], exact.truth["mask"], (30, 20), strict=True):
        # The area of the ellipse, with the polygon of twenty chords a little inside.
        assert small.sum() == pytest.approx(np.pi / 4 * 60 * width, rel=0.03)
        assert 1.02 < large.sum() / small.sum() < 1.08


def test_split_and_view_choose(folder):
    assert [s.info["name"] for s in samples(folder)] == ["0XA", "0XB"]
    assert [s.info["name"] for s in samples(folder, split="train")] == ["0XB"]
    with pytest.raises(DataError, match=r"split val.*split test, view A4C; split train, view A4C"):
        samples(folder, split="val")
    with pytest.raises(DataError, match="view PSAX"):
        samples(folder, view="PSAX")


def test_a_part_holds_the_labelled_frames(folder):
    (sample,) = samples(folder, split="train", frames=9)
    assert len(sample.inputs) == 9
    assert sample.truth["mask_frames"].tolist() == [0, 6]
    (short,) = samples(folder, split="train", frames=4)
    assert short.truth["mask_frames"].tolist() == [0]
    assert "es" not in short.truth


@pytest.mark.parametrize(
    ("count", "labelled", "most", "expected"),
    [
        (20, [], None, (0, 20)),
        (20, [5], 30, (0, 20)),
        (20, [], 6, (0, 6)),
        (20, [8, 12], 7, (7, 14)),
        (20, [1, 3], 7, (0, 7)),
        (20, [18, 19], 7, (13, 20)),
        (20, [2, 19], 5, (0, 5)),
    ],
)
def test_window(count, labelled, most, expected):
    assert window(count, labelled, most) == expected


def test_points_follow_the_pixels():
    # Corners of the square are corners of the fitted clip, whose pixel centres are whole numbers.
    square = Square(left=10, top=20, side=224, height=400, width=300)
    assert fitted_points([[9.5, 19.5], [233.5, 243.5]], square).tolist() == [[-0.5, -0.5], [111.5, 111.5]]


def test_a_damaged_recording_is_left_out_and_told(tmp_path):
    folder = EchoNet(tmp_path).add("0XA").add("0XB").add("0XC").write()
    video = folder / "Videos" / "0XB.avi"
    video.write_bytes(video.read_bytes()[:2000])
    generator = Recordings(Recordings.Options(path=folder))
    assert generator.count() == 2
    assert [s.info["name"] for s in generator.generate([0, 1])] == ["0XA", "0XC"]
    (defect,) = generator.exclusions()
    assert (defect.kind, defect.name, defect.dropped) == ("undecodable", "0XB", True)


def test_workers_need_not_decode_everything_again(folder, monkeypatch):
    from kdkit_echocardio.recordings import memory, selection

    generator = Recordings(Recordings.Options(path=folder))
    generator.count()
    sent = pickle.dumps(generator)
    for function in (memory.remember, selection.recordings_by_name):
        function.cache_clear()
    monkeypatch.setattr(memory, "examine", None)
    assert next(pickle.loads(sent).generate([1])).info["name"] == "0XB"


def test_nothing_left_is_an_error(tmp_path):
    folder = EchoNet(tmp_path).add("0XA", video=False).add("0XB", tracings=[]).write()
    with pytest.raises(DataError, match="no recording"):
        samples(folder)


def fingerprint(folder, **options):
    return Recordings(Recordings.Options(path=folder, **options)).fingerprint()


def test_fingerprint_follows_names_and_contents(folder):
    prints = [fingerprint(folder), fingerprint(folder, frames=4)]
    (folder / "FileList.csv").write_text((folder / "FileList.csv").read_text() + "\n")
    prints.append(fingerprint(folder))
    video = folder / "Videos" / "0XA.avi"
    data = bytearray(video.read_bytes())
    data[len(data) // 2] ^= 1
    video.write_bytes(data)
    prints.append(fingerprint(folder))
    video.rename(video.with_name("0XC.avi"))
    prints.append(fingerprint(folder))
    assert len(set(prints)) == 5


def test_fingerprint_is_the_same_of_touched_moved_and_copied_recordings(folder, tmp_path, monkeypatch):
    before = fingerprint(folder)
    os.utime(folder / "Videos" / "0XA.avi", ns=(1, 1))
    (folder / "Videos" / "Thumbs.db").write_bytes(b"left by a file manager")
    assert fingerprint(folder) == before
    shutil.copytree(folder, tmp_path / "copy")
    assert fingerprint(tmp_path / "copy") == before
    (tmp_path / "mount").mkdir()
    folder.rename(tmp_path / "mount" / "echonet")
    monkeypatch.setenv("MY_ECHONET", str(tmp_path / "mount" / "echonet"))
    assert fingerprint("$MY_ECHONET") == before


def test_environment_variable_as_path(folder, monkeypatch):
    monkeypatch.setenv("MY_ECHONET", str(folder))
    for text in ("$MY_ECHONET", "${MY_ECHONET}", "$MY_ECHONET/"):
        assert Recordings.Options(path=text).path == folder
    assert Recordings.Options(path="$MY_ECHONET/Videos").path == folder / "Videos"
    monkeypatch.delenv("MY_ECHONET")
    with pytest.raises(ValidationError, match=r"\$MY_ECHONET is not set"):
        Recordings.Options(path="$MY_ECHONET")
    with pytest.raises(ValidationError, match="does not exist"):
        Recordings.Options(path=folder / "none")


def test_several_annotators_of_a_frame_are_all_kept(tmp_path):
    both = np.vstack([tracing(), tracing(width=34.0)])
    folder = EchoNet(tmp_path).add("0XA", tracings=[(0, both), (6, tracing(width=20.0))]).write()
    (sample,) = samples(folder)
    assert sample.truth["mask_frames"].tolist() == [0, 0, 6]
    assert sample.truth["mask"][0].sum() < sample.truth["mask"][1].sum()


def test_synthetic_clips_in_an_order_of_the_seed(tmp_path):
    options = EchoNetSynthetic.Options(**EchoNetSynthetic.example_options(tmp_path))
    orders = []
    for seed in range(4):
        found = list(EchoNetSynthetic(options, seed).generate(range(4)))
        assert [float(s.truth["ejection_fraction"]) for s in found] == [50.0 + int(s.info["name"][-1]) for s in found]
        orders.append(tuple(s.info["name"] for s in found))
    assert {tuple(sorted(order)) for order in orders} == {tuple(f"sample_{n:06d}" for n in range(4))}
    assert len(set(orders)) > 1


def test_of_a_synthetic_index_only_the_ejection_fraction_is_believed(tmp_path):
    """As published: volumes of 0, and sizes, rate and numbers of frames that are not those of the files."""
    write_avi(tmp_path / "Videos" / "sample_000000.avi", beat(9), fps=32)
    columns = "FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split"
    (tmp_path / "FileList.csv").write_text(f"{columns}\nsample_000000,37,0,0,192,112,50,3,TRAIN\n")
    (sample,) = EchoNetSynthetic(EchoNetSynthetic.Options(path=tmp_path)).generate([0])
    assert sample.inputs.shape == (9, 112, 112)
    assert sample.info["fps"] == 32.0
    assert {name: float(value) for name, value in sample.truth.items()} == {"ejection_fraction": 37.0}
