"""The script that trains a teacher for whole clips: interrupted, it goes on as if it had not been."""

import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from kdkit_echocardio.teacher import EMBEDDED_FOR_CLIPS, DeepLabV3
from safetensors.torch import load_file

SCRIPT = Path(__file__).parents[3] / "plugins" / "echocardio" / "scripts" / "train_temporal.py"


@pytest.fixture
def script(monkeypatch):
    """The module, with few and short clips."""
    spec = importlib.util.spec_from_file_location("train_temporal", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in (("FRAMES", 4), ("SHARD", 2), ("PARTS", {1: 0.3, 2: 0.3}), ("CHECKPOINT_STEPS", 1)):
        monkeypatch.setattr(module, name, value)
    return module


def options_of(script, work, *arguments):
    work.mkdir(exist_ok=True)
    return script.parse(["--work", str(work), "--steps", "3", "--batch", "1", "--held-out", "3", *arguments])


def test_an_interrupted_training_ends_as_an_uninterrupted_one(script, tmp_path, monkeypatch):
    whole, lengths = script.train(options_of(script, tmp_path / "whole"))
    assert lengths == {"0": 3}

    real = script.batch_of

    def stops(options, step):
        if step == 2:
            raise KeyboardInterrupt
        return real(options, step)

    options = options_of(script, tmp_path / "parts")
    monkeypatch.setattr(script, "batch_of", stops)
    with pytest.raises(KeyboardInterrupt):
        script.train(options)
    monkeypatch.setattr(script, "batch_of", real)
    script.read_clip.number = -1
    resumed, _ = script.train(options)
    for name, weight in whole.state_dict().items():
        assert torch.allclose(resumed.state_dict()[name], weight, rtol=1e-4, atol=1e-9), name


def test_what_is_saved_loads_and_says_where_it_comes_from(script, tmp_path):
    arguments = ["--work", str(tmp_path), "--batch", "1", "--held-out", "3"]
    script.main([*arguments, "--steps", "1"])
    script.main([*arguments, "--steps", "2"])
    state = load_file(tmp_path / "deeplabv3_temporal.safetensors")
    assert {tensor.dtype for tensor in state.values()} == {torch.float16}
    teacher = DeepLabV3(DeepLabV3.Options(backbone="temporal", weights=tmp_path / "deeplabv3_temporal.safetensors"))
    assert teacher.build()(torch.zeros(1, 3, 112, 112, dtype=torch.uint8)).shape == (1, 3, 112, 112)
    card = json.loads((tmp_path / "deeplabv3_temporal.json").read_text())
    assert card["steps_planned_at_step"] == {"0": 1, "1": 2}
    assert 0 < card["held_out_phantoms"]["dice_mean"] < 1


def test_a_training_goes_on_from_weights_for_whole_clips(script, tmp_path):
    before = tmp_path / "before" / "deeplabv3_temporal.safetensors"
    arguments = ["--batch", "1", "--held-out", "3", "--work"]
    script.main([*arguments, str(before.parent), "--steps", "1", "--bfloat16"])
    script.main([*arguments, str(tmp_path / "after"), "--steps", "0", "--start", str(before)])
    after = tmp_path / "after" / before.name
    states = [load_file(path) for path in (before, after)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    card = json.loads(after.with_suffix(".json").read_text())
    assert card["started_from"] == {"file": before.name, "sha256": hashlib.sha256(before.read_bytes()).hexdigest()}
    assert card["command"].endswith("--start deeplabv3_temporal.safetensors")
    command = json.loads(before.with_suffix(".json").read_text())["command"]
    assert "--bfloat16 " in command and "--start" not in command and "--frames" not in command


OTHERS = [
    ["--seed", "1"],
    ["--bfloat16"],
    ["--start", str(EMBEDDED_FOR_CLIPS)],
    ["--frames", str(EMBEDDED_FOR_CLIPS)],
]


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("ahead", [[], ["--ahead"]])
def test_a_folder_of_another_training_is_refused(script, tmp_path, other, ahead):
    script.claim_folder(options_of(script, tmp_path))
    script.claim_folder(options_of(script, tmp_path, "--steps", "9", *ahead))
    with pytest.raises(SystemExit, match="other settings"):
        script.main(["--work", str(tmp_path), "--batch", "1", "--steps", "1", *other, *ahead])
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]


@pytest.mark.parametrize("left", ["checkpoint.pt", "clips-00000.npz"])
def test_what_lies_there_without_its_settings_is_nobodys(script, tmp_path, left):
    (tmp_path / "training.log").touch()
    script.claim_folder(options_of(script, tmp_path))
    (tmp_path / "settings.json").unlink()
    (tmp_path / left).touch()
    with pytest.raises(SystemExit, match="other settings"):
        script.claim_folder(options_of(script, tmp_path))


def test_clips_simulated_ahead_are_those_that_the_training_simulates(script, tmp_path):
    ahead = options_of(script, tmp_path / "ahead", "--ahead")
    (ahead.work / "current.txt").write_text("0")
    script.simulate_shard(ahead, 0)
    script.simulate_ahead(ahead)
    alone = script.simulate_shard(options_of(script, tmp_path / "alone"), 0)
    with np.load(alone) as expected, np.load(script.shard_path(ahead.work, 0)) as simulated:
        assert all(np.array_equal(expected[name], simulated[name]) for name in ("pictures", "cavities"))


def test_each_clip_is_seen_twice_apart(script):
    visits = [script.shard_of(visit) for visit in range(40)]
    for number in range(10):
        first, second = (place for place, shard in enumerate(visits) if shard == number and place not in (1, 3, 5, 7))
        assert second - first > script.AGAIN
