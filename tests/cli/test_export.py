"""``kdkit export``: files that agree with the student, or one message and nothing left behind."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import kdkit
from kdkit.runs.folder import RunFolder
from kdkit.stages.pipeline import run_stages


@pytest.fixture
def pixelwise(trained):
    """The class of the trained student."""
    from kdkit_toy.models import Pixelwise

    return Pixelwise


@pytest.fixture
def whole(toy, toy_run, tmp_path):
    """The folder of a finished run."""
    run = toy_run(tmp_path / "whole", "samples.train=24", "samples.validation=2", "samples.evaluation=5")
    run_stages(run)
    return run.folder.path


def nothing_left(folder):
    return [path.name for path in Path(folder).iterdir() if "export" in path.name or "out" in path.name]


def test_onnx_agrees_with_the_student_and_describes_itself(trained, pixelwise, cli, tmp_path):
    result = cli("export", trained, "--format", "onnx", "--out", tmp_path / "out", "--json")
    assert result.code == 0, result.err
    told = json.loads(result.out)
    assert told["files"] == ["model.onnx"] and told["agreement"]["model.onnx"]["largest_difference"] <= 1e-4
    session = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx")
    student, inputs = kdkit.load_student(trained), np.random.default_rng(3).integers(0, 256, (5, 4, 16, 16), np.uint8)
    logits, prediction = session.run(["logits", "prediction"], {"inputs": inputs})
    np.testing.assert_allclose(prediction, student.predict(inputs), atol=0.51 / 255)
    np.testing.assert_allclose(prediction, 1 / (1 + np.exp(-logits)), atol=1e-6)
    facts = session.get_modelmeta().custom_metadata_map
    assert facts["kdkit.student"] == "pixelwise" and facts["kdkit.dtype"] == "uint8"
    assert facts["kdkit.inputs"] == pixelwise.inputs and "probability" in facts["kdkit.unit"]
    assert json.loads(facts["kdkit.provenance"])["fingerprint"] == student.card["provenance"]["fingerprint"]


@pytest.mark.parametrize(
    ("form", "files"), [("torch-export", ["model.pt2"]), ("safetensors", ["card.json", "weights.safetensors"])]
)
def test_the_other_forms_agree_too(trained, cli, tmp_path, form, files):
    (tmp_path / "out").mkdir()
    result = cli("export", trained / "student", "--format", form, "--out", tmp_path / "out", "--json")
    assert result.code == 0, result.err
    told = json.loads(result.out)
    assert told["files"] == files
    assert all(agreement["largest_difference"] <= 1e-4 for agreement in told["agreement"].values())


@pytest.mark.parametrize("form", ["onnx", "torch-export", "monai-bundle"])
def test_an_export_for_use_without_kdkit_is_no_student_and_says_what_is(trained, cli, tmp_path, form):
    assert cli("export", trained, "--format", form, "--out", tmp_path / "export").code == 0
    np.save(tmp_path / "a.npy", np.zeros((4, 16, 16), np.uint8))
    refused = cli("predict", tmp_path / "export", tmp_path / "a.npy", "--out", tmp_path / "out")
    assert refused.code == 2 and f"but an export ({form})" in refused.err and "--format safetensors" in refused.err


def test_an_export_of_the_weights_is_a_student(trained, cli, tmp_path):
    assert cli("export", trained, "--format", "safetensors", "--out", tmp_path / "export").code == 0
    np.save(tmp_path / "a.npy", np.zeros((4, 16, 16), np.uint8))
    assert cli("predict", tmp_path / "export", tmp_path / "a.npy", "--out", tmp_path / "out").code == 0


def test_a_folder_that_is_not_empty_is_left_alone(trained, cli, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    result = cli("export", trained, "--format", "onnx", "--out", tmp_path / "out")
    assert result.code == 2 and "not an empty folder" in result.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_an_unknown_form_names_the_nearest(trained, cli, tmp_path):
    result = cli("export", trained, "--format", "onxn", "--out", tmp_path / "out")
    assert result.code == 2 and "did you mean onnx?" in result.err and not nothing_left(tmp_path)


def test_what_the_author_rules_out_is_refused_with_the_reason(trained, pixelwise, cli, tmp_path, monkeypatch):
    monkeypatch.setattr(pixelwise, "export_obstacle", lambda self, form: f"{form} has no such operator")
    result = cli("export", trained, "--format", "onnx", "--out", tmp_path / "out")
    assert result.code == 2 and "cannot be exported as onnx: onnx has no such operator" in result.err
    assert not nothing_left(tmp_path)


def test_another_version_of_the_plugin_is_refused(trained, pixelwise, cli, tmp_path, monkeypatch):
    monkeypatch.setattr(pixelwise, "version", "7")
    result = cli("export", trained, "--format", "onnx", "--out", tmp_path / "out")
    assert result.code == 2 and "trained with version 1 of pixelwise, and version 7 is installed" in result.err
    assert not nothing_left(tmp_path)


def test_a_network_that_changes_with_the_batch_size_is_found_out(trained, pixelwise, cli, tmp_path, monkeypatch):
    build = pixelwise.build

    def batch_dependent(self):
        import torch

        class Dependent(type(build(self))):
            def forward(self, inputs):
                logits = super().forward(inputs)
                # The sign is decided while the graph is traced.
                return logits if torch.onnx.is_in_onnx_export() else logits + 0.1 * len(inputs)

        return Dependent()

    monkeypatch.setattr(pixelwise, "build", batch_dependent)
    result = cli("export", trained, "--format", "onnx", "--out", tmp_path / "out")
    assert result.code == 1 and "differs from the student by" in result.err, result.err
    assert not nothing_left(tmp_path)


def test_a_network_that_is_no_graph_is_refused(trained, pixelwise, cli, tmp_path, monkeypatch):
    build = pixelwise.build

    def undecided(self):
        class Undecided(type(build(self))):
            def forward(self, inputs):
                return super().forward(inputs) * (2 if inputs.sum().item() % 7 > 3 else 1)

        return Undecided()

    monkeypatch.setattr(pixelwise, "build", undecided)
    result = cli("export", trained, "--format", "onnx", "--out", tmp_path / "out")
    assert result.code == 1 and "cannot be written as an ONNX graph" in result.err, result.err
    assert "Traceback" not in result.err and not nothing_left(tmp_path)


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_without_the_extra_the_command_says_what_to_install(trained, cli, tmp_path, monkeypatch, package):
    monkeypatch.setattr("kdkit.export.job.find_spec", lambda name: None if name == package else object())
    result = cli("export", trained, "--format", "onnx", "--out", tmp_path / "out")
    assert result.code == 2 and f"needs {package}," in result.err and "kdkit[export]" in result.err
    assert not nothing_left(tmp_path)


def test_8_bits_are_measured_by_every_metric(whole, cli, tmp_path):
    result = cli("export", whole, "--format", "onnx", "--int8", "--out", tmp_path / "out", "--json")
    assert result.code == 0, result.err
    told = json.loads(result.out)
    assert told["files"] == ["int8.json", "model.onnx"] and list(told["loss"]) == ["overlap"]
    loss = told["loss"]["overlap"]
    scores = json.loads((whole / "scores.json").read_text())
    # Predictions in the store come from the same network.
    assert loss["student"]["value"] == pytest.approx(scores["student"]["overlap"]["value"], abs=1e-6)
    difference = loss["difference"]
    assert difference["value"] == pytest.approx(loss["int8"]["value"] - loss["student"]["value"], abs=1e-6)
    assert difference["verdict"] and json.loads((tmp_path / "out" / "int8.json").read_text()) == told["loss"]
    assert told["agreement"]["model.onnx"]["largest_difference"] > 1e-4
    text = cli("export", whole, "--format", "onnx", "--int8", "--out", tmp_path / "again").out
    assert "overlap: " in text and difference["verdict"] in text


@pytest.mark.parametrize("form", ["torch-export", "safetensors"])
def test_a_form_without_8_bits_refuses_them(trained, cli, tmp_path, form):
    result = cli("export", trained, "--format", form, "--int8", "--out", tmp_path / "out")
    assert result.code == 2 and f"{form} cannot express a student in 8 bits" in result.err
    assert not nothing_left(tmp_path)


def test_8_bits_need_the_samples_of_the_run(trained, cli, tmp_path):
    shutil.copytree(trained / "student", tmp_path / "alone" / "student")
    alone = cli("export", tmp_path / "alone" / "student", "--format", "onnx", "--int8", "--out", tmp_path / "out")
    assert alone.code == 2 and "is not a run's folder" in alone.err
    RunFolder(trained).update_manifest(store=str(tmp_path / "gone"))
    gone = cli("export", trained, "--format", "onnx", "--int8", "--out", tmp_path / "out")
    assert gone.code == 2 and "samples or targets are gone" in gone.err
    assert not nothing_left(tmp_path)
