"""The memory that a network needs, against what can be counted by hand."""

import torch

from kdkit.engine.memory import peak_memory

FLOATS = torch.zeros(1000)


def test_two_tensors_are_alive_while_one_is_made_from_the_other():
    assert peak_memory(lambda: (FLOATS * 2 + 1) * 3) == 2 * 4000


def test_what_was_freed_counts_no_more():
    def one_after_the_other():
        first = FLOATS * 2
        del first
        return FLOATS * 3

    assert peak_memory(one_after_the_other) == 4000


def test_what_was_there_before_views_and_operations_in_place_take_none():
    def views():
        return FLOATS.view(10, 100).t()[:5]

    def in_place():
        tensor = FLOATS.clone()
        return [tensor.add_(1) for _ in range(5)]

    assert peak_memory(views) == 0
    assert peak_memory(in_place) == 4000


def test_a_network_holds_its_input_and_its_answer():
    network = torch.nn.Conv2d(1, 8, 3, padding=1)
    with torch.inference_mode():
        assert peak_memory(lambda: network(torch.zeros(1, 1, 16, 16))) == 16 * 16 * 4 * (1 + 8)
