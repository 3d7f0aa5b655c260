"""Data sets of nnU-Net, and label maps under the names of pictures."""

import json

import nibabel
import numpy as np
import pytest
import SimpleITK
from kdkit_echocardio.recordings import inspect, open_study
from kdkit_echocardio.recordings.cases import parse_case
from kdkit_echocardio.recordings.formats import read_values
from kdkit_echocardio.recordings.nnunet_labels import read_dataset
from kdkit_echocardio.recordings.picture import label_values
from pictures import labels, speckled, write_nifti
from PIL import Image
from test_clips import write_gif

from kdkit import DataError

V1 = {"modality": {"0": "US"}, "labels": {"0": "background", "1": "myocardium", "2": "LV"}, "numTraining": 2}
V2 = {"channel_names": {"0": "US"}, "labels": {"background": 0, "LV_endo": 2, "LV_epi": 1}, "numTraining": 2}


def write(path, pixels):
    """A picture of the format that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith((".nii.gz", ".nii")):
        write_nifti(path, pixels)
    elif path.suffix in (".png", ".tif", ".bmp"):
        Image.fromarray(pixels).save(path)
    else:
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(pixels[None]), str(path))
    return path


def dataset(
    path, cases=("patient0001_4CH_ED", "patient0001_4CH_ES"), part="Tr", ending=".nii.gz", about=None, values=(1, 2)
):
    """A data set in which the cavity of each next case is smaller."""
    for number, case in enumerate(cases):
        write(path / f"images{part}" / f"{case}_0000{ending}", speckled(number))
        write(path / f"labels{part}" / f"{case}{ending}", labels(12 - number, values))
    if about is not None:
        (path / "dataset.json").write_text(json.dumps(about))
    return path


def kinds(study, dropped=None):
    return [(d.kind, d.name) for d in study.defects if dropped in (None, d.dropped)]


def names(study):
    return [recording.name for recording in study.recordings]


def submission(path, ending=".nii.gz"):
    """Predictions under the names of CAMUS's pictures."""
    for number in (1, 2):
        for event in ("ED", "ES"):
            write(path / f"patient{number:04d}_4CH_{event}{ending}", labels())
    return path


