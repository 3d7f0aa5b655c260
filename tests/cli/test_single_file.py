"""Domains in one Python file: the same commands, the same guard, and nothing loaded that the user did not name."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from kdkit.errors import KdkitError
from kdkit.plugins.registry import discover
from kdkit.plugins.single_file import load_domain_file
from kdkit.recipe.load import load_experiment

STRIPES = Path(__file__).parent / "files" / "stripes_domain.py"
DOMAIN = """
from kdkit import Domain, Entry, hookimpl

class Empty(Domain):
    recipe = "seed: 1"

@hookimpl
def kdkit_domains():
    return [Entry(name, "Nothing", f"{__name__}:Empty") for name in NAMES]
"""


@pytest.fixture(autouse=True)
def fresh_imports(monkeypatch):
    """Files of one name in several folders: each test sees only its own."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).endswith("_domain.py"):
            del sys.modules[name]


@pytest.fixture
def file(tmp_path):
    def write(text, name="some_domain.py"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def refusal(path):
    with pytest.raises(KdkitError) as caught:
        load_domain_file(discover({}), path)
    return str(caught.value)


@pytest.fixture(scope="module")
def template(tmp_path_factory, fork_server):
    """A run of the stripes, made by a command of its own and its workers: more samples than fit into two shards."""
    folder = tmp_path_factory.mktemp("stripes")
    (folder / STRIPES.name).write_text(STRIPES.read_text())
    sizes = ("samples.train=2100", "training.epochs=1", "training.batch_size=700")
    settings = [part for size in sizes for part in ("--set", size)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KDKIT_")}
    code, printed = fork_server.run(
        *(folder / "log", "run", f"./{STRIPES.name}", "--out", "run", *settings),
        folder=folder,
        environment=environment,
    )
    assert code == 0, printed
    return folder


@pytest.fixture
def finished(template, cli, monkeypatch):
    """The folder with the file and its run, in which ``cli`` then works."""
    monkeypatch.chdir(template)
    return template


def test_runs_from_nothing_to_a_report(finished):
    assert (finished / "run" / "report.html").is_file()
    assert json.loads((finished / "run" / "manifest.json").read_text())["domain"] == "stripes"
    assert "domain: stripes" in (finished / "run" / "recipe.yaml").read_text()


def test_predict_loads_the_file_only_when_it_is_named(finished, cli):
    np.save(finished / "input.npy", np.full((16, 16), 220, np.uint8))
    predict = ("predict", "run", "input.npy", "--out", "out")
    unnamed = cli(*predict)
    assert unnamed.code == 2
    assert f"--domain-file {STRIPES.name}" in unnamed.err
    assert STRIPES.stem not in sys.modules
    named = cli(*predict, "--domain-file", STRIPES.name)
    assert named.code == 0, named.err
    assert np.load(finished / "out" / "input.npz")["prediction"].shape == (16, 16)
    assert "has changed" not in named.err


def test_the_file_as_it_was_lies_beside_the_student(finished):
    kept = finished / "run" / "student" / STRIPES.name
    assert kept.read_text() == STRIPES.read_text()
    assert json.loads((kept.parent / "card.json").read_text())["domain_file"] == STRIPES.name


def test_config_show_takes_a_file(finished, cli):
    shown = cli("config", "show", STRIPES.name, "--set", "generator.brightness=150")
    assert shown.code == 0, shown.err
    assert "brightness: 150" in shown.out


def test_faults_of_options_do_not_point_at_plugins_info():
    with pytest.raises(KdkitError, match="did you mean brightness") as caught:
        load_experiment(discover({}), str(STRIPES), settings=["generator.brightnes=1"])
    assert "plugins info" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = (\n", "SyntaxError: '(' was never closed"),
        ("import os\n\nimport theano_of_old\n", "No module named 'theano_of_old' (line 3)"),
        ("x = 1\nraise ValueError('no such thing')\n", "ValueError: no such thing (line 2)"),
        ("import sys\nsys.exit(3)\n", "sys.exit(3)"),
        ("x = 1\n", "holds no domain"),
        (f"NAMES = ['one', 'two']\n{DOMAIN}", "holds 2 domains, one, two"),
        (f"NAMES = ['echocardio']\n{DOMAIN}", "is already registered by echocardio (kdkit-echocardio)"),
    ],
)
def test_a_broken_file_gives_one_clear_message(file, text, told):
    path = file(text)
    message = refusal(path)
    assert told in message
    assert str(path) in message
    assert "pip uninstall" not in message


def test_a_syntax_error_names_its_line(file):
    assert "line 3" in refusal(file("a = 1\nb = 2\nc = = 3\n"))


def test_a_broken_recipe_names_the_domain(file):
    path = file(f"NAMES = ['empty']\n{DOMAIN}".replace("seed: 1", "seed: ["))
    with pytest.raises(KdkitError, match="the default recipe of empty"):
        load_experiment(discover({}), str(path))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("json.py", "the module name 'json' is taken by"),
        ("sys.py", "the module name 'sys' is taken by Python itself"),
        ("my-domain.py", "'my-domain' is not a name of a module"),
        ("domain.txt", "is not a Python file"),
    ],
)
def test_a_file_that_cannot_be_imported_by_its_name(file, name, told):
    assert told in refusal(file(f"NAMES = ['empty']\n{DOMAIN}", name))


def test_a_missing_file():
    assert "nowhere.py does not exist" in refusal(Path("nowhere.py"))


def test_edited_code_makes_other_artifacts_but_comments_and_the_recipe_do_not(file):
    def fingerprint(text):
        sys.modules.pop("some_domain", None)
        experiment = load_experiment(discover({}), str(file(text)))
        return experiment.generator.fingerprint()

    original = STRIPES.read_text()
    first = fingerprint(original)
    assert fingerprint(original + "# a remark\n") == first
    assert fingerprint(original.replace("epochs: 2", "epochs: 30")) == first
    assert fingerprint(original.replace("start + 4", "start + 5")) != first


def test_loading_a_file_twice_changes_nothing(file):
    path = file(f"NAMES = ['empty']\n{DOMAIN}")
    registry = discover({})
    assert load_domain_file(registry, path) == load_domain_file(registry, path) == "empty"
    origin = registry.component("domain", "empty").origin
    other = discover({})
    load_domain_file(other, path)
    assert other.component("domain", "empty").origin == origin
