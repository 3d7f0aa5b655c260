"""The echocardiography domain: a user's files in and out, the teacher's check, and the pictures."""

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from kdkit_echocardio import results
from kdkit_echocardio.beats import Beats
from kdkit_echocardio.domain import Echocardio
from kdkit_echocardio.ejection import area_ejection
from kdkit_echocardio.flags import FLAGS, WITHOUT_BEATS
from kdkit_echocardio.generator import Phantom
from PIL import Image
from pydicom.data import get_testdata_file
from test_clips import region, write_dicom

from kdkit import Case, DataError, KdkitError, Sample

REAL_CINE = Path(get_testdata_file("examples_ybr_color.dcm"))
MODULES = ("domain", "generator", "teacher")


def ellipse(count, swing=0.15, period=26, size=112):
    """The probability of an ellipse that beats once in ``period`` frames: float32 (count, size, size)."""
    rows, columns = np.mgrid[:size, :size]
    scale = 1 + swing * np.cos(2 * np.pi * np.arange(count) / period)[:, None, None]
    distance = np.hypot((columns - 60) / (14 * scale), (rows - 45) / (28 * scale))
    return (1 / (1 + np.exp(20 * (distance - 1)))).astype(np.float32)


@pytest.fixture(scope="module")
def phantoms():
    return list(Phantom(Phantom.Options(frames=16), seed=2).generate(range(4)))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A clip of 12 frames in the network's own size."""
    path = tmp_path_factory.mktemp("clips") / "short.gif"
    first, *others = [Image.fromarray((200 * frame).astype(np.uint8)) for frame in ellipse(12)]
    first.save(path, save_all=True, append_images=others, duration=40)
    return path


@pytest.fixture
def domain():
    return Echocardio()


def words_of(figure):
    """The texts of an SVG."""
    return {"".join(element.itertext()).strip() for element in ElementTree.fromstring(figure.data).iter()}


@pytest.mark.parametrize("module", MODULES)
def test_checking_a_recipe_loads_nothing_heavy(module):
    script = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        f"import kdkit_echocardio.{module}\n"
        "print([name for name in ('torch', 'cv2', 'matplotlib', 'pydicom', 'pandas', 'PIL') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_clip_whose_every_frame_has_a_mask_gives_a_target(domain):
    (sample,) = Phantom(Phantom.Options(frames=4)).generate([0])
    target = domain.target_from_truth(sample)
    assert (target.dtype, target.shape) == (np.float32, sample.inputs.shape)
    np.testing.assert_array_equal(target, sample.truth["mask"])
    traced = {"mask": sample.truth["mask"][[0, 2]], "mask_frames": np.array([0, 2])}
    assert domain.target_from_truth(replace(sample, truth=traced)) is None
    assert domain.target_from_truth(replace(sample, truth={})) is None