class TestDataset:
    @pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".mha", ".mhd", ".nrrd", ".png", ".tif", ".bmp"])
    @pytest.mark.parametrize(("about", "values"), [(None, (1, 2)), (V1, (2, 1)), (V2, (2, 1))])
    def test_pictures_and_labels(self, tmp_path, ending, about, values):
        study = inspect(open_study(dataset(tmp_path, ending=ending, about=about, values=values)))
        (recording,) = study.recordings
        assert (study.layout, kinds(study, dropped=True)) == ("nnunet", [])
        assert (recording.name, recording.patient, recording.view, recording.split) == (
            "patient0001_4CH",
            "patient0001",
            "A4C",
            "train",
        )
        assert (recording.labels.ed, recording.labels.es) == (0, 1)
        assert np.array_equal(recording.load().frames, [speckled(0), speckled(1)])
        found = [contour.mask for contour in recording.labels.contours]
        assert np.array_equal(found, [labels(12) == 1, labels(11) == 1])

    def test_parts_views_and_patients(self, tmp_path):
        dataset(tmp_path, ["patient0001_4CH_ED", "patient0001_4CH_ES", "patient0001_2CH_ED", "patient0001_2CH_ES"])
        dataset(tmp_path, ["patient0002_4CH_ED", "patient0002_4CH_ES"], part="Ts", about=V1 | {"numTraining": 5})
        for file in (tmp_path / "labelsTs").iterdir():
            file.unlink()
        study = open_study(tmp_path)
        assert [(r.name, r.patient, r.view, r.split, bool(r.labels.contours)) for r in study.recordings] == [
            ("patient0001_2CH", "patient0001", "A2C", "train", True),
            ("patient0001_4CH", "patient0001", "A4C", "train", True),
            ("patient0002_4CH", "patient0002", "A4C", "test", False),
        ]
        assert kinds(study) == [("no-tracings", "patient0002_4CH"), ("case-count-disagrees", "dataset.json")]

    def test_cases_that_are_not_pairs(self, tmp_path):
        dataset(tmp_path, ["case_0000", "case_0001", "p7_ED"], about=V2 | {"numTraining": 3})
        write(tmp_path / "labelsTr" / "p8_ED.nii.gz", labels())
        study = inspect(open_study(tmp_path))
        assert names(study) == ["case_0000", "case_0001", "p7"]
        assert kinds(study) == [
            ("missing-file", "p8_ED"),
            ("one-phase", "p7"),
            ("cases-without-phase", "nnunet"),
        ]
        recording = study.recordings[0]
        # One picture twice, as no clip is shorter; its labels count once.
        assert (len(recording.load().frames), len(list(recording.labels.contours))) == (2, 1)

    def test_colours_of_png(self, tmp_path):
        dataset(tmp_path, ending=".png")
        colours = [0, 0, 0, 255, 0, 0, 0, 255, 0]
        for number, event in enumerate(("ED", "ES")):
            image = Image.fromarray(labels(12 - number), mode="P")
            image.putpalette(colours)
            image.save(tmp_path / "labelsTr" / f"patient0001_4CH_{event}.png")
            Image.fromarray(speckled(number)).convert("RGB").save(
                tmp_path / "imagesTr" / f"patient0001_4CH_{event}_0000.png"
            )
        (recording,) = inspect(open_study(tmp_path)).recordings
        assert np.array_equal(recording.load().frames, [speckled(0), speckled(1)])
        assert np.array_equal([c.mask for c in recording.labels.contours], [labels(12) == 1, labels(11) == 1])

    def test_names_that_are_alike(self, tmp_path):
        study = inspect(open_study(dataset(tmp_path, ["p", "p_ED", "p_ES", "p-ED", "ED_p_4CH"])))
        assert sorted(names(study)) == ["p", "p-Tr", "p_4CH", "p_ED"]
        assert len({recording.name for recording in study.recordings}) == len(study.recordings)

    def test_the_decathlons_names_have_no_channel(self, tmp_path):
        for case in ("case_0001", "case_0002"):
            write(tmp_path / "imagesTr" / f"{case}.nii.gz", speckled())
            write(tmp_path / "labelsTr" / f"{case}.nii.gz", labels())
        assert names(open_study(tmp_path)) == ["case_0001", "case_0002"]

    def test_half_sequence(self, tmp_path):
        case = "patient0003_4CH_half_sequence"
        write(tmp_path / "imagesTr" / f"{case}_0000.nii.gz", np.stack([speckled(n) for n in range(5)]))
        write(tmp_path / "labelsTr" / f"{case}.nii.gz", np.stack([labels(8 + n) for n in range(5)]))
        (recording,) = inspect(open_study(tmp_path)).recordings
        assert (recording.labels.ed, recording.labels.es) == (4, 0)
        assert [contour.frame for contour in recording.labels.contours] == list(range(5))

    def test_two_files_of_a_case_and_two_channels(self, tmp_path):
        dataset(tmp_path, about=V1 | {"file_ending": ".nii.gz"}, values=(2, 1))
        write(tmp_path / "imagesTr" / "patient0001_4CH_ED_0000.nii", labels())
        write(tmp_path / "imagesTr" / "patient0001_4CH_ES_0001.nii.gz", speckled(9))
        study = inspect(open_study(tmp_path))
        assert kinds(study) == [("two-candidates", "patient0001_4CH_ED"), ("several-channels", "patient0001_4CH_ES")]
        assert study.defects[0].detail == (
            "read: imagesTr/patient0001_4CH_ED_0000.nii.gz, labelsTr/patient0001_4CH_ED.nii.gz; "
            "not read: imagesTr/patient0001_4CH_ED_0000.nii"
        )
        assert np.array_equal(study.recordings[0].load().frames, [speckled(0), speckled(1)])

    def test_a_label_map_among_the_pictures(self, tmp_path):
        dataset(tmp_path, ["a_4CH_ED", "a_4CH_ES", "b_4CH_ED", "b_4CH_ES"])
        write(tmp_path / "imagesTr" / "b_4CH_ES_0000.nii.gz", labels())
        study = inspect(open_study(tmp_path))
        assert (names(study), kinds(study, dropped=True)) == (["a_4CH"], [("label-map", "b_4CH")])
        assert "b_4CH_ES_0000.nii.gz is a label map" in study.defects[-1].detail

    def test_labels_that_dataset_json_does_not_know(self, tmp_path):
        study = inspect(open_study(dataset(tmp_path, about=V2, values=(255, 128))))
        assert kinds(study, dropped=True) == [("undecodable", "patient0001_4CH")]
        assert study.defects[-1].detail == (
            "labelsTr/patient0001_4CH_ED.nii.gz has the labels 0, 128 and 255; dataset.json knows 0, 1 and 2"
        )

    def test_a_patient_in_both_parts(self, tmp_path):
        dataset(dataset(tmp_path), part="Ts")
        study = open_study(tmp_path)
        assert names(study) == ["patient0001_4CH", "patient0001_4CH-Ts"]
        assert ("patient-in-several-splits", "patient0001") in kinds(study)

    def test_what_is_no_whole_data_set(self, tmp_path):
        dataset(tmp_path / "one")
        with pytest.raises(DataError, match="holds label maps only"):
            open_study(tmp_path / "one" / "labelsTr")
        with pytest.raises(DataError, match="is one folder of a data set of nnU-Net"):
            open_study(tmp_path / "one" / "imagesTr")
        dataset(tmp_path / "two")
        with pytest.raises(DataError, match="several data sets of nnU-Net: one, two"):
            open_study(tmp_path)
        (tmp_path / "one" / "imagesTr").rename(tmp_path / "one" / "pictures")
        with pytest.raises(DataError, match="data set of nnU-Net without pictures"):
            open_study(tmp_path / "one", "nnunet")


