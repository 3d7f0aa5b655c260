"""TorchScript files: what ordinary models use is taken, and what could reach beyond tensors is refused unread."""

import io
import warnings
import zipfile

import pytest
import torch
import torchvision
from kdkit_teachers.exported import Exported
from kdkit_teachers.members import Members
from kdkit_teachers.operators import ALLOWED

from kdkit import WeightsError

pytestmark = pytest.mark.filterwarnings("ignore:.*is deprecated")


class Writer(torch.nn.Module):
    """Overwrites a file as soon as it is loaded, by torch's own operator."""

    def __init__(self, path: str):
        super().__init__()
        self.path = path

    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        return self.path, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.path = state[0]
        self.training = state[1]
        torch.ops.aten.save(torch.zeros(1), self.path)

    def forward(self, images):
        return images


class Plain(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 2, 1)

    def forward(self, images):
        return self.layer(images)


def load(path, **options):
    return Exported(Exported.Options(file=path, **options)).build()


@pytest.fixture
def writer(tmp_path):
    """A file that overwrites ``precious`` when it is loaded."""
    (tmp_path / "precious").write_text("patients")
    torch.jit.script(Writer(str(tmp_path / "precious"))).save(tmp_path / "model.pt")
    (tmp_path / "precious").write_text("patients")
    return tmp_path / "model.pt"


def test_a_program_that_writes_files_when_loaded_is_refused_before_it_does(writer):
    with pytest.raises(WeightsError, match=r"uses aten::save|uses torch\.save"):
        load(writer)
    assert (writer.parent / "precious").read_text() == "patients"


def test_the_attack_is_real_and_trust_lets_it_through(writer):
    load(writer, trust=True)
    assert (writer.parent / "precious").read_bytes() != b"patients"


def test_trust_is_no_part_of_what_a_teacher_is(writer):
    teachers = [Exported(Exported.Options(file=writer, trust=trust)) for trust in (False, True)]
    assert teachers[0].fingerprint() == teachers[1].fingerprint()


ATTACKS = {
    "an operator by its namespace": "ops.aten.save(images, 'burst')",
    "an operator of torch": "torch.save(images, 'burst')",
    "a method of a value": "(images).save('burst')",
    "spaces around the dot": "torch . save(images, 'burst')",
    "a comment after the dot": "(torch. # a\n  save)(images, 'burst')",
    "another name for torch": "t = torch\n    t.save(images, 'burst')",
    "another name for the operator": "s = torch.save\n    s(images, 'burst')",
    "a method by its name as text": 'getattr(torch, "save")(images, "burst")',
    "a name with escapes": 'getattr(torch, "sav\\145")(images, "burst")',
    "another namespace": "ops.image.write_file('burst', images)",
    "another name for the namespaces": "o = ops\n    o.image.write_file('burst', images)",
    "calls to other machines": "ops.prim.rpc_sync('a', 'b')",
    "printing": "print('\\033[2J')",
    "printing by another name": "p = print\n    p('x')",
    "a class of torch's own": "x = __torch__.torch.classes.dist_c10d.FileStore('burst', 1)",
    "a class by another name": "x = __torch__.torch\n    y = x.classes.dist_c10d.FileStore('burst', 1)",
    "reading files": "x = torch.from_file('/etc/passwd', None, 10)",
    "a carriage return": "# \r    torch.relu(images)",
    "the seed of everybody": "torch.manual_seed(1)",
}


@pytest.fixture(scope="module")
def plain():
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(Plain().eval()), file)
    return file.getvalue()


def packed(plain, path, change):
    """The archive with its members changed."""
    with zipfile.ZipFile(io.BytesIO(plain)) as old, zipfile.ZipFile(path, "w") as new:
        members = {name: old.read(name) for name in old.namelist()}
        change(members)
        for name, content in members.items():
            new.writestr(name, content)
    return path


