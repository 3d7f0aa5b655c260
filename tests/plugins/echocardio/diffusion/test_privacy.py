"""The privacy filter on vectors made by hand, where the right decision is known, and inside the generator."""

import os

import numpy as np
import pytest
import torch
from kdkit_echocardio.diffused import EchoDiffusion
from kdkit_echocardio.diffusion.privacy import Privacy, References, read_vectors, reference_frames
from kdkit_echocardio.recorded import EchoNetSynthetic
from pydantic import ValidationError
from safetensors.numpy import save_file

from kdkit import DataError, WeightsError

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

# Three people: correlations 0.5 (first and second), 0 (first and third), -0.5 (second and third) by construction.
BASIS = np.linalg.qr(np.array([[1, 1, 1, 1], [1, -1, 0, 0], [1, 1, -2, 0], [1, 1, 1, -3]], float).T)[0].T[1:]
FIRST, THIRD = BASIS[0], BASIS[1]
SECOND = 0.5 * FIRST - 0.5 * THIRD + np.sqrt(0.5) * BASIS[2]
PEOPLE = np.stack([FIRST, SECOND, THIRD])


def test_the_hand_made_vectors_correlate_as_they_are_meant_to():
    assert np.corrcoef(PEOPLE) == pytest.approx(np.array([[1, 0.5, 0], [0.5, 1, -0.5], [0, -0.5, 1]]))


@pytest.mark.parametrize(("percentile", "threshold"), [(100, 0.5), (50, 0.5), (25, 0.25), (1e-9, 0.0)])
def test_the_threshold_is_a_percentile_of_each_reference_s_nearest_other(percentile, threshold):
    # The nearest others: 0.5, 0.5 and 0.
    assert References.of(PEOPLE, [0, 1, 2], percentile).threshold == pytest.approx(threshold, abs=1e-6)


def test_correlation_and_decision_against_numpy():
    references = References.of(PEOPLE, [0, 1, 2], 95)
    vectors = np.stack([3 * FIRST + 7, BASIS[2] - 1, 0.45 * FIRST + np.sqrt(1 - 0.45**2) * BASIS[2] * -1])
    expected = np.corrcoef(np.concatenate([PEOPLE, vectors]))[:3, 3:].max(axis=0)
    assert references.likeness(vectors) == pytest.approx(expected, abs=1e-6)
    # A copy, whatever its scale; 0.707 like the second; 0.45 like the first, which is less than the threshold.
    assert references.too_near(vectors).tolist() == [True, True, False]


def test_a_copy_is_refused_even_where_references_are_copies_of_each_other():
    references = References.of(np.stack([FIRST, FIRST, SECOND, SECOND]), [0, 1, 2, 3], 95)
    assert references.threshold == pytest.approx(1)
    assert references.too_near(np.stack([FIRST, SECOND, THIRD])).tolist() == [True, True, False]


def test_one_person_s_pictures_are_not_compared_for_the_threshold():
    pictures = np.stack([FIRST, FIRST + 0.01 * THIRD, SECOND, SECOND - 0.01 * THIRD])
    assert References.of(pictures, ["a", "a", "b", "b"], 100).threshold < 0.52
    with pytest.raises(DataError, match="two people"):
        References.of(pictures, ["a"] * 4, 95)


def test_vectors_from_which_nothing_can_be_told_are_refused():
    references = References.of(PEOPLE, [0, 1, 2], 95)
    for vectors, told in (
        (np.ones((1, 4)), "same number"),
        (np.full((1, 4), np.nan), "not finite"),
        (np.eye(5)[:1], "gives 5 numbers, and the references have 4"),
    ):
        with pytest.raises(DataError, match=told):
            references.too_near(vectors)


def test_vectors_are_read_and_no_pickle_is(tmp_path):
    np.save(tmp_path / "a.npy", PEOPLE)
    save_file({"embeddings": PEOPLE}, tmp_path / "a.safetensors")
    for name in ("a.npy", "a.safetensors"):
        assert np.array_equal(read_vectors(tmp_path / name), PEOPLE)
    np.save(tmp_path / "pickled.npy", np.array([{}], object))
    np.save(tmp_path / "flat.npy", PEOPLE[0])
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:20])
    save_file({"a": PEOPLE, "b": PEOPLE}, tmp_path / "two.safetensors")
    for name in ("pickled.npy", "flat.npy", "cut.safetensors", "two.safetensors"):
        with pytest.raises(DataError, match=name):
            read_vectors(tmp_path / name)


