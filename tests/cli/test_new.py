"""``kdkit plugins new``: what it makes is installable, clean and kept to its contracts, untouched."""

import json
import os
import subprocess
import sys
from functools import partial
from typing import get_args

import pytest
from kdkit_cli.main import main
from kdkit_cli.new_command import LONGEST_NAME, Kind, project_files

KINDS = get_args(Kind)


@pytest.fixture
def kdkit(monkeypatch, capsys, tmp_path):
    """Runs a command in an empty folder; returns its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["kdkit", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out + printed.err

    return run


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    """A project of each kind, and an environment in which Python takes them for installed."""
    root = tmp_path_factory.mktemp("projects")
    for kind in KINDS:
        name = f"leaf-{kind}"
        for path, text in project_files(name, kind).items():
            (root / name / path).parent.mkdir(parents=True, exist_ok=True)
            (root / name / path).write_text(text)
        metadata = root / f"kdkit_leaf_{kind}-0.1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: kdkit-{name}\nVersion: 0.1.0\n")
        (metadata / "entry_points.txt").write_text(f"[kdkit]\n{name} = kdkit_leaf_{kind}.plugin\n")
    paths = [root, *(root / f"leaf-{kind}" for kind in KINDS)]
    return root, os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def in_projects(projects, fork_server, tmp_path):
    """Run a command as if every project were installed; returns its exit code and what it printed."""
    root, environment = projects
    path = [*environment["PYTHONPATH"].split(os.pathsep), *sys.path]
    return partial(fork_server.run, tmp_path / "log", folder=root, environment=environment, path=path)


def test_their_own_tests_pass_untouched(projects, in_projects):
    files = sorted(projects[0].glob("*/tests/test_*.py"))
    assert len(files) == 9
    options = ("-q", "-p", "no:cacheprovider", "--import-mode=importlib")
    code, printed = in_projects(*options, *files, module="pytest")
    assert code == 0, printed
    assert " passed" in printed


def test_they_are_active_when_they_are_installed(in_projects):
    _, listed = in_projects("plugins", "list", "--json")
    states = {plugin["name"]: plugin["state"] for plugin in json.loads(listed)}
    assert {states[f"leaf-{kind}"] for kind in KINDS} == {"active"}


def test_a_domain_learns_what_it_claims(projects, kdkit, monkeypatch, tmp_path):
    root, environment = projects
    for path in environment["PYTHONPATH"].split(os.pathsep):
        monkeypatch.syspath_prepend(path)
    monkeypatch.setenv("KDKIT_HOME", str(tmp_path / "home"))
    code, printed = kdkit("run", "leaf-domain", "--until", "evaluate", "--out", root / "run")
    assert code == 0, printed
    scores = json.loads((root / "run" / "scores.json").read_text())
    assert scores["teacher"]["leaf-domain-metric"]["value"] > 0.99
    assert scores["student"]["leaf-domain-metric"]["value"] > 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_command_makes_passes_verify(kdkit, kind):
    code, printed = kdkit("plugins", "new", f"green-{kind}", "--kind", kind)
    assert code == 0, printed
    assert "pip install -e" in printed
    assert f"kdkit plugins verify green-{kind}" in printed
    code, printed = kdkit("plugins", "verify", f"./kdkit-green-{kind}")
    assert code == 0, printed
    assert "promises kept" in printed
    assert "not verified" not in printed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["x", "a" * LONGEST_NAME, "two-words-3"])
def test_what_it_writes_is_clean(tmp_path, kind, name):
    for path, text in project_files(name, kind).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    for check in (["check"], ["format", "--check"]):
        found = subprocess.run(
            [sys.executable, "-m", "ruff", *check, "--no-cache", "."],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stdout
    everything = "".join(project_files(name, kind).values())
    assert "{%" not in everything
    assert "{{ " not in everything.replace("${{ matrix.python }}", "")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Leaves", "cannot be the name of a plugin"),
        ("3d", "cannot be the name of a plugin"),
        ("my_leaves", "cannot be the name of a plugin"),
        ("my--leaves", "cannot be the name of a plugin"),
        ("a" * (LONGEST_NAME + 1), "cannot be the name of a plugin"),
        ("kdkit-leaves", "begins with kdkit"),
        ("echocardio", "there is a plugin called echocardio already, of kdkit-echocardio"),
        ("cli", "there is a package called kdkit_cli already"),
    ],
)
def test_names_that_are_refused(kdkit, tmp_path, name, told):
    code, printed = kdkit("plugins", "new", name, "--kind", "teacher")
    assert code == 2
    assert told in printed
    assert not any(tmp_path.iterdir())


def test_nothing_is_overwritten(kdkit, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("precious")
    code, printed = kdkit("plugins", "new", "leaves", "--kind", "metric", "--out", "mine")
    assert code == 2
    assert "mine exists already; nothing was written" in printed
    assert [path.read_text() for path in (tmp_path / "mine").iterdir()] == ["precious"]


def test_an_unknown_kind_is_refused(kdkit):
    code, printed = kdkit("plugins", "new", "leaves", "--kind", "objective")
    assert code == 2
    assert "objective" in printed


def test_the_list_as_lines_for_pip(kdkit):
    code, printed = kdkit("plugins", "list", "--requirements")
    assert code == 0
    lines = printed.splitlines()
    assert lines[0].startswith("kdkit==")
    assert any(line.startswith("kdkit-echocardio==") for line in lines)


def test_hook_calls_are_traced_with_their_results(kdkit, monkeypatch):
    monkeypatch.setenv("KDKIT_TRACE_PLUGINS", "1")
    _, printed = kdkit("plugins", "list", "--json")
    assert "trace: generators  kdkit_generators() -> noise (kdkit_generators.noise:Noise)" in printed
