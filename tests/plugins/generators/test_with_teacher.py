"""Inversion and the adversary: what their samples are for, and what they keep."""

import pickle

import numpy as np
import pytest
import torch
from kdkit_generators.adversarial import Adversarial
from kdkit_generators.example import Example
from kdkit_generators.example_network import example_network
from kdkit_generators.inversion import Inversion
from kdkit_generators.networks import Dreamer
from kdkit_generators.statistics import record_mismatch
from pydantic import ValidationError

from kdkit import KdkitError, Teacher


class Linear(Teacher):
    """Three classes, each the brightness of a third of 36 pixels."""

    def build(self):
        class Network(torch.nn.Module):
            def forward(self, inputs):
                return inputs.float().flatten(1).unflatten(1, (3, 12)).mean(2) / 20

        return Network()


class Masks(Teacher):
    """Bright pixels are foreground."""

    def build(self):
        class Network(torch.nn.Module):
            def forward(self, inputs):
                return inputs.float() / 255 * 4 - 2

        return Network()


class Seasoned(Teacher):
    """Remembers images with a bright half."""

    def build(self):
        network = example_network().train()
        network[2].momentum = 1.0
        images = np.random.default_rng(1).integers(0, 60, (50, 6, 6), dtype=np.uint8)
        images[:, 3:] += 190
        network(torch.from_numpy(images))
        return network


def inversion(teacher, **options):
    generator = Inversion(Inversion.Options(shape=(6, 6), **options))
    generator.bind(teacher)
    return generator


def teacher_logits(generator, count):
    inputs = np.stack([sample.inputs for sample in generator.generate(range(count))])
    assert inputs.dtype == np.uint8
    return generator.teacher.build().eval()(torch.from_numpy(inputs))


def test_inverted_samples_are_predicted_confidently_and_variedly():
    probabilities = teacher_logits(inversion(Linear(), batch_norm=0, steps=60, block=30), 30).softmax(1)
    assert probabilities.max(1).values.mean() > 0.9
    assert set(probabilities.argmax(1).tolist()) == {0, 1, 2}
    noise = teacher_logits(inversion(Linear(), batch_norm=0, confidence=1e-9, steps=1, block=30), 30).softmax(1)
    assert noise.max(1).values.mean() < 0.8


def test_inverted_samples_have_the_statistics_that_the_teacher_remembers():
    def mismatch(weight):
        generator = inversion(Seasoned(), batch_norm=weight, steps=60, block=40)
        inputs = np.stack([sample.inputs for sample in generator.generate(range(40))])
        network = Seasoned().build().eval()
        with torch.no_grad(), record_mismatch(network) as record:
            network(torch.from_numpy(inputs))
        return float(record.total())

    assert mismatch(10.0) < 0.5 * mismatch(1e-9)


def test_inverted_masks_have_foreground_of_several_sizes():
    generator = inversion(Masks(), answers="masks", batch_norm=0, confidence=50, steps=100, block=20)
    shares = teacher_logits(generator, 20).sigmoid().flatten(1).mean(1)
    assert shares.max() - shares.min() > 0.2


def test_priors_make_images_smooth_and_dark():
    def images(**options):
        generator = inversion(Linear(), batch_norm=0, confidence=1e-9, steps=50, block=8, **options)
        return np.stack([sample.inputs for sample in generator.generate(range(8))]).astype(float)

    rough, smooth, dark = images(), images(total_variation=100), images(l2=100)
    assert np.abs(np.diff(smooth, axis=1)).mean() < 0.5 * np.abs(np.diff(rough, axis=1)).mean()
    assert dark.mean() < 0.5 * rough.mean()


def test_a_block_is_the_same_whatever_part_of_it_is_asked_for_and_wherever():
    generator = inversion(Example(), steps=2, block=3)
    together = [sample.inputs for sample in generator.generate(range(7))]
    sent = pickle.loads(pickle.dumps(generator))
    assert sent._network is None
    assert np.array_equal(next(iter(sent.generate([5]))).inputs, together[5])
    assert generator.fingerprint() == sent.fingerprint()
    assert generator.fingerprint() != inversion(Linear(), steps=2, block=3).fingerprint()


