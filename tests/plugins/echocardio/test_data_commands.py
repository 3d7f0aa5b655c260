"""A user's folder from the command line: examined, scored and distilled on, and never written to."""

import json
import shutil

import nibabel
import numpy as np
import pytest
import torch
from kdkit_echocardio.domain import STILL_FRAMES, Echocardio
from kdkit_echocardio.recipes import Adapted, Paper, Real
from kdkit_echocardio.student import ConvLSTM
from layouts import EchoNet, beat, is_cavity, tracing, write_avi
from safetensors.torch import save_file

from kdkit import Sample
from kdkit.plugins.registry import discover
from kdkit.recipe.load import default_tree
from kdkit.recipe.schema import Training
from kdkit.testing import DomainContract
from kdkit.testing.miniature import load_example


def camus(path, patients=3):
    """ED and ES stills of some patients with masks, spacing and image quality."""
    for number in range(1, patients + 1):
        name = f"patient{number:04d}"
        folder = path / name
        folder.mkdir(parents=True)
        clip = beat(height=160, width=128)
        for event, frame in (("ED", clip[0]), ("ES", clip[6])):
            for suffix, values in (("", frame), ("_gt", is_cavity(frame).astype(np.uint8))):
                picture = nibabel.Nifti1Image(values.T.copy(), np.diag([0.3, 0.3, 1, 1]))
                nibabel.save(picture, folder / f"{name}_4CH_{event}{suffix}.nii.gz")
        quality = "Good" if number > 1 else "Poor"
        (folder / "Info_4CH.cfg").write_text(f"ED: 1\nES: 12\nNbFrame: 12\nImageQuality: {quality}\n")
    return path


def echonet(path):
    """Four recordings that can be used, in two splits; one without a video, one cut off, one without tracings."""
    folder = EchoNet(path).add("0XA").add("0XB", split="TRAIN").add("0XC", frames=20).add("0XD", tint=(1, 0.6, 0.6))
    folder.add("0XE", video=False).add("0XF").add("0XG", tracings=[])
    video = path / "Videos" / "0XF.avi"
    video.write_bytes(video.read_bytes()[:300])
    return folder.write()


def clips(path):
    for name in ("one", "two"):
        write_avi(path / f"{name}.avi", beat(height=90, width=120), fps=30)
    (path / "three.avi").write_bytes(b"no video")
    return path


def listing(folder):
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def tables(found):
    return {table["title"]: {row[0]: row[1:] for row in table["rows"]} for table in found["tables"]}


def test_annotators_of_the_same_frame_are_compared(tmp_path, cli):
    both = np.vstack([tracing(width=30.0), tracing(width=20.0)])
    folder = EchoNet(tmp_path / "data").add("0XA", tracings=[(0, both), (6, tracing(width=20.0))]).add("0XB").write()
    found = json.loads(cli("check", "echocardio", "--data", folder, "--json").out)
    agreement = tables(found)["Frames that several annotators outlined: 1"]
    # Two ellipses of one length share the area of the narrower one: 2 * 20 / (30 + 20).
    assert agreement["DICE of two of them, mean"] == pytest.approx([0.8] * 3, abs=0.02)
    assert 0.5 < agreement["lowest sensitivity (STAPLE)"][0] <= 1


@pytest.mark.parametrize(
    ("make", "used", "dropped", "splits", "frames"),
    [
        (echonet, 4, 3, {"test": [3, 3, 3, 3], "train": [1, 1, 1, 1], "all": [4, 4, 4, 4]}, [12, 12, 20, 0]),
        (camus, 3, 0, {"–": [3, 3, 3, 0]}, [2, 2, 2, 0]),
        (clips, 2, 1, {"–": [2, 2, 0, 0]}, [12, 12, 12, 0]),
    ],
)
def test_each_layout_is_counted_and_left_alone(cli, tmp_path, make, used, dropped, splits, frames):
    data = make(tmp_path / "data")
    before = listing(data)
    finished = cli("check", "echocardio", "--data", data, "--json", "--out", tmp_path / "out")
    found = json.loads(finished.out)
    assert finished.code == (1 if dropped else 0)
    assert (tmp_path / "out" / "picture-1.png").read_bytes().startswith(b"\x89PNG")
    assert (found["used"], found["dropped"]) == (used, dropped)
    assert tables(found)["What a run would use"] == splits
    assert tables(found)["What they are like"]["frames"] == frames
    assert listing(data) == before


