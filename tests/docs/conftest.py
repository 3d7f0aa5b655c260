import os
import subprocess
import sys

import pytest
from filelock import FileLock
from source import DOCS


@pytest.fixture(scope="session")
def html(tmp_path_factory, worker_id):
    """The folder of the site's pages, built strictly: a reference that leads nowhere is an error."""
    base = tmp_path_factory.getbasetemp()
    # Every process of one call of pytest shares the site, which the first one builds.
    folder = (base if worker_id == "master" else base.parent) / "site"
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "built").exists():
            build(folder)
            (folder / "built").touch()
    return folder / "html"


def build(folder):
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-n", "-W", "--keep-going", "-q"]
    built = subprocess.run(
        [*command, "-d", str(folder / "trees"), str(DOCS), str(folder / "html")],
        env={name: value for name, value in os.environ.items() if not name.startswith("KDKIT_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Write a distribution kdkit-old-thing 0.2 with these modules into a folder of the import path."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def write(entry_point="old-thing = old_hooks", **modules):
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(text)
        info = tmp_path / "kdkit_old_thing-0.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kdkit-old-thing\nVersion: 0.2\n")
        (info / "entry_points.txt").write_text(f"[kdkit]\n{entry_point}\n")

    yield write
    for name in set(sys.modules) - before:
        if name.startswith("old_"):
            del sys.modules[name]
