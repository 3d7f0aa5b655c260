"""``kdkit export --format monai-bundle``: a folder that MONAI itself verifies and runs, without kdkit."""

import importlib
import json
import runpy
import sys

import nibabel
import numpy as np
import pytest

import kdkit

# The keys that MONAI's bundle specification asks for; its own schema is a download, which tests do not make.
TENSOR = {
    "type": "object",
    "required": ["type", "format", "num_channels", "spatial_shape", "dtype", "value_range", "channel_def"],
    "properties": {
        "num_channels": {"type": "integer", "minimum": 1},
        "spatial_shape": {"type": "array", "minItems": 2, "items": {"type": ["integer", "string"]}},
        "dtype": {"enum": ["float32"]},
        "value_range": {"type": "array"},
        "is_patch_data": {"type": "boolean"},
        "channel_def": {"type": "object", "minProperties": 1},
    },
}
TEXTS = "schema version monai_version pytorch_version numpy_version task description authors copyright".split()
SCHEMA = {
    "type": "object",
    "required": [*TEXTS, "changelog", "required_packages_version", "network_data_format"],
    "properties": {
        **{name: {"type": "string", "minLength": 1} for name in TEXTS},
        "network_data_format": {
            "type": "object",
            "properties": {
                "inputs": {"type": "object", "required": ["image"], "properties": {"image": TENSOR}},
                "outputs": {"type": "object", "required": ["pred"], "properties": {"pred": TENSOR}},
            },
            "required": ["inputs", "outputs"],
        },
    },
}


@pytest.fixture
def bundle(trained, cli, tmp_path):
    result = cli("export", trained, "--format", "monai-bundle", "--out", tmp_path / "bundle", "--json")
    assert result.code == 0, result.err
    told = json.loads(result.out)
    assert told["files"] == [
        *("configs/inference.json", "configs/metadata.json", "docs/README.md", "docs/license.txt"),
        *("models/model.pt", "models/model.ts"),
    ]
    assert told["agreement"]["models/model.ts"]["largest_difference"] <= 1e-4
    return tmp_path / "bundle"


@pytest.mark.filterwarnings("ignore")
def test_monai_verifies_it(bundle, tmp_path):
    from monai.bundle import verify_metadata, verify_net_in_out

    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    metadata, inference = (str(bundle / "configs" / name) for name in ("metadata.json", "inference.json"))
    verify_metadata(meta_file=metadata, filepath=str(tmp_path / "schema.json"))
    verify_net_in_out(
        net_id="network_def", meta_file=metadata, config_file=inference, device="cpu", bundle_root=str(bundle)
    )
    read = json.loads((bundle / "configs" / "metadata.json").read_text())
    image, prediction = (read["network_data_format"][side][name] for side, name in SIDES)
    assert image["value_range"] == [0, 255] and image["num_channels"] == prediction["num_channels"] == 1
    assert image["spatial_shape"] == prediction["spatial_shape"]


SIDES = [("inputs", "image"), ("outputs", "pred")]


@pytest.mark.filterwarnings("ignore")
def test_monai_runs_it_without_kdkit_and_predicts_what_the_student_does(bundle, trained, monkeypatch):
    inputs = np.random.default_rng(5).integers(0, 256, (2, 4, 16, 16), np.uint8)
    (bundle / "inputs").mkdir()
    for name, one in zip("ab", inputs, strict=True):
        np.save(bundle / "inputs" / f"{name}.npy", one)
    with monkeypatch.context() as without:
        for name in [name for name in sys.modules if name.partition(".")[0] == "kdkit"]:
            without.setitem(sys.modules, name, None)
        without.chdir(bundle)
        without.setattr(sys, "argv", ["monai.bundle", "run", "--config_file", "configs/inference.json"])
        with pytest.raises(ImportError):
            importlib.import_module("kdkit")
        runpy.run_module("monai.bundle", run_name="__main__")
    expected = kdkit.load_student(trained).predict(inputs)
    for name, one in zip("ab", expected, strict=True):
        volume = np.asarray(nibabel.load(bundle / "predictions" / f"{name}_trans.nii.gz").dataobj)
        np.testing.assert_allclose(volume.transpose(2, 1, 0), one, atol=0.51 / 255)


def test_the_program_clips_and_rounds_what_is_no_raw_value(bundle, trained):
    import torch

    raw = np.random.default_rng(6).integers(0, 256, (1, 1, 4, 16, 16)).astype(np.float32)
    odd = np.where(raw == 0, -40, np.where(raw == 255, 700, raw + 0.3))
    program = torch.jit.load(bundle / "models" / "model.ts")
    with torch.no_grad():
        torch.testing.assert_close(program(torch.from_numpy(odd).float()), program(torch.from_numpy(raw)))


def test_classes_along_the_last_axis_become_channels(tmp_path):
    import torch

    from kdkit.export.torch_script import ChannelsFirst

    network = torch.jit.script(torch.nn.Sequential(torch.nn.Unflatten(2, (6, 1)), torch.nn.Linear(1, 3)))
    images = torch.rand(2, 1, 5, 6)
    logits = torch.jit.script(ChannelsFirst(network, torch.float32, True))(images)
    assert logits.shape == (2, 3, 5, 6)
    torch.testing.assert_close(logits[:, 1], network(images[:, 0])[..., 1])


def test_a_prediction_that_is_no_picture_is_refused(cli, tmp_path):
    from kdkit.plugins.registry import discover
    from kdkit.recipe.load import load_experiment
    from kdkit.runs.student import write_student

    experiment = load_experiment(discover(), "digits", None, [])
    write_student(tmp_path / "student", experiment.student.build(), experiment, {"fingerprint": "none"})
    result = cli("export", tmp_path / "student", "--format", "monai-bundle", "--out", tmp_path / "out")
    assert result.code == 2 and "this one takes (8, 8) and gives (10,)" in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["student"]
