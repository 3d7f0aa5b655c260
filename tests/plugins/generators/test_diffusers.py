"""Diffusion pipelines from a folder: what they make, and what is refused unloaded."""

import json
import pickle
import sys

import numpy as np
import pytest
import torch
from kdkit_generators.diffusers import Diffusers

from kdkit import DataError, KdkitError, WeightsError


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    pytest.importorskip("diffusers")
    from kdkit_generators.pipelines import save_example

    return save_example(tmp_path_factory.mktemp("pipeline") / "tiny")


def generator(path, **options):
    return Diffusers(Diffusers.Options(path=path, steps=2, **options))


def test_an_image_is_that_of_the_pipeline_under_its_own_seed(pipeline):
    from diffusers import DDPMPipeline

    source = generator(pipeline)
    (sample,) = source.generate([3])
    assert sample.inputs.shape == (8, 8, 3)
    assert sample.inputs.dtype == np.uint8
    seed = int(source.rng(3).integers(2**63))
    again = DDPMPipeline.from_pretrained(pipeline)(
        generator=torch.Generator().manual_seed(seed), num_inference_steps=2, output_type="np"
    ).images[0]
    assert np.abs(sample.inputs - again * 255).max() <= 0.51


class Conditional:
    """Stands for a class-conditional pipeline."""

    def __call__(self, class_labels, generator=None, num_inference_steps=50, output_type="pil"):
        self.asked = class_labels
        image = torch.rand(1, 4, 4, 1, generator=generator).numpy() * 0 + class_labels[0] / 10

        class Output:
            images = image

        return Output


def test_each_sample_draws_one_of_the_classes(pipeline):
    source = generator(pipeline, classes=[2, 5])
    source._pipeline = Conditional()
    samples = list(source.generate(range(12)))
    assert {sample.info["class"] for sample in samples} == {2, 5}
    for sample in samples:
        assert sample.inputs.shape == (4, 4)
        assert set(np.unique(sample.inputs)) == {round(sample.info["class"] * 25.5)}


def test_classes_that_do_not_fit_the_pipeline_are_told(pipeline):
    with pytest.raises(DataError, match="takes no class labels"):
        list(generator(pipeline, classes=[1]).generate([0]))
    source = generator(pipeline)
    source._pipeline = Conditional()
    with pytest.raises(DataError, match="an image of a class"):
        list(source.generate([0]))


def test_it_can_be_sent_after_use(pipeline):
    source = generator(pipeline)
    (sample,) = source.generate([0])
    assert source._pipeline is not None
    (again,) = pickle.loads(pickle.dumps(source)).generate([0])
    assert np.array_equal(sample.inputs, again.inputs)


@pytest.fixture
def pipeline_copy(pipeline, tmp_path):
    import shutil

    return shutil.copytree(pipeline, tmp_path / "copy")


def error_message(path):
    with pytest.raises(WeightsError) as caught:
        list(generator(path).generate([0]))
    return str(caught.value)


def test_a_folder_that_would_execute_code_is_refused(pipeline_copy, tmp_path):
    index = json.loads((pipeline_copy / "model_index.json").read_text())
    (pipeline_copy / "own.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    assert "would execute code" in error_message(pipeline_copy)
    (pipeline_copy / "own.py").unlink()
    for change in ({"_class_name": ["own", "Pipeline"]}, {"unet": ["own", "Network"]}):
        (pipeline_copy / "model_index.json").write_text(json.dumps(index | change))
        assert "would execute code" in error_message(pipeline_copy)
    assert not (tmp_path / "executed").exists()


def test_pickled_or_damaged_weights_are_refused(pipeline_copy, tmp_path):
    class Attack:
        def __reduce__(self):
            return open, (str(tmp_path / "executed"), "w")

    (weights,) = pipeline_copy.rglob("*.safetensors")
    weights.write_bytes(b"not weights" * 9)
    assert "cannot be loaded" in error_message(pipeline_copy)
    torch.save(Attack(), weights.with_suffix(".bin"))
    weights.unlink()
    assert "cannot be loaded" in error_message(pipeline_copy)
    assert not (tmp_path / "executed").exists()


def test_a_folder_without_a_pipeline_is_told(tmp_path):
    assert "holds no pipeline" in error_message(tmp_path)


def test_without_the_library_the_line_that_installs_it_is_told(pipeline, monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(KdkitError, match=r"(?s)needs diffusers.*pip install 'kdkit-generators\[diffusers\]'"):
        list(generator(pipeline).generate([0]))
