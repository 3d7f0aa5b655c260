"""``kdkit plugins verify``: installed plugins, projects that are not installed, and single files."""

import re
import textwrap
from pathlib import Path

import pytest

STRIPES = Path(__file__).parent / "files" / "stripes_domain.py"


def project(folder: Path, name: str, component: str = "", hooks: str = "", root: str = "") -> Path:
    """The project of a plugin with one generator; each has a package of its own name, as modules stay imported."""
    package = folder / root / f"kdkit_{name}"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "plugin.py").write_text(
        textwrap.dedent(f"""
            {hooks}
            from kdkit import Entry, hookimpl

            @hookimpl
            def kdkit_generators():
                return [Entry("{name}", "Steps", "kdkit_{name}.steps:Steps")]
            """)
    )
    (package / "steps.py").write_text(
        textwrap.dedent("""
            from kdkit import ComponentOptions, Field, Generator, Sample

            class Steps(Generator):
                '''Steps of random height.'''

                class Options(ComponentOptions):
                    size: int = Field(4, ge=1, description="How many.")

                def generate(self, indices):
                    for index in indices:
                        yield Sample(self.rng(index).random(self.options.size))
            """)
        + textwrap.indent(textwrap.dedent(component), " " * 4)
    )
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "kdkit-{name}"\nversion = "0.1"\n'
        f'[project.entry-points.kdkit]\n{name} = "kdkit_{name}.plugin"\n'
    )
    return folder


@pytest.fixture(autouse=True)
def import_path(monkeypatch):
    """What a command adds to the import path is taken back."""
    monkeypatch.syspath_prepend("unused")


def test_an_installed_plugin_is_verified(cli, toy):
    done = cli("plugins", "verify", "toy")
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    for component in ("discs", "pixelwise", "overlap", "toy"):
        (counts,) = [line for line in lines if re.fullmatch(rf"{component} \d+ of \d+ promises kept", line)]
        kept, promises = map(int, re.findall(r"\d+", counts))
        assert kept == promises > 10, counts
    assert any(
        line.startswith("toy miniature run: generate, label, distill, predict, evaluate, report in ")
        for line in lines
    )
    # The toy has two teachers that are wrong on purpose; the one that is constant gives no gradients, either.
    assert any(re.fullmatch(r"constant \d+ of \d+ promises kept", line) for line in lines)
    assert any(line.startswith("broken: every prediction has the same value → ") for line in lines)
    assert any(line.startswith("broken: 2048 of 2048 values are not finite → ") for line in lines)
    assert done.code == 1
    assert "3 promises are broken" in done.err


@pytest.mark.parametrize("root", ["", "src"])
def test_a_project_need_not_be_installed(cli, tmp_path, root):
    name = f"flat{root}"
    done = cli("plugins", "verify", project(tmp_path / name, name, root=root))
    assert (done.code, done.out.split()) == (0, [name, *"18 of 18 promises kept".split()])


def test_code_that_changed_under_the_same_version_since_it_was_verified_is_advice(cli, tmp_path):
    folder = project(tmp_path / "edited", "edited")
    code = folder / "kdkit_edited" / "steps.py"
    text = code.read_text()

    def advice(text):
        code.write_text(text)
        done = cli("plugins", "verify", folder)
        assert done.code == 0
        return [
            line for line in done.out.splitlines() if "since it was last verified, and version is still '1'" in line
        ]

    assert advice(text) == []
    assert advice(f"{text}# A remark.\n") == []
    assert len(advice(text.replace(".random(", ".standard_normal("))) == 1
    assert advice(text.replace(".random(", ".standard_normal(")) == []


def test_where_no_state_can_be_kept_nothing_is_said(cli, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    done = cli("plugins", "verify", project(tmp_path / "stateless", "stateless"))
    assert (done.code, done.err) == (0, "")


def test_a_folder_here_can_be_named_without_a_slash(cli, tmp_path):
    project(tmp_path / "steps-here", "here")
    assert cli("plugins", "verify", "steps-here").code == 0


def test_a_single_file_is_verified(cli):
    done = cli("plugins", "verify", STRIPES)
    assert done.code == 0, done.out
    assert "miniature run: generate, label, distill, predict, evaluate" in done.out


def test_a_broken_promise_is_one_line_with_its_remedy(cli, tmp_path):
    stamp = """
        def rng(self, index):
            import numpy
            return numpy.random.default_rng()
    """
    done = cli("plugins", "verify", project(tmp_path / "chance", "chance", stamp))
    assert done.code == 1
    title, *broken = done.out.splitlines()
    assert title.split() == ["chance", *"15 of 18 promises kept, 2 not tried because of what is broken".split()]
    assert len(broken) == 1 and broken[0].startswith("    broken: ") and " → " in broken[0]
    assert "two instances make different samples" in done.out


def test_options_that_cannot_be_guessed_are_no_offence(cli, tmp_path):
    required = """
        class Options(ComponentOptions):
            path: str = Field(description="Where they are.")
    """
    done = cli("plugins", "verify", project(tmp_path / "needy", "needy", required))
    assert done.code == 0
    assert done.out.strip() == "needy   not verified: needs options path; give them as Steps.example_options"


def test_a_heavy_hook_module_is_noticed(cli, tmp_path, hollow_jax):
    done = cli("plugins", "verify", project(tmp_path / "heavy", "heavy", hooks="import jax"))
    assert done.code == 1
    assert "importing kdkit_heavy.plugin loads jax: every command of kdkit would wait for that" in done.out


def test_a_class_that_cannot_be_imported_is_told(cli, tmp_path):
    folder = project(tmp_path / "gone", "gone")
    (folder / "kdkit_gone" / "steps.py").unlink()
    done = cli("plugins", "verify", folder)
    assert done.code == 1
    assert "No module named 'kdkit_gone.steps'" in done.out


def test_a_broken_plugin_is_told(cli, tmp_path):
    done = cli("plugins", "verify", project(tmp_path / "torn", "torn", hooks="import nothing_of_that_name"))
    assert done.code == 1
    assert "is broken: ModuleNotFoundError: No module named 'nothing_of_that_name'" in done.err


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: None, "holds no pyproject.toml"),
        (lambda folder: (folder / "pyproject.toml").write_text("[project"), "cannot be parsed"),
        (lambda folder: (folder / "pyproject.toml").write_text("[project]\nname='x'"), "names no plugin"),
        (
            lambda folder: (folder / "pyproject.toml").write_text("[project.entry-points.kdkit]\nx='absent.plugin'"),
            "holds no package absent",
        ),
    ],
)
def test_a_folder_that_is_no_project_is_told(cli, tmp_path, make, told):
    folder = tmp_path / "folder"
    folder.mkdir()
    make(folder)
    done = cli("plugins", "verify", folder)
    assert (done.code, told in done.err) == (2, True), done.err


def test_an_unknown_name_is_told(cli, toy):
    done = cli("plugins", "verify", "toyy")
    assert done.code == 2
    assert "no plugin is called 'toyy'; did you mean toy?" in done.err


def test_a_disabled_plugin_is_told(cli, toy, monkeypatch):
    monkeypatch.setenv("KDKIT_DISABLE_PLUGINS", "toy")
    assert "the plugin toy is disabled" in cli("plugins", "verify", "toy").err