class TestReadAndWrite:
    def test_real_cine(self, domain, tmp_path):
        sample = domain.read(REAL_CINE)
        assert (sample.inputs.dtype, sample.inputs.shape) == (np.uint8, (30, 112, 112))
        assert sample.info["name"] == "examples_ybr_color"
        assert sample.info["fps"] == pytest.approx(30, abs=0.01)
        assert domain.items(sample) == 30

        prediction = ellipse(30)
        row = domain.write(REAL_CINE, sample, prediction, tmp_path / "cine")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["cine.mp4", "cine.npz"]
        with np.load(tmp_path / "cine.npz") as saved:
            probability = saved["probability"]
        assert (probability.dtype, probability.shape) == (np.uint8, (30, 240, 320))
        # As many pixels as in the fitted clip, by the square of the scale.
        scale = sample.info["square"]["side"] / 112
        assert (probability >= 128).sum() == pytest.approx((prediction >= 0.5).sum() * scale**2, rel=0.02)
        # An ellipse scaled by 1.15 at frames 0 and 26 and by 0.85 at frame 13.
        assert list(row) == [
            *("frames", "fps", "ed_frame", "es_frame", "beats"),
            *("area_ef", "area_ef_low", "area_ef_high", "discs_ef", "discs_ef_low", "discs_ef_high", "ef_note"),
            *("heart_rate", "doubt", "flags"),
        ]
        assert row["frames"] == 30
        assert row["fps"] == round(sample.info["fps"], 3)
        assert abs(row["ed_frame"]) <= 1
        assert abs(row["es_frame"] - 13) <= 1
        assert row["beats"] == 1
        assert row["area_ef"] == pytest.approx(100 * (1 - (0.85 / 1.15) ** 2), abs=2)
        assert row["discs_ef"] == pytest.approx(100 * (1 - (0.85 / 1.15) ** 3), abs=2)
        for name in ("area_ef", "discs_ef"):
            assert 0 <= row[f"{name}_low"] < row[name] < row[f"{name}_high"] <= 100
        assert row["ef_note"] == ""

    def test_the_overlay_plays_in_browsers_and_shows_every_frame(self, domain, tmp_path, clip):
        import av

        domain.write(clip, domain.read(clip), ellipse(12), tmp_path / "out")
        with av.open(str(tmp_path / "out.mp4")) as container:
            (stream,) = container.streams.video
            assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
            pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert len(pictures) == 12
        orange = np.abs(pictures[0].astype(int) - (230, 159, 0)).max(-1) < 60
        assert orange.any()

    @pytest.mark.parametrize(("masks", "overlay", "suffixes"), [
        ("none", "none", set()),
        ("none", "gif", {".gif"}),
        ("nifti", "none", {".nii.gz"}),
    ])  # fmt: skip
    def test_only_what_is_asked_for_is_written(self, tmp_path, clip, masks, overlay, suffixes):
        domain = Echocardio(Echocardio.Options(masks=masks, overlay=overlay))
        row = domain.write(clip, domain.read(clip), ellipse(12), tmp_path / "out")
        assert {path.name.removeprefix("out") for path in tmp_path.glob("out*")} == suffixes
        assert row["frames"] == 12
        assert domain.fingerprint() == Echocardio().fingerprint()

    @pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (16, np.uint16)])
    def test_probabilities_are_as_exact_as_their_bits_allow(self, tmp_path, clip, bits, dtype):
        domain, prediction = Echocardio(Echocardio.Options(bits=bits, overlay="none")), ellipse(12)
        domain.write(clip, domain.read(clip), prediction, tmp_path / "out")
        with np.load(tmp_path / "out.npz") as archive:
            probability = archive["probability"]
        assert probability.dtype == dtype and probability.shape == prediction.shape
        step = 1 / (2**bits - 1)
        assert np.abs(probability * step - prediction).max() <= 0.51 * step
        assert domain.fingerprint() == Echocardio().fingerprint()

    @pytest.mark.parametrize("bits", [8, 16])
    def test_masks_are_where_the_probability_is_at_least_a_half_whatever_its_bits(self, tmp_path, clip, bits):
        import nibabel

        domain = Echocardio(Echocardio.Options(masks="nifti", overlay="none", bits=bits))
        prediction = np.full((12, 112, 112), 0.49, np.float32)
        prediction[:, 20:40] = 0.5
        prediction[:, 40:60] = 0.51
        domain.write(clip, domain.read(clip), prediction, tmp_path / "out")
        masks = np.asarray(nibabel.load(tmp_path / "out.nii.gz").dataobj)[:, :, 0].T
        assert np.array_equal(masks, prediction >= 0.5)

    def test_masks_for_medical_viewers_have_the_clips_size_and_spacing(self, tmp_path):
        import nibabel

        domain = Echocardio(Echocardio.Options(masks="nifti", overlay="none"))
        sample, prediction = domain.read(REAL_CINE), ellipse(30)
        domain.write(REAL_CINE, sample, prediction, tmp_path / "cine")
        image = nibabel.load(tmp_path / "cine.nii.gz")
        assert image.shape == (320, 240, 1, 30)
        assert image.header.get_zooms()[3] == pytest.approx(1 / sample.info["fps"])
        masks = np.asarray(image.dataobj)
        assert set(np.unique(masks)) == {0, 1}
        scale = sample.info["square"]["side"] / 112
        assert masks.sum() == pytest.approx((prediction >= 0.5).sum() * scale**2, rel=0.02)

    @pytest.mark.parametrize("known", [True, False])
    def test_medical_viewers_see_masks_in_place_and_in_millimetres(self, tmp_path, known):
        import nibabel

        pixels = np.random.default_rng(0).integers(0, 255, (6, 120, 160)).astype(np.uint8)
        scale = {"FrameTime": 40.0, "SequenceOfUltrasoundRegions": [region((0, 0, 159, 119), 0.03)]}
        path = write_dicom(tmp_path / "cine.dcm", pixels, **(scale if known else {}))
        domain = Echocardio(Echocardio.Options(masks="nifti", overlay="none"))
        sample, prediction = domain.read(path), np.zeros((6, 112, 112), np.float32)
        prediction[:, 14:28, 21:56] = 1
        domain.write(path, sample, prediction, tmp_path / "cine")
        image = nibabel.load(tmp_path / "cine.nii.gz")
        assert image.header.get_xyzt_units() == (("mm", "sec") if known else ("unknown", "unknown"))
        assert image.header.get_zooms() == pytest.approx((0.3, 0.3, 0.3, 0.04) if known else (1, 1, 1, 1))
        # NIfTI's x runs to the right and y to the front; columns run to the left and rows to the back.
        assert nibabel.aff2axcodes(image.affine)[:2] == ("L", "P")
        # The middle square of 120 pixels begins at column 20, and each pixel of the network covers 120 / 112.
        rows, columns = np.nonzero(np.asarray(image.dataobj)[:, :, 0, 0].T)
        assert (rows.min(), rows.max()) == (15, 29)
        assert abs(columns.min() - 42.5) <= 1 and abs(columns.max() - 79.5) <= 1
        itk = pytest.importorskip("SimpleITK")
        seen = itk.ReadImage(str(tmp_path / "cine.nii.gz"))
        assert seen.GetSize() == (160, 120, 1, 6)
        assert seen.GetSpacing() == pytest.approx((0.3, 0.3, 0.3, 0.04) if known else (1, 1, 1, 1))
        assert np.array_equal(np.reshape(seen.GetDirection(), (4, 4)), np.eye(4))
        assert np.array_equal(itk.GetArrayFromImage(seen).T, np.asarray(image.dataobj))

    @pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mov", ".mkv", ".webm", ".gif", ".mpg"])
    def test_a_clip_is_recognised_by_its_content_whatever_it_is_called(self, tmp_path, clip, domain, suffix):
        """As clips come out of archives: names without a suffix, or with another one."""
        import av

        named, bare = tmp_path / f"named{suffix}", tmp_path / "IM0001"
        if suffix == ".gif":
            named.write_bytes(clip.read_bytes())
        else:
            codec = {".webm": "libvpx", ".mpg": "mpeg2video"}.get(suffix, "mpeg4")
            with av.open(str(named), "w") as container:
                stream = container.add_stream(codec, rate=25)
                stream.height = stream.width = 112
                stream.pix_fmt = "yuv420p"
                for frame in ellipse(8):
                    picture = np.repeat((200 * frame).astype(np.uint8)[..., None], 3, -1)
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
                container.mux(stream.encode())
        bare.write_bytes(named.read_bytes())
        assert domain.recognises(bare)
        assert np.array_equal(domain.read(bare).inputs, domain.read(named).inputs)

    @pytest.mark.parametrize(
        "head",
        [
            b"",
            b"GIF",
            b"RIFF\0\0\0\0WAVEfmt ",
            b"\0\0\0\x18ftypheic",
            b"\0\0\0\x18ftypM4A ",
            b"FileName,EF,Split\n",
            b"\x89PNG\r\n\x1a\n" + bytes(200),
        ],
        ids=["empty", "cut", "wave", "heic", "m4a", "csv", "png"],
    )
    def test_what_is_no_clip_is_not_taken_for_one(self, tmp_path, domain, head):
        path = tmp_path / "IM0001"
        path.write_bytes(head)
        assert not domain.recognises(path)

    def test_a_gif_has_every_frame(self, tmp_path, clip):
        from PIL import Image

        domain = Echocardio(Echocardio.Options(masks="none", overlay="gif"))
        domain.write(clip, domain.read(clip), ellipse(12), tmp_path / "out")
        with Image.open(tmp_path / "out.gif") as picture:
            assert picture.n_frames == 12

    def test_ejection_fraction_is_of_the_mean_sizes_over_beats(self):
        probability = np.concatenate([ellipse(26), ellipse(26, swing=0.2), ellipse(22)])
        areas = (probability >= 0.5).sum((1, 2))
        beats = Beats(np.array([0, 26, 52]), np.array([13, 39, 65]))
        row = results._events(areas, beats)
        assert row == {"ed_frame": 26, "es_frame": 39, "beats": 3}
        ed, es = areas[[0, 26, 52]].mean(), areas[[13, 39, 65]].mean()
        assert area_ejection(probability, beats).value == pytest.approx(100 * (ed - es) / ed)

    @pytest.mark.parametrize(
        ("ed", "es", "expected"),
        [
            ([0, 26], [13], (0, 13, 1)),
            ([26], [13, 39], (26, 39, 1)),
            ([26], [13], (26, 13, 1)),  # the clip ends before the next end-systole
            ([26], [], (None, None, 0)),
            ([], [13], (None, None, 0)),
        ],
    )
    def test_clips_that_show_part_of_a_beat(self, ed, es, expected):
        probability, beats = ellipse(48), Beats(np.array(ed, int), np.array(es, int))
        row = results._events((probability >= 0.5).sum((1, 2)), beats)
        assert (row["ed_frame"], row["es_frame"], row["beats"]) == expected
        value = area_ejection(probability, beats).value
        assert value == (pytest.approx(100 * (1 - (0.85 / 1.15) ** 2), abs=2) if expected[2] else None)

    @pytest.mark.parametrize("flag", sorted(WITHOUT_BEATS))
    def test_no_beats_are_told_of_what_is_no_living_heart(self, domain, tmp_path, flag):
        sample = domain.read(REAL_CINE)
        flagged = replace(sample, info={**sample.info, "flags": flag})
        rows = [domain.write(REAL_CINE, part, ellipse(30), tmp_path / "out") for part in (sample, flagged)]
        assert [row["beats"] for row in rows] == [1, 0]
        assert (rows[1]["ed_frame"], rows[1]["area_ef"], rows[1]["ef_note"]) == (None, None, FLAGS[flag])

    @pytest.mark.parametrize("prediction", [np.zeros((12, 112, 112), np.float32), ellipse(12, swing=0)])
    def test_without_a_beat_nothing_is_made_up(self, domain, tmp_path, clip, prediction):
        row = domain.write(clip, domain.read(clip), prediction, tmp_path / "out")
        assert row["beats"] == 0
        empty = ("ed_frame", "es_frame", "area_ef", "area_ef_low", "area_ef_high", "discs_ef", "discs_ef_high")
        assert [row[name] for name in empty] == [None] * 7
        assert row["ef_note"] == "no beat was found"
        assert (tmp_path / "out.mp4").is_file()

    @pytest.mark.parametrize(
        ("fps", "rate", "flagged"),
        [(26.0, 60, False), (12.0, 28, True), (14.0, 32, False), (None, None, False)],
    )
    def test_a_heart_rate_that_no_heart_has_is_flagged(self, clip, tmp_path, fps, rate, flagged):
        domain = Echocardio(Echocardio.Options(masks="none", overlay="none"))
        probability = ellipse(120)
        frames = (200 * probability).astype(np.uint8)
        sample = Sample(frames, info={**domain.read(clip).info, "fps": fps, "flags": ""})
        row = domain.write(clip, sample, probability, tmp_path / "out")
        assert row["heart_rate"] == rate
        assert ("heart-rate" in row["flags"].split()) == flagged

    def test_example_file_is_a_clip_that_passes_unchanged(self, domain, tmp_path):
        path = domain.example_file(tmp_path)
        assert path.parent == tmp_path
        assert path.suffix in domain.input_suffixes
        sample = domain.read(path)
        assert sample.inputs.shape == (32, 112, 112)
        assert sample.info["square"]["side"] == 112

    def test_stem_with_a_dot(self, domain, tmp_path, clip):
        domain.write(clip, domain.read(clip), ellipse(12), tmp_path / "clip.v2")
        assert {path.name for path in tmp_path.iterdir()} == {"clip.v2.npz", "clip.v2.mp4"}

    def test_spacing_is_that_of_the_fitted_clip(self, domain, tmp_path, monkeypatch):
        from kdkit_echocardio.clips import Clip

        frames = np.random.default_rng(0).integers(0, 255, (8, 224, 224), np.uint8)
        monkeypatch.setattr(results, "read_clip", lambda path: Clip(frames, 30.0, 0.5))
        (tmp_path / "any").touch()
        assert domain.read(tmp_path / "any").info["spacing_mm"] == pytest.approx(1.0)

    def test_unreadable_file(self, domain, tmp_path):
        path = tmp_path / "clip.avi"
        path.write_text("no clip")
        with pytest.raises(DataError, match=r"clip\.avi"):
            domain.read(path)

    def test_unwritable_place(self, domain, tmp_path, clip):
        with pytest.raises(KdkitError, match=r"cannot write .*out\.npz"):
            domain.write(clip, domain.read(clip), ellipse(12), tmp_path / "missing" / "out")