class TestNames:
    @pytest.mark.parametrize(
        ("case", "expected"),
        [
            ("patient0001_4CH_ED", ("patient0001", "A4C", "ED")),
            ("4CH_ES_patient0001", ("patient0001", "A4C", "ES")),
            ("patient-12-a2c-systole", ("patient_12", "A2C", "ES")),
            ("CAMUS_0001", ("CAMUS_0001", None, None)),
        ],
    )
    def test_the_order_of_the_parts_does_not_matter(self, case, expected):
        found = parse_case(case)
        assert (found.patient, found.view, found.event) == expected

    @pytest.mark.parametrize(
        ("named", "cavity"),
        [
            ({"0": "background", "1": "LV", "2": "MYO", "3": "LA"}, (1,)),
            ({"background": 0, "myocardium": 1, "left ventricle": 3, "left atrium": 2}, (3,)),
            ({"background": 0, "lvEpi": 1, "lvEndo": 2}, (2,)),
            ({"background": 0, "whole heart": [1, 2, 3], "LV": [1, 2], "ignore": 4}, (1, 2)),
            ({"background": 0, "left ventricular cavity": 1, "interventricular septum": 2, "RV": 3}, (1,)),
            ({"0": "0", "1": "1", "2": "2"}, (1,)),
            ({"background": 0, "LVM": 1, "LVC": 2, "LA": 3}, (2,)),
            ({"background": 0, "foreground": 5}, (5,)),
        ],
    )
    def test_the_cavity_is_known_by_its_name(self, tmp_path, named, cavity):
        (tmp_path / "dataset.json").write_text(json.dumps({"labels": named}))
        assert tuple(read_dataset(tmp_path).scheme.cavity) == cavity

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ('{"labels": {"background": 0, "liver": 1}}', "no label that is the left ventricle's cavity: background"),
            ('{"labels": {"background": 0, "LV": 1, "endo": 2}}', "several labels that may be"),
            ('{"labels": {"background": 0, "LV": "one"}}', "is no dataset.json of nnU-Net"),
            ('{"numTraining": 4}', "is no dataset.json of nnU-Net"),
            ('{"labels": {"LV": 1e400}}', "is no dataset.json of nnU-Net"),
            ("[" * 100_000, "is no dataset.json of nnU-Net"),
            ("[1, 2]", "is no dataset.json of nnU-Net"),
            ("{", "is no dataset.json of nnU-Net"),
        ],
    )
    def test_a_dataset_json_that_does_not_say_it(self, tmp_path, text, told):
        dataset(tmp_path)
        (tmp_path / "dataset.json").write_text(text)
        with pytest.raises(DataError, match=told):
            open_study(tmp_path)