def test_what_is_unknown_or_no_data_is_one_message(cli, tmp_path):
    data = camus(tmp_path / "data", 1)
    assert "no layout of data" in cli("check", "echocardio", "--data", data, "--layout", "cmaus").err
    (tmp_path / "empty").mkdir()
    for command in (["check", "echocardio"], ["check", "echocardio", "--teacher"]):
        finished = cli(*command, "--data", tmp_path / "empty")
        assert finished.code == 1 and "no layout that is known" in finished.err
        assert "Traceback" not in finished.err


def test_a_run_leaves_out_what_the_check_has_said(cli, tmp_path):
    data = echonet(tmp_path / "data")
    said = cli("check", "echocardio", "--data", data).out
    settings = [
        "generator={name: recordings, path: " + str(data) + "}",
        "evaluation.generator=null",
        "controls=[]",
        "samples={train: 1, validation: 1, evaluation: 1}",
    ]
    finished = cli("generate", "echocardio", *(part for setting in settings for part in ("--set", setting)))
    assert finished.code == 0, finished.err
    (told,) = (line for line in said.splitlines() if "left out:" in line)
    assert told.partition(". ")[2].strip() in finished.err
    assert told.startswith("  A run uses 4. 3 left out:")


@pytest.fixture
def student(tmp_path):
    """The folder of a small student with random weights."""
    folder = tmp_path / "student"
    folder.mkdir()
    options = ConvLSTM.Options(blocks=1, width=2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = ConvLSTM(options).build().state_dict()
        save_file({name: value.contiguous() for name, value in state.items()}, folder / "weights.safetensors")
    origin = {"distribution": "kdkit-echocardio", "version": "1", "digest": ""}
    card = {
        "format": 2,
        "domain": "echocardio",
        "component": "convlstm",
        "options": options.model_dump(mode="json"),
        "inputs": "(batch, time, 112, 112) uint8",
        "activation": "sigmoid",
        "weights": 1,
        "components": {"student": origin, "domain": origin},
        "provenance": {},
    }
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def test_stills_are_scored_by_phase_and_quality_beside_the_teacher(cli, tmp_path, student):
    data = camus(tmp_path / "data")
    before = listing(data)
    finished = cli("evaluate", student, "--data", data, "--teacher", "--out", tmp_path / "out", "--json")
    assert finished.code == 0, finished.err
    scores = json.loads(finished.out)["scores"]
    assert list(scores) == ["teacher", "student"]
    assert list(scores["teacher"]) == ["all", "ED", "ES", "quality good", "quality poor"]
    counts = {group: by_name["dice"]["n"] for group, by_name in scores["student"].items()}
    assert counts == {"all": 3, "ED": 3, "ES": 3, "quality good": 2, "quality poor": 1}
    assert scores["teacher"]["all"]["hd95-mm"]["n"] == 3
    both = [scores["teacher"][phase]["area-error"]["value"] for phase in ("ED", "ES")]
    assert scores["teacher"]["all"]["area-error"]["value"] == pytest.approx(np.mean(both))
    page = (tmp_path / "out" / "report.html").read_text()
    assert "area over time" not in page and "patient0001" in page and str(data) not in page
    assert (tmp_path / "out" / "worst.png").stat().st_size > 1000
    assert listing(data) == before


def test_a_conversion_for_nnunet_has_the_scores_of_the_original(cli, tmp_path, student):
    original = camus(tmp_path / "original")
    for number, label in enumerate(sorted(original.rglob("*_gt.nii.gz"))):
        case, picture = label.name.removesuffix("_gt.nii.gz"), label.with_name(label.name.replace("_gt", ""))
        for folder, name in (("named", case), ("numbered", f"case_{number:04d}")):
            for kind, file, ending in (("imagesTr", picture, "_0000.nii.gz"), ("labelsTr", label, ".nii.gz")):
                target = tmp_path / folder / kind / (name + ending)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)
    scores = {}
    for folder in ("original", "named"):
        finished = cli("evaluate", student, "--data", tmp_path / folder, "--json")
        assert finished.code == 0, finished.err
        scores[folder] = json.loads(finished.out)["scores"]["student"]
    for group in ("all", "ED", "ES"):
        for metric in ("dice", "hd95-mm", "area-error"):
            assert scores["named"][group][metric] == scores["original"][group][metric]
    # Scores are those of ED and ES; which phase a number shows nobody knows. Labels alone have no picture.
    for folder, told in ((tmp_path / "numbered", "nothing could be measured"), (target.parent, "label maps only")):
        finished = cli("evaluate", student, "--data", folder)
        assert finished.code == 1 and told in finished.err and "Traceback" not in finished.err