def code_of(members):
    return next(name for name in members if name.endswith(".py") and b"class Plain" in members[name])


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("place", ["a method", "a default"])
def test_what_reaches_beyond_tensors_is_refused(attack, place, plain, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = ATTACKS[attack].encode()

    def change(members):
        name = code_of(members)
        if place == "a method":
            members[name] = members[name].replace(b"    layer = ", b"    " + code + b"\n    layer = ")
        else:
            members[name] = members[name].replace(b"images: Tensor)", b"images: Tensor, more: int=" + code + b")")
        assert code in members[name]

    with pytest.raises(WeightsError, match="was not loaded"):
        load(packed(plain, tmp_path / "model.pt", change))
    assert not (tmp_path / "burst").exists()


def test_a_program_in_a_file_of_another_case_is_seen(plain, tmp_path):
    def change(members):
        name = code_of(members)
        members[name.replace("code", "CODE")[:-3] + ".PY"] = members.pop(name) + b"\n# torch.save\n"

    with pytest.raises(WeightsError, match=r"uses torch\.save"):
        load(packed(plain, tmp_path / "model.pt", change))


def test_two_files_whose_names_differ_in_case_are_refused(plain, tmp_path):
    def change(members):
        name = code_of(members)
        members[name[:-3] + ".PY"] = members[name]

    with pytest.raises(WeightsError, match="several files of one name"):
        load(packed(plain, tmp_path / "model.pt", change))


def test_a_pickle_that_makes_an_object_of_torchs_own_classes_is_refused(plain, tmp_path):
    def change(members):
        name = next(name for name in members if name.endswith("data.pkl"))
        members[name] = b"\x80\x02c__torch__.torch\nclasses.dist_c10d.FileStore\n."

    with pytest.raises(WeightsError, match="torch's own classes"):
        load(packed(plain, tmp_path / "model.pt", change))


def test_an_archive_that_becomes_larger_than_a_file_may_is_refused(plain, tmp_path, monkeypatch):
    path = packed(plain, tmp_path / "model.pt", lambda members: None)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/data/9", bytes(20_000_000))
    monkeypatch.setenv("KDKIT_LARGEST_FILE", "10MB")
    with pytest.raises(WeightsError, match=r"becomes 20 MB in memory; one file may take 10 MB"):
        load(path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet_v3_small", "shufflenet_v2_x0_5", "lraspp_mobilenet_v3_large"])
@pytest.mark.parametrize("way", ["script", "trace"])
def test_ordinary_models_are_taken(name, way, tmp_path):
    options = {"weights_backbone": None} if "lraspp" in name else {}
    model = torchvision.models.get_model(name, weights=None, **options).eval()
    images = torch.rand(1, 3, 32, 32)
    program = torch.jit.script(model) if way == "script" else torch.jit.trace(model, images, strict=False)
    program.save(tmp_path / "model.pt")
    given = load(tmp_path / "model.pt", layout="raw", output="out" if "lraspp" in name else None)(images)
    with torch.no_grad():
        wanted = model(images)
    torch.testing.assert_close(given, wanted["out"] if "lraspp" in name else wanted)


def test_every_operator_of_a_module_with_memory_is_on_the_list(tmp_path):
    class Remembers(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = torch.nn.LSTM(4, 4, bidirectional=True, batch_first=True)
            self.attention = torch.nn.TransformerEncoderLayer(8, 2, batch_first=True)

        def forward(self, images):
            answers, _ = self.lstm(images)
            return torch.einsum("bij->bji", self.attention(answers))

    torch.jit.script(Remembers().eval()).save(tmp_path / "model.pt")
    assert load(tmp_path / "model.pt", layout="raw")(torch.rand(2, 3, 4)).shape == (2, 8, 3)


def test_no_operator_on_the_list_takes_a_file_or_a_stranger_type():
    """Of the allowed operators none has an argument that names a file, a process, a storage or a remote object."""
    for schema in torch._C._jit_get_all_schemas():
        namespace, _, name = schema.name.partition("::")
        if name in ALLOWED.get(namespace, ()):
            for argument in schema.arguments:
                assert not any(word in str(argument.type) for word in ("Storage", "RRef", "Future", "Stream"))
                assert argument.name not in ("filename", "file")


def test_members_are_handed_on_as_they_were_examined(plain, tmp_path):
    path = packed(plain, tmp_path / "model.pt", lambda members: None)
    members = Members(path)
    with zipfile.ZipFile(members.repacked()) as again:
        assert {name.partition("/")[2]: again.read(name) for name in again.namelist()} == members.content