class TestTeacherCheck:
    def test_good_teacher(self, domain, phantoms):
        predictions = [sample.truth["mask"].astype(np.float32) for sample in phantoms]
        verdict = domain.check_teacher(phantoms, predictions)
        share = np.mean([sample.truth["mask"].mean() for sample in phantoms])
        assert verdict == f"DICE 1.00 on 4 clips, foreground {100 * share:.0f} %"

    def test_masks_of_a_few_frames(self, domain):
        mask = ellipse(30) >= 0.5
        truth = {"mask": mask[[3, 9]].astype(np.uint8), "mask_frames": np.array([3, 9])}
        sample = Sample(np.zeros((30, 112, 112), np.uint8), truth=truth)
        prediction = mask.astype(np.float32)
        prediction[9] = 0
        expected = 2 * mask[3].sum() / (2 * mask[3].sum() + mask[9].sum())
        assert domain.check_teacher([sample], [prediction]).startswith(f"DICE {expected:.2f} on 1 clips")

    def test_without_truth(self, domain):
        assert domain.check_teacher([Sample(np.zeros((30, 112, 112), np.uint8))], [ellipse(30)]) == "foreground 10 %"

    @pytest.mark.parametrize("level", [0.0, 1.0])
    def test_implausible_teacher(self, domain, phantoms, level):
        predictions = [np.full(sample.inputs.shape, level, np.float32) for sample in phantoms]
        with pytest.raises(KdkitError, match=f"calls {level:.1%} of the frames left ventricle"):
            domain.check_teacher(phantoms, predictions)