def test_the_references_of_a_folder_are_frames_of_its_recordings(tmp_path):
    folder = EchoNetSynthetic.example_options(tmp_path)["path"]
    (folder / "Videos" / "sample_000002.mp4").write_bytes(b"damaged")
    found = dict(reference_frames(folder))
    assert sorted(found) == ["sample_000000", "sample_000001", "sample_000003"]
    assert all((frames.shape, frames.dtype) == ((4, 112, 112), np.uint8) for frames in found.values())


@pytest.fixture(scope="module")
def network():
    from torchvision.models import resnet50

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = resnet50(weights=None, num_classes=8)
        network.conv1 = torch.nn.Conv2d(4, 64, 7, stride=2, padding=3, bias=False)
    return network.eval()


@pytest.fixture(scope="module")
def weights(network, tmp_path_factory):
    """As published: under "model.", with the layer that compares two pictures beside it."""
    path = tmp_path_factory.mktemp("weights") / "reidentification.pth"
    state = {f"model.{key}": value for key, value in network.state_dict().items()}
    torch.save(state | {"fc_end.weight": torch.zeros(1, 8), "fc_end.bias": torch.zeros(1)}, path)
    return path


@pytest.mark.slow
@torch.inference_mode()
def test_the_published_network_is_read_with_any_prefix(network, weights, tmp_path):
    pytest.importorskip("diffusers")
    from kdkit_echocardio.diffusion.embedding import reidentification
    from safetensors.torch import save_file

    state = network.state_dict()
    save_file(state, tmp_path / "bare.safetensors")
    torch.save({"state_dict": {f"module.backbone.{k}": v for k, v in state.items()}}, tmp_path / "nested.pt")
    latents = torch.randn(2, 4, 14, 14)
    for path in (weights, tmp_path / "bare.safetensors", tmp_path / "nested.pt"):
        torch.testing.assert_close(reidentification(path, 4)(latents), network(latents))


def test_other_files_are_no_such_network(network, weights, tmp_path):
    pytest.importorskip("diffusers")
    from kdkit_echocardio.diffusion.embedding import reidentification

    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    state = network.state_dict()
    broken = {
        "attack.pth": Attack(),
        "list.pth": [1, 2],
        "linear.pth": torch.nn.Linear(2, 2).state_dict(),
        "part.pth": {key: value for key, value in state.items() if "layer3" not in key},
    }
    for name, content in broken.items():
        torch.save(content, tmp_path / name)
    (tmp_path / "cut.pth").write_bytes(weights.read_bytes()[:1000])
    for name in (*broken, "cut.pth"):
        with pytest.raises(WeightsError, match=name):
            reidentification(tmp_path / name, 4)
    assert not (tmp_path / "executed").exists()
    with pytest.raises(WeightsError, match="takes 4 channels, and the latents have 3"):
        reidentification(weights, 3)


def generator(small, privacy, **options):
    given = {"path": small, "frames": 2, "steps": 1, "batch_size": 3, "device": "cpu"} | options
    return EchoDiffusion(EchoDiffusion.Options(**given, privacy=privacy))


class Hand:
    """Stands for the embedding: a picture's vector is its own latent, whatever made it."""

    def __call__(self, latents):
        return latents.flatten(1).numpy()


def filtered(small, references, **options):
    """A generator whose references are these vectors, and whose threshold is next to 1: only copies are refused."""
    source = generator(small, {"reference": small, "embedding": small / "vae" / "config.json"} | options)
    source._embedding = Hand()
    directions = References.of(np.stack(references), range(len(references)), 95).directions
    source._references = References(directions, 0.9999)
    return source


