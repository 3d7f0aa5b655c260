"""Sources of samples that compute on a GPU."""

from kdkit.launch import Place
from kdkit.recipe.schema import Hardware
from kdkit.stages.generate import _take_device


def test_each_process_gives_a_source_its_own_gpu(monkeypatch):
    import torch

    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    for hardware in (Hardware(), Hardware(devices=[2, 3]), Hardware(accelerator="cpu")):
        _take_device(hardware, Place(rank=5, size=6, local_rank=1, local_size=2))
    _take_device(Hardware(), Place())
    assert chosen == [1, 3]