def test_a_block_does_not_depend_on_the_number_of_threads():
    threads = torch.get_num_threads()
    try:
        arrays = []
        for number in (1, 2):
            torch.set_num_threads(number)
            arrays.append(next(iter(inversion(Example(), steps=5, block=20).generate([3]))).inputs)
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(*arrays)


def test_the_teacher_draws_nothing_from_the_global_generator():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    list(inversion(Example(), steps=1, block=2).generate([0]))
    assert torch.equal(before, torch.get_rng_state())


def test_without_a_teacher_or_without_its_statistics_it_says_what_to_do():
    with pytest.raises(KdkitError, match="given no teacher"):
        list(Inversion(Inversion.Options(shape=(6, 6))).generate([0]))
    with pytest.raises(KdkitError, match=r"(?s)no batch normalisation.*batch_norm=0"):
        list(inversion(Linear()).generate([0]))


@pytest.mark.parametrize("shape", [(8, 8), (9, 17), (5, 4), (33, 20)])
def test_the_network_makes_any_size(shape):
    images = Dreamer(shape, "hw", 4, 4, 0)(3)
    assert images.shape == (3, *shape)
    assert images.min() >= 0
    assert images.max() <= 255


def test_the_adversary_is_paid_for_disagreement():
    adversary = Adversarial(Adversarial.Options(shape=(6, 6), width=8, learning_rate=0.01))
    torch.manual_seed(0)
    network, teacher = adversary.build(), Linear().build()

    def student(inputs):
        return torch.zeros(len(inputs), 3)

    def disagreement():
        with torch.no_grad():
            return (teacher(network(64)) - student(network(64))).abs().mean()

    before, optimizer = disagreement(), adversary.optimizer(network)
    for _ in range(30):
        optimizer.zero_grad()
        adversary.loss(network(32), teacher, student).backward()
        optimizer.step()
    assert disagreement() > before + 1


def test_the_pool_is_filled_then_replaced_and_learnt_from_again():
    adversary = Adversarial(Adversarial.Options(shape=(4, 4), width=4, replay=10, replay_share=0.5))
    network = adversary.build()
    first = adversary.training_batch(network, 6)
    assert int(network.pool_size) == 6
    assert torch.equal(network.pool[:6], first)
    second = adversary.training_batch(network, 6)
    earlier = {bytes(sample.numpy().tobytes()) for sample in first}
    assert {bytes(sample.numpy().tobytes()) for sample in second[3:]} <= earlier
    assert int(network.pool_size) == 9
    for _ in range(3):
        adversary.training_batch(network, 6)
    assert int(network.pool_size) == 10
    state = network.state_dict()
    network.eval()
    adversary.training_batch(network, 6)
    assert torch.equal(state["pool"], network.state_dict()["pool"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": (8, 8), "layout": "hwc"}, "3 positive numbers for the layout hwc"),
        ({"shape": (8, 0)}, "2 positive numbers"),
        ({"shape": (8, 8), "activity": 1}, "activity_layer"),
        ({"shape": (8, 8), "disagreement": 0}, "above 0"),
    ],
)
def test_options_of_the_adversary_that_mean_nothing_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        Adversarial.Options(**options)


@pytest.mark.parametrize("options", [{"shape": (8, 8, 3)}, {"shape": (8, 8), "answers": "any", "batch_norm": 0}])
def test_options_of_inversion_that_mean_nothing_are_refused(options):
    with pytest.raises(ValidationError):
        Inversion.Options(**options)


def test_a_layer_that_is_not_there_is_named():
    options = Adversarial.Options(shape=(6, 6), width=4, activity=1, activity_layer="nowhere")
    adversary = Adversarial(options)
    with pytest.raises(KdkitError, match="no module 'nowhere'"):
        adversary.loss(adversary.build()(4), Example().build().eval(), Example().build().eval())