class TestPictures:
    def cases(self, samples, names=("teacher", "student", "control")):
        ranks = ("best", "median", "worst")
        return [
            Case(rank, 0.9, sample, {name: ellipse(len(sample.inputs)) for name in names})
            for rank, sample in zip(ranks, samples, strict=False)
        ]

    def test_sheet(self, domain, phantoms):
        page = domain.sheet(phantoms)
        assert page.dtype == np.uint8
        assert page.ndim == 3
        assert page.shape[2] == 3
        assert page.std() > 10
        with pytest.raises(KdkitError):
            domain.sheet([])

    def test_sheet_of_clips_without_truth(self, domain):
        assert domain.sheet([domain.read(REAL_CINE)]).shape[2] == 3

    def test_figures_of_phantoms(self, domain, phantoms):
        figures = list(domain.figures(self.cases(phantoms)))
        kinds = [figure.media_type for figure in figures]
        one = ["image/png", "image/svg+xml", "image/svg+xml"]
        assert kinds == one * 2 + ["image/webp"] + one
        for figure in figures:
            assert "phantom-0000" in figure.title
            assert figure.caption.endswith(".")
            if figure.media_type != "image/svg+xml":
                with Image.open(io.BytesIO(figure.data)) as image:
                    image.load()
        moving = next(figure for figure in figures if figure.media_type == "image/webp")
        assert len(moving.data) < 400_000
        with Image.open(io.BytesIO(moving.data)) as image:
            assert image.n_frames > 8

    def test_curves_are_labelled(self, domain, phantoms):
        curves, beats = [f for f in domain.figures(self.cases(phantoms[1:2])) if f.media_type == "image/svg+xml"]
        assert {"truth", "teacher", "student", "control", "time (s)", "LV area (cm²)"} <= words_of(curves)
        assert {"truth", "teacher", "student", "time (s)", "ED", "ES"} <= words_of(beats)
        assert "control" not in words_of(beats)

    def test_the_same_case_gives_the_same_bytes(self, domain, phantoms):
        first, second = (list(domain.figures(self.cases(phantoms)[:2])) for _ in range(2))
        assert first == second

    @pytest.mark.parametrize("names", [(), ("teacher",), ("student", "other")])
    def test_figures_of_clips_without_truth_and_of_any_models(self, domain, names):
        sample = Sample(domain.read(REAL_CINE).inputs, info={"name": "clip"})
        figures = list(domain.figures(self.cases([sample, sample], names)))
        assert len(figures) == 4 + ("student" in names)
        texts = " ".join(figure.caption for figure in figures)
        assert "true" not in texts

    def test_figures_where_only_two_frames_are_traced(self, domain):
        mask = (ellipse(30) >= 0.5).astype(np.uint8)
        truth = {"mask": mask[[0, 13]], "mask_frames": np.array([0, 13]), "ed": np.array([0]), "es": np.array([13])}
        sample = Sample(domain.read(REAL_CINE).inputs, truth=truth, info={"name": "clip", "fps": 30.0})
        assert len(list(domain.figures(self.cases([sample, sample])))) == 7

    def test_frames_that_several_people_annotated(self, domain):
        masks = (ellipse(30) >= 0.5).astype(np.uint8)[[0, 0, 13]]
        masks[1] = np.roll(masks[1], 2)
        truth = {"mask": masks, "mask_frames": np.array([0, 0, 13]), "ed": np.array([0]), "es": np.array([13])}
        sample = Sample(domain.read(REAL_CINE).inputs, truth=truth, info={"name": "clip", "fps": 30.0})
        shown = [f for f in domain.figures(self.cases([sample])) if "annotators of frame 0" in f.title]
        dice = 2 * (masks[0] & masks[1]).sum() / (masks[0].sum() + masks[1].sum())
        assert len(shown) == 1 and f"mean DICE of two of them is {dice:.3f}" in shown[0].caption
        with Image.open(io.BytesIO(shown[0].data)) as image:
            assert image.width > 3 * image.height

    def test_all_ejection_fractions_together(self, domain, phantoms):
        first, second = [sample for sample in phantoms if len(sample.truth["ed"]) and len(sample.truth["es"])][:2]
        cases = self.cases([first, second, first])
        walls, ejection = np.split(np.array(list(domain.overview(iter(cases))), object), [2])
        assert [figure.title.rpartition(", ")[2] for figure in walls] == ["teacher", "student"]
        assert [figure.title.rpartition(", ")[2] for figure in ejection] == ["teacher"] * 2 + ["student"] * 2
        assert all("one of 3 clips" in figure.caption for figure in ejection[::2])
        assert {"true ejection fraction (%)", "predicted (%)"} <= words_of(ejection[0])
        assert {"predicted − true (points)"} <= words_of(ejection[1])
        assert all("Border errors" in figure.title for figure in domain.overview(iter(cases[:2])))


def test_a_sweep_goes_over_the_sixteen_published_students():
    from kdkit.plugins.registry import discover
    from kdkit.sweep.plan import plan

    sweep = plan(discover({}), "echocardio", [])
    sixteen = [f"blocks={blocks} layers={layers}" for blocks in range(1, 5) for layers in range(1, 5)]
    assert [point.label for point in sweep.points] == sixteen
    sizes = sorted(sum(p.numel() for p in point.experiment.student.build().parameters()) for point in sweep.points)
    students = [point for point in Echocardio.published if point.name.startswith("EchoDFKD")]
    assert [point.weights for point in students] == sizes
    assert all(point.metric in sweep.points[0].experiment.metrics for point in students)


def test_a_frame_rate_is_written_with_three_decimals(tmp_path):
    domain = Echocardio(Echocardio.Options(masks="none", overlay="none"))
    inputs = np.zeros((12, 112, 112), np.uint8)
    for fps, written in ((1e9 / 33333000, 30.0), (30000 / 1001, 29.97), (None, None)):
        sample = Sample(inputs, info={"fps": fps})
        row = domain.write(tmp_path / "clip", sample, np.zeros(inputs.shape, np.float32), tmp_path / "out")
        assert row["fps"] == written
