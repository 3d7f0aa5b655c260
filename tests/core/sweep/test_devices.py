"""Points of a sweep that run at once are spread over GPUs."""

import os
from types import SimpleNamespace

from kdkit.recipe.schema import Hardware
from kdkit.sweep.execution import _devices, _least_used, _see_only


def points(*hardware):
    return [SimpleNamespace(experiment=SimpleNamespace(recipe=SimpleNamespace(trainer=h))) for h in hardware]


def test_every_gpu_that_may_be_seen_is_used(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    assert _devices(points(Hardware(devices=1), Hardware())) == ["4", "7"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert _devices(points(Hardware())) == ["0", "1", "2"]


def test_a_recipe_that_says_where_it_runs_is_left_alone(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert _devices(points(Hardware(accelerator="cpu"))) == []
    assert _devices(points(Hardware(), Hardware(devices=[1]))) == []


def test_a_process_gets_the_gpu_that_fewest_use(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    running = [SimpleNamespace(device="0"), SimpleNamespace(device="1"), SimpleNamespace(device="0")]
    device = _least_used(["0", "1"], running)
    assert device == "1"
    with _see_only(device):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert _least_used([], running) is None