def draws(source, index, count):
    """The latent images of the first attempts at a sample, sampled one by one."""
    from kdkit_echocardio.diffusion.sampling import sample_images

    draw, found = source._draw(index), []
    with torch.inference_mode():
        for _ in range(count):
            found.append(sample_images(source._load_model(), "dpm-solver++", 1, [draw.chance])[0])
            draw._renew()
    return [latent.flatten().numpy() for latent in found]


def test_what_is_refused_is_drawn_again_and_nothing_else_changes(small):
    plain = list(generator(small, None).generate(range(3)))
    scout = generator(small, None)
    first, second, third = draws(scout, 1, 3)
    source = filtered(small, [first, second, draws(scout, 7, 1)[0]])
    kept = list(source.generate(range(3)))
    # The first two attempts at sample 1 are known pictures; samples 0 and 2 are not concerned.
    assert [sample.info["rejected"] for sample in kept] == [0, 2, 0]
    for place in (0, 2):
        assert np.abs(kept[place].inputs.astype(int) - plain[place].inputs).max() <= 1
    assert not np.array_equal(kept[1].inputs, plain[1].inputs)
    assert [s.truth["ejection_fraction"] for s in kept] == [s.truth["ejection_fraction"] for s in plain]
    (alone,) = source.generate([1])
    assert alone.info["rejected"] == 2
    assert np.abs(alone.inputs.astype(int) - kept[1].inputs).max() <= 1
    assert not source._references.too_near(np.stack([third]))[0]


def test_attempts_come_to_an_end(small):
    scout = generator(small, None)
    references = [*draws(scout, 0, 3), draws(scout, 7, 1)[0]]
    (sample,) = filtered(small, references, attempts=4).generate([0])
    assert sample.info["rejected"] == 3
    with pytest.raises(DataError, match=r"(?s)sample 0 was too near to a reference 3 times.*privacy.attempts"):
        list(filtered(small, references, attempts=3).generate([0]))


def test_a_whole_filter_from_recordings_and_published_weights(published, weights, tmp_path):
    folder = EchoNetSynthetic.example_options(tmp_path)["path"]
    privacy = {"reference": folder, "embedding": weights, "percentile": 100, "attempts": 50}
    source = generator(published, privacy, frames=1)
    (sample,) = source.generate([0])
    assert sample.info["rejected"] >= 0
    assert source._references.directions.shape == (16, 8)
    before = source.fingerprint()
    (folder / "Videos" / "sample_000000.mp4").unlink()
    assert source.fingerprint() != before
    assert source.fingerprint() != generator(published, privacy | {"percentile": 90}, frames=1).fingerprint()


def test_a_teacher_as_the_embedding_is_asked_about_grey_frames(small, tmp_path):
    pytest.importorskip("kdkit_teachers")

    class Means(torch.nn.Module):
        def forward(self, images):
            return images.mean(3)[:, 0]

    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(Means(), (torch.rand(2, 1, 16, 16),), dynamic_shapes=({0: batch},))
    torch.export.save(program, tmp_path / "means.pt2")
    np.save(tmp_path / "people.npy", np.random.default_rng(0).normal(size=(5, 16)))
    privacy = {
        "reference": tmp_path / "people.npy",
        "embedding": {"name": "exported", "file": str(tmp_path / "means.pt2"), "layout": "gray"},
        "percentile": 100,
    }
    source = generator(small, privacy)
    list(source.generate([0]))
    (sample,) = generator(small, None).generate([0])
    from kdkit_echocardio.diffusion.sampling import decode_latents, sample_images

    with torch.inference_mode():
        latents = sample_images(source._load_model(), "dpm-solver++", 1, [source._draw(0).chance])
        expected = decode_latents(source._load_model(), latents).float().mean(2).numpy() / 255
        assert source._embedding(latents) == pytest.approx(expected, abs=1e-5)
    assert sample.inputs.shape == (2, 16, 16)


def test_options_of_the_filter_are_checked(small, tmp_path):
    with pytest.raises(ValidationError, match="does not exist"):
        Privacy(reference=tmp_path / "none", embedding=small / "vae" / "config.json")
    source = generator(
        small, {"reference": small / "vae" / "config.json", "embedding": small / "vae" / "config.json"}
    )
    source._embedding = Hand()
    with pytest.raises(WeightsError, match="neither a folder"):
        list(source.generate([0]))