def test_people_stand_beside_the_student(cli, tmp_path, student):
    """Ellipses of one length: areas go with widths, and two share the narrower one's, 2 * 20 / (30 + 20)."""
    folder = EchoNet(tmp_path / "data")
    for name, wide, narrow, ef in (("0XA", [30], 20, 50), ("0XB", [40], 20, 60), ("0XC", [30, 20], 20, 30)):
        drawn = np.vstack([tracing(width=float(width)) for width in wide])
        folder.add(name, tracings=[(0, drawn), (6, tracing(width=float(narrow)))], ef=str(ef))
    metrics = [
        part for name in ("dice", "ef-area-mae", "ef-area-r", "area-bias", "afd") for part in ("--metric", name)
    ]
    command = ("evaluate", student, "--data", folder.write(), *metrics)
    finished = cli(*command, "--json", "--out", tmp_path / "out")
    assert finished.code == 0, finished.err
    scores = json.loads(finished.out)["scores"]
    assert list(scores) == ["student", "humans"]
    humans = scores["humans"]["all"]
    assert (humans["dice"]["n"], humans["dice"]["value"]) == (1, pytest.approx(0.8, abs=0.02))
    assert [scores["humans"][phase]["dice"]["n"] for phase in ("ED", "ES")] == [1, 0]
    assert [humans[name]["n"] for name in ("area-bias", "afd")] == [0, 0]
    # From areas 100 / 3, 50 and, of the mean width of 25, 20 %; noted are 50, 60 and 30.
    traced, noted = np.array([100 / 3, 50, 20]), np.array([50, 60, 30])
    assert humans["ef-area-mae"]["n"] == 3
    # EchoNet's masks are about a pixel wider than the ellipses, so the fractions are a little smaller.
    assert humans["ef-area-mae"]["value"] == pytest.approx(np.abs(traced - noted).mean(), abs=2)
    assert humans["ef-area-r"]["value"] == pytest.approx(np.corrcoef(traced, noted)[0, 1], abs=0.02)
    assert "humans" in cli(*command).out
    assert "The humans are" in (tmp_path / "out" / "report.html").read_text()
    assert (tmp_path / "out" / "cases.csv").read_text().count(",humans,all,") == 3


def test_only_the_teacher_has_to_be_there_when_a_student_of_another_recipe_is_measured(
    cli, tmp_path, student, monkeypatch
):
    data, card = camus(tmp_path / "data", 1), student / "card.json"
    card.write_text(card.read_text().replace('"echocardio"', '"echocardio-paper"'))
    for variable in ("ECHONET_WEIGHTS", "ECHONET_SYNTHETIC", "ECHONET_DYNAMIC"):
        monkeypatch.delenv(variable, raising=False)
    finished = cli("evaluate", student, "--data", data, "--teacher")
    assert finished.code == 1
    assert "teacher.weights: $ECHONET_WEIGHTS is not set" in finished.err and "SYNTHETIC" not in finished.err
    assert cli("evaluate", student, "--data", data).code == 0


def test_each_still_is_a_clip_of_its_own_and_a_clip_is_asked_about_as_it_is():
    asked = []

    def ask(inputs):
        asked.extend(inputs)
        return [np.cumsum(clip, 0) for clip in inputs]

    stills = np.stack([np.full((4, 4), 1), np.full((4, 4), 5)]).astype(np.uint8)
    prediction = Echocardio().predict(Sample(stills, info={"fps": None}), ask)
    assert [clip.shape for clip in asked] == [(STILL_FRAMES, 4, 4)] * 2
    assert prediction[:, 0, 0].tolist() == [STILL_FRAMES, 5 * STILL_FRAMES]
    asked.clear()
    for sample in (Sample(stills, info={"fps": 50.0}), Sample(np.zeros((3, 4, 4), np.uint8))):
        Echocardio().predict(sample, ask)
    assert [clip.shape for clip in asked] == [(2, 4, 4), (3, 4, 4)]