class TestContent:
    def test_what_is_a_label_map(self):
        assert label_values(labels()[None]) == [0, 1, 2]
        assert label_values(labels(3, (255, 128)).astype(np.float64)[None]) == [0, 128, 255]
        fine = speckled(blur=0)
        for picture in (speckled(), fine // 32 * 32, fine > 60, np.zeros((9, 9)), labels() / 3):
            assert label_values(np.asarray(picture)[None]) is None

    def test_labels_that_are_mirrored_by_their_header_are_doubtful(self, tmp_path):
        dataset(tmp_path)
        assert "mirrored-labels" not in {kind for kind, _ in kinds(inspect(open_study(tmp_path)))}
        for path in tmp_path.rglob("labels*/*.nii.gz"):
            image = nibabel.load(path)
            mirrored = image.affine @ np.diag([-1, 1, 1, 1])
            nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), mirrored), path)
        study = inspect(open_study(tmp_path))
        doubtful = [defect for defect in study.defects if defect.kind == "mirrored-labels"]
        assert doubtful and not any(defect.dropped for defect in doubtful)

    @pytest.mark.parametrize("ending", [".nii.gz", ".mhd", ".mha"])
    def test_predictions_alone_are_refused(self, tmp_path, ending):
        with pytest.raises(DataError, match="holds label maps only") as caught:
            open_study(submission(tmp_path, ending))
        assert "\n" not in caught.value.message

    def test_predictions_of_cases_with_any_name(self, tmp_path):
        for number in range(2):
            write(tmp_path / f"case_{number:04d}.nii.gz", labels())
        with pytest.raises(DataError, match="holds label maps only"):
            open_study(tmp_path)

    def test_predictions_beside_a_data_set(self, tmp_path):
        dataset(tmp_path / "Dataset027_CAMUS")
        submission(tmp_path / "Dataset027_CAMUS" / "predictions")
        study = open_study(tmp_path)
        assert (study.layout, names(study)) == ("nnunet", ["patient0001_4CH"])

    def test_camus_beside_its_conversion(self, tmp_path):
        dataset(dataset(tmp_path / "nnUNet_raw"), ["patient0002_2CH_ED", "patient0002_2CH_ES"])
        original = tmp_path / "training" / "patient0001"
        for number, event in enumerate(("ED", "ES")):
            write(original / f"patient0001_4CH_{event}.nii.gz", speckled(number + 5))
            write(original / f"patient0001_4CH_{event}_gt.nii.gz", labels(9 - number))
        study = inspect(open_study(tmp_path))
        assert (study.layout, kinds(study, dropped=False)) == ("camus", [("two-candidates", "patient0001_4CH")])
        assert kinds(study, dropped=True) == [("other-layout", "patient0002_2CH")]
        read, _, left = study.defects[0].detail.partition("; not read: ")
        assert (read.count("training/"), left.count("nnUNet_raw/images"), left.count("nnUNet_raw/labels")) == (
            4,
            2,
            2,
        )
        assert np.array_equal(study.recordings[0].load().frames[0], speckled(5))

    def test_a_label_map_loses_to_the_picture_of_the_same_name(self, tmp_path):
        for folder, make in (("a_masks", labels), ("images", speckled)):
            for event in ("ED", "ES"):
                write(tmp_path / folder / f"patient0001_4CH_{event}.nii.gz", make())
        study = inspect(open_study(tmp_path))
        assert kinds(study, dropped=True) == []
        assert np.array_equal(study.recordings[0].load().frames[0], speckled())
        assert study.defects[0].kind == "two-candidates"

    @pytest.mark.parametrize("endings", [(".nii", ".nii.gz"), (".mha", ".mhd"), (".mhd", ".nii.gz")])
    def test_two_formats_of_one_picture(self, tmp_path, endings):
        folder = tmp_path / "patient0001"
        for ending in endings:
            for event in ("ED", "ES"):
                write(folder / f"patient0001_4CH_{event}{ending}", speckled())
                write(folder / f"patient0001_4CH_{event}_gt{ending}", labels())
        # The one that cannot be read does not count.
        (folder / f"patient0001_4CH_ES{endings[0]}").write_bytes(b"")
        study = inspect(open_study(tmp_path))
        assert (names(study), kinds(study)) == (["patient0001_4CH"], [("two-candidates", "patient0001_4CH")])
        read, _, left = study.defects[0].detail.partition("; not read: ")
        assert f"_ES{endings[1]}" in read and f"_ES{endings[0]}" in left
        assert (read.count("patient0001_4CH"), left.count("patient0001_4CH")) == (4, 4)

    def test_the_command_line_says_what_they_are(self, tmp_path, cli):
        for folder in (submission(tmp_path / "a", ".mhd"), dataset(tmp_path / "b") / "labelsTr"):
            finished = cli("check", "echocardio", "--data", folder)
            assert finished.code == 1
            assert "holds label maps only" in finished.err and "Traceback" not in finished.err

    def test_labels_as_an_animation(self, tmp_path):
        write_gif(tmp_path / "masks.gif", np.stack([labels(12 - number) * 120 for number in range(4)]))
        write_gif(tmp_path / "clip.gif", np.stack([speckled(number) for number in range(4)]))
        study = inspect(open_study(tmp_path))
        assert (names(study), kinds(study)) == (["clip"], [("label-map", "masks")])

    def test_pixels_of_nrrd_lie_in_the_file_itself(self, tmp_path):
        write(tmp_path / "a.nrrd", speckled())
        (tmp_path / "b.nrrd").write_bytes(
            (tmp_path / "a.nrrd").read_bytes().replace(b"kinds:", b"data file: ../x\nkinds:")
        )
        assert np.array_equal(read_values(tmp_path / "a.nrrd").frames[0], speckled())
        with pytest.raises(DataError, match="names another file"):
            read_values(tmp_path / "b.nrrd")

    def test_labels_and_pictures_with_each_others_names(self, tmp_path):
        folder = tmp_path / "patient0001"
        for event in ("ED", "ES"):
            write(folder / f"patient0001_4CH_{event}.nii.gz", speckled())
            write(folder / f"patient0001_4CH_{event}_gt.nii.gz", speckled(3))
        study = inspect(open_study(tmp_path))
        assert kinds(study) == [("undecodable", "patient0001_4CH")]
        assert "is no label map" in study.defects[0].detail
