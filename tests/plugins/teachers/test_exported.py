"""Exported programs: what is read, and what is refused unread."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest
import torch
from kdkit_teachers.exported import Exported

from kdkit import DataError, WeightsError

INPUTS = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8))


class Segmenter(torch.nn.Module):
    """With dropout, a buffer and a constant, as models have them."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 2, 3, padding=1)
        self.drop = torch.nn.Dropout(0.5)
        self.register_buffer("scale", torch.tensor([1.0, 2.0]).view(2, 1, 1))

    def forward(self, images):
        return {"aux": images, "out": self.drop(self.layer(images)) * self.scale + torch.tensor([3.0])}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Segmenter().eval()


@pytest.fixture(scope="module")
def program(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "model.pt2"
    dims = {0: torch.export.Dim("b"), 2: torch.export.Dim("h", min=4), 3: torch.export.Dim("w", min=4)}
    torch.export.save(torch.export.export(network, (torch.rand(2, 3, 16, 16),), dynamic_shapes=(dims,)), path)
    return path


def teacher(path, **options):
    return Exported(Exported.Options(file=path, **options))


def expected(network):
    with torch.no_grad():
        return network(INPUTS.movedim(-1, 1).float() / 255)["out"].movedim(1, -1)


def test_a_program_answers_as_the_network_it_was_made_from(network, program):
    built = teacher(program).build().eval().requires_grad_(False)
    torch.testing.assert_close(built(INPUTS), expected(network))
    assert sum(p.numel() for p in built.parameters()) == sum(p.numel() for p in network.parameters())


def test_a_program_for_one_image_at_a_time_is_given_one(network, tmp_path):
    path = tmp_path / "one.pt2"
    torch.export.save(torch.export.export(network, (torch.rand(1, 3, 8, 8),)), path)
    built = teacher(path).build().eval().requires_grad_(False)
    torch.testing.assert_close(built(INPUTS), expected(network))
    with pytest.raises(DataError, match="cannot take inputs"):
        built(INPUTS[:, :4])


@pytest.mark.filterwarnings("ignore:.*is deprecated")
def test_torchscript_answers_as_the_network_it_was_made_from(network, tmp_path):
    layer = network.layer
    torch.jit.trace(layer, torch.rand(1, 3, 8, 8)).save(tmp_path / "model.ts")
    built = teacher(tmp_path / "model.ts").build()
    torch.testing.assert_close(built(INPUTS), layer(INPUTS.movedim(-1, 1).float() / 255).movedim(1, -1))


@pytest.mark.parametrize("content", ["module", "legacy", "state", "text", "program of old"])
def test_a_pickle_is_refused_unread(content, network, tmp_path):
    path = tmp_path / "model.pt"
    if content == "text":
        path.write_bytes(b"not a model")
    elif content == "legacy":
        path.write_bytes(pickle.dumps(Bomb(tmp_path / "burst")))
    elif content == "program of old":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("serialized_exported_program.json", "{}")
    else:
        torch.save(Bomb(tmp_path / "burst") if content == "module" else network.state_dict(), path)
    with pytest.raises(WeightsError, match=r"neither a .* program nor TorchScript"):
        teacher(path).build()
    assert not (tmp_path / "burst").exists()


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def altered(program, path, change):
    """The archive with some of its members changed."""
    with zipfile.ZipFile(program) as old, zipfile.ZipFile(path, "w") as new:
        root = old.namelist()[0].partition("/")[0]
        members = {name.partition("/")[2]: old.read(name) for name in old.namelist()}
        change(members)
        for name, content in members.items():
            new.writestr(f"{root}/{name}", content)
    return path


def in_graph(change):
    def apply(members, folder):
        graph = json.loads(members["models/model.json"])
        change(graph)
        members["models/model.json"] = json.dumps(graph).encode()

    return apply


def first_node(graph):
    return graph["graph_module"]["graph"]["nodes"][0]


def pickled_weight(members, folder):
    config = json.loads(members["data/weights/model_weights_config.json"])
    config["config"]["layer.weight"]["use_pickle"] = True
    members["data/weights/model_weights_config.json"] = json.dumps(config).encode()
    members[f"data/weights/{config['config']['layer.weight']['path_name']}"] = saved(Bomb(folder / "burst"))


def opaque_constant(members, folder):
    config = json.loads(members["data/constants/model_constants_config.json"])
    next(iter(config["config"].values()))["path_name"] = "opaque_obj_0"
    members["data/constants/model_constants_config.json"] = json.dumps(config).encode()
    members["data/constants/opaque_obj_0"] = pickle.dumps(Bomb(folder / "burst"))


def sample_inputs(members, folder):
    members["data/sample_inputs/model.pt"] = saved(Bomb(folder / "burst"))


def compiled(members, folder):
    members["data/aotinductor/model/model.so"] = b"\x7fELF"


def legacy_weights(members, folder):
    members["data/weights/model.pt"] = saved(Bomb(folder / "burst"))


def saved(value):
    content = io.BytesIO()
    torch.save(value, content)
    return content.getvalue()


BURST = "__import__('pathlib').Path('burst').touch()"
ATTACKS = {
    "a pickled weight": pickled_weight,
    "an object among the constants": opaque_constant,
    "sample inputs": sample_inputs,
    "compiled code": compiled,
    "weights of the old kind": legacy_weights,
    "a function of torch": in_graph(lambda g: first_node(g).update(target="torch.hub.load")),
    "an operator that reads files": in_graph(
        lambda g: first_node(g).update(target="torch.ops.aten.from_file.default")
    ),
    "a dunder attribute": in_graph(lambda g: first_node(g).update(target="torch.ops.aten.__class__.mro")),
    "code as a guard": in_graph(lambda g: g.update(guards_code=[BURST])),
    "code as a name": in_graph(
        lambda g: g["graph_module"]["graph"]["inputs"][-1]["as_tensor"].update(name="x=" + BURST)
    ),
    "code as a size": in_graph(
        lambda g: g["graph_module"]["graph"]["tensor_values"]["images"]["sizes"][0]["as_expr"].update(expr_str=BURST)
    ),
    "a text that is parsed as code": in_graph(
        lambda g: g["graph_module"]["graph"]["tensor_values"]["images"]["sizes"][0]["as_expr"].update(
            expr_str="Mul('open(1)', Integer(2))"
        )
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_could_execute_code_is_refused_unread(attack, program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = altered(program, tmp_path / "model.pt2", lambda members: ATTACKS[attack](members, tmp_path))
    with pytest.raises(WeightsError, match="was not loaded"):
        teacher(path).build()
    assert not (tmp_path / "burst").exists()


def test_an_archive_that_was_only_packed_again_is_taken(network, program, tmp_path):
    # The attacks above are refused for what they change, not for having been packed by another program.
    built = teacher(altered(program, tmp_path / "model.pt2", lambda members: None)).build()
    torch.testing.assert_close(built(INPUTS), expected(network))


def test_half_an_archive_is_refused(program, tmp_path):
    (tmp_path / "half.pt2").write_bytes(program.read_bytes()[:4000])
    with pytest.raises(WeightsError):
        teacher(tmp_path / "half.pt2").build()