def test_a_phase_has_the_frames_of_that_phase_alone():
    truth = {"mask": np.zeros((2, 4, 4), np.uint8), "ed": np.array([1]), "es": np.array([0])}
    sample = Sample(np.zeros((2, 4, 4), np.uint8), truth | {"ejection_fraction": np.array(50.0)})
    groups = Echocardio().strata(sample)
    assert {group: set(part.truth) for group, part in groups.items()} == {"ED": {"mask", "ed"}, "ES": {"mask", "es"}}
    assert Echocardio().strata(Sample(np.zeros((2, 4, 4), np.uint8))) == {}


@pytest.mark.parametrize(
    ("name", "places"),
    [
        (
            "echocardio-paper",
            {
                "generator.path": "ECHONET_SYNTHETIC",
                "teacher.weights": "ECHONET_WEIGHTS",
                "evaluation.generator.path": "ECHONET_DYNAMIC",
            },
        ),
        ("echocardio-real", {"generator.path": "ECHOCARDIO_CLIPS", "teacher.weights": "ECHONET_WEIGHTS"}),
    ],
)
def test_every_path_that_a_recipe_still_needs_is_told_at_once(cli, monkeypatch, tmp_path, name, places):
    for variable in places.values():
        monkeypatch.delenv(variable, raising=False)
    finished = cli("run", name)
    assert finished.code == 2
    lines = [line.split() for line in finished.err.splitlines()[1:]]
    assert {line[0]: line[1] for line in lines} == {place: f"${variable}" for place, variable in places.items()}
    assert all(f"export {variable}=/path" in finished.err for variable in places.values())
    monkeypatch.setenv("ECHONET_WEIGHTS", str(tmp_path / "gone.pt"))
    assert "gone.pt does not exist" in cli("run", name).err


def test_the_papers_recipe_is_the_papers(tmp_path):
    experiment = load_example(discover({}), "echocardio-paper", tmp_path)
    training = Training.model_validate(default_tree(Paper, "echocardio-paper")["training"])
    assert (training.learning_rate, training.batch_size, training.window) == (1e-3, 32, 25)
    assert (training.epochs, training.patience, training.schedule) == (350, 10, "constant")
    assert training.weight_decay == 0  # AdamW without decay is Adam
    assert experiment.student.options.variant == "paper"
    assert experiment.evaluation_generator.options.split == "test"


@pytest.mark.slow
class TestPaper(DomainContract):
    component = Paper


@pytest.mark.slow
class TestReal(DomainContract):
    component = Real


@pytest.mark.slow
class TestAdapted(DomainContract):
    component = Adapted


def test_a_run_of_the_papers_recipe_stands_beside_the_paper(tmp_path):
    """The published rows, what this recipe changed, and how the masks were drawn."""
    from kdkit.contracts.metric import Score
    from kdkit.evaluation.outcome import Outcome
    from kdkit.pages.published import published_results
    from kdkit.recipe.experiment import Experiment

    experiment: Experiment = load_example(discover({}), "echocardio-paper", tmp_path)
    score = Score(0.9012, 0.89, 0.91, 4, "", True, 4)
    outcome = Outcome("dice", {"student": {"dice": score}}, {"student": {"weights": 39577}}, {}, [])
    results = published_results(experiment, outcome)
    own = [row for row in results.rows if row.own]
    assert [(row.name, row.metric) for row in own] == [("student, this run", "dice")] and "0.901" in own[0].score
    rows = {(row.name, row.metric): row.score for row in results.rows}
    assert rows["EchoDFKD 3 x 3", "dice"] == "0.908"
    assert rows["EchoNet-Dynamic (the teacher)", "dice-pooled"] == "0.920"
    changes = {path: (default, value) for path, default, value in results.changes}
    assert changes["student.blocks"] == ("4", "1") and changes["training.window"] == ("25", "8")
    assert not {"training.batch_size", "generator.path", "student.layers"} & set(changes)
    assert "EchoNet's own code" in experiment.evaluation_source.remark()
    assert published_results(load_example(discover({}), "echocardio", tmp_path), outcome) is None
