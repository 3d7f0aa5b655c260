"""A component is known by its name, its version and its code: moving code remakes nothing, changing it does."""

import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from kdkit.contracts.component import origin_of
from kdkit.plugins.registry import discover
from kdkit.plugins.single_file import load_domain_file

HOOKS = """
from kdkit import Entry, hookimpl

@hookimpl
def kdkit_generators():
    return [Entry("dots", "Dots", "{target}")]
"""
DOTS = '''
"""Dots."""
import numpy as np

from kdkit import Generator, Sample

# How many there are.
COUNT = 3


class Dots(Generator):
    """White dots."""

    def generate(self, indices):
        """Each on black."""
        from acme.draw import draw

        for index in indices:
            yield Sample(draw(self.rng(index), COUNT))
'''
DRAW = """
import numpy as np

def draw(rng, count):
    return np.zeros((8, 8), np.uint8)
"""
OTHER_DRAW = DRAW.replace("zeros", "ones")
PACKAGE = {
    "__init__": "",
    "hooks": HOOKS.format(target="acme.dots:Dots"),
    "dots": DOTS,
    "draw": DRAW,
    "unused": "A = 1\n",
}


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Write the package acme into a folder of its own, as an editable installation or as a wheel, and load its
    generator ``dots``. A module that is None is left out."""
    count = 0

    def write(name="dots", wheel=False, **changes):
        nonlocal count
        count += 1
        forget()
        site = tmp_path / f"site{count}"
        texts = {f"acme/{module.replace('__in__', '/')}.py": text for module, text in {**PACKAGE, **changes}.items()}
        texts = {path: text for path, text in texts.items() if text is not None}
        for path, text in texts.items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_text(text)
        info = site / "kdkit_acme-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kdkit-acme\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[kdkit]\nacme = acme.hooks\n")
        recorded = [*texts] if wheel else []
        (info / "RECORD").write_text("".join(f"{path},,\n" for path in [*recorded, f"{info.name}/RECORD"]))
        monkeypatch.syspath_prepend(str(site))
        return discover({}).component("generator", name)(seed=1)

    def forget():
        for module in [module for module in sys.modules if module.partition(".")[0] == "acme"]:
            del sys.modules[module]

    yield write
    forget()


def test_a_component_says_where_it_comes_from(install):
    origin = install().origin
    assert (origin.name, origin.distribution, origin.distribution_version) == ("dots", "kdkit-acme", "1.0")
    assert len(origin.digest) == 16


SAME = {
    "the same in another folder": {},
    "another comment": {"dots": DOTS.replace("# How many there are.", "# Enough of them.\n\n")},
    "another docstring": {
        "dots": DOTS.replace("White dots.", "Dots that are white.").replace("Each on black.", "So.")
    },
    "another docstring of the package": {"__init__": '"""Acme."""\n'},
    "a module that is not imported": {"unused": "A = 2\n"},
    "the module renamed": {"dots": None, "spots": DOTS, "hooks": HOOKS.format(target="acme.spots:Dots")},
    "the module moved into a package": {
        "dots": None,
        "round__in____init__": "",
        "round__in__dots": DOTS,
        "hooks": HOOKS.format(target="acme.round.dots:Dots"),
    },
    "the helper renamed": {"dots": DOTS.replace("acme.draw", "acme.paint"), "draw": None, "paint": DRAW},
    "the helper imported in another way": {"dots": DOTS.replace("from acme.draw", "from .draw")},
}
# An import that never runs.
TYPED = "import numpy as np\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from acme.unused import B"


@pytest.mark.parametrize("change", SAME)
def test_what_leaves_the_code_as_it_is_leaves_the_fingerprint(install, change):
    assert install().fingerprint() == install(**SAME[change]).fingerprint()


def test_code_for_type_checkers_does_not_count(install):
    typed = DOTS.replace("import numpy as np", TYPED)
    assert install(dots=typed).fingerprint() == install(dots=typed, unused="A = 2\n").fingerprint()


OTHER = {
    "the module": {"dots": DOTS.replace("COUNT = 3", "COUNT = 4")},
    "a helper that is imported in a function": {"draw": OTHER_DRAW},
    "the package": {"__init__": "import numpy\n\nHALF = numpy.pi / 2\n"},
    "another class of the module": {
        "dots": f"{DOTS}\n\nclass More(Dots):\n    pass\n",
        "hooks": HOOKS.format(target="acme.dots:More"),
    },
    "the same name from elsewhere": {"dots": DOTS.replace("from acme.draw", "from acme.paint"), "paint": OTHER_DRAW},
}


@pytest.mark.parametrize("change", OTHER)
def test_other_code_gives_another_fingerprint(install, change):
    assert install().fingerprint() != install(**OTHER[change]).fingerprint()


def test_which_of_two_helpers_is_called_counts(install):
    both = f"{DOTS}\n\nfrom acme.paint import draw as other\n"
    swapped = both.replace("acme.draw", "acme.x").replace("acme.paint", "acme.draw").replace("acme.x", "acme.paint")
    assert install(dots=both, paint=OTHER_DRAW).fingerprint() != install(dots=swapped, paint=OTHER_DRAW).fingerprint()


def test_an_import_of_an_import_counts_relative_or_not(install):
    draw = "from . import colours\n\ndef draw(rng, count):\n    return colours.white()\n"
    first = install(draw=draw, colours="def white():\n    return 255\n")
    assert first.fingerprint() != install(draw=draw, colours="def white():\n    return 254\n").fingerprint()


@pytest.mark.parametrize(("call", "counts"), [("import_module(str(2))", True), ("import_module('acme.draw')", False)])
def test_where_an_import_is_known_only_when_it_runs_the_whole_package_counts(install, call, counts):
    dots = f"{DOTS}\n\ndef load():\n    from importlib import import_module\n\n    return {call}\n"
    changed = install(dots=dots).fingerprint() != install(dots=dots, unused="A = 2\n").fingerprint()
    assert changed is counts


def test_a_file_that_cannot_be_parsed_counts_as_it_is(install):
    assert install(draw="def draw(:\n").fingerprint() != install(draw="def draw(::\n").fingerprint()


def test_of_an_installed_wheel_the_declared_version_counts_alone(install):
    installed = install(wheel=True)
    assert installed.origin.digest == ""
    assert installed.fingerprint() == install(wheel=True, **OTHER["the module"]).fingerprint()
    newer = DOTS.replace('    """White dots."""', '    version = "2"')
    assert installed.fingerprint() != install(wheel=True, dots=newer).fingerprint()


def test_of_several_names_of_a_class_the_first_in_the_alphabet_is_its_own(install):
    hooks = HOOKS.format(target="acme.dots:Dots").replace(
        "return [", 'return [Entry("blots", "B", "acme.dots:Dots"), '
    )
    one, other = install("dots", hooks=hooks), install("blots", hooks=hooks)
    assert one.origin.name == other.origin.name == "blots"
    assert one.fingerprint() == other.fingerprint()


def test_a_base_class_does_not_lend_its_name(install):
    dots = type(install())
    assert origin_of(type("Own", (dots,), {})).name == "Own"


def test_the_code_that_runs_counts_even_if_its_file_was_edited_since(install):
    dots = install()
    Path(sys.modules["acme.dots"].__file__).write_text(f"{DOTS}\nMORE = 1\n")
    assert discover({}).component("generator", "dots")(seed=1).fingerprint() == dots.fingerprint()


def test_in_a_worker_process_the_fingerprint_is_the_same(install):
    dots = install()
    mix = discover({}).component("generator", "mix")
    options = mix.Options.model_validate({"members": [{"name": "dots"}, {"name": "dots"}]})
    components = [dots, mix(options, 3)]
    # As in a spawned process, where no registry has loaded the classes.
    code = "import pickle, sys\nfor c in pickle.load(sys.stdin.buffer):\n    print(c.fingerprint())"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path[:0] = {sys.path!r}\n{code}"],
        input=pickle.dumps(components),
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().split() == [component.fingerprint() for component in components]


def test_renaming_a_class_changes_its_random_stream_unless_the_stream_is_named(install):
    first = install(wheel=True)
    renamed = {"dots": DOTS.replace("class Dots", "class Spots"), "hooks": HOOKS.format(target="acme.dots:Spots")}
    other = install(wheel=True, **renamed)
    assert first.fingerprint() != other.fingerprint()
    assert first.rng(0).integers(1 << 60) != other.rng(0).integers(1 << 60)
    renamed["dots"] = renamed["dots"].replace('"""White dots."""', 'stream = "Dots"')
    kept = install(wheel=True, **renamed)
    assert first.fingerprint() == kept.fingerprint()
    assert first.rng(0).integers(1 << 60) == kept.rng(0).integers(1 << 60)


DOMAIN = textwrap.dedent(
    """
    from kdkit import Domain, Entry, hookimpl
    from leaf_shapes import SIDES

    class Leaves(Domain):
        recipe = "seed: 1"
        item = "leaf"

    @hookimpl
    def kdkit_domains():
        return [Entry("leaves", "Leaves", f"{__name__}:Leaves")]
    """
)


@pytest.fixture
def domain(tmp_path, monkeypatch):
    """Write a single-file domain and a helper beside it into a folder of their own, and load the domain."""
    count = 0

    def write(text=DOMAIN, shapes="SIDES = 3\n"):
        nonlocal count
        count += 1
        monkeypatch.setattr(sys, "path", [entry for entry in sys.path if not entry.startswith(str(tmp_path))])
        for module in ("leaf_domain", "leaf_shapes"):
            sys.modules.pop(module, None)
        folder = tmp_path / f"domain{count}"
        folder.mkdir()
        (folder / "leaf_domain.py").write_text(text)
        (folder / "leaf_shapes.py").write_text(shapes)
        (folder / "unrelated.py").write_text(f"A = {count}\n")
        registry = discover({})
        return registry.component("domain", load_domain_file(registry, folder / "leaf_domain.py"))()

    yield write
    for module in ("leaf_domain", "leaf_shapes"):
        sys.modules.pop(module, None)


def test_of_a_single_file_its_code_counts_and_the_helpers_beside_it_but_not_its_recipe(domain):
    first = domain().fingerprint()
    assert domain(f"{DOMAIN}\n# A remark.\n").fingerprint() == first
    assert domain(DOMAIN.replace("seed: 1", "seed: 2")).fingerprint() == first
    assert domain(DOMAIN.replace('"leaf"', '"needle"')).fingerprint() != first
    assert domain(shapes="SIDES = 4\n").fingerprint() != first


@pytest.mark.parametrize(
    ("kind", "name"), [("objective", "soft-bce"), ("objective", "kl"), ("metric", "teacher-accuracy")]
)
def test_of_kdkits_own_components_what_they_import_counts_and_not_the_whole_core(kind, name):
    from kdkit.plugins import source

    component = discover({}).component(kind, name)
    file = source._file_of(component)
    modules = set(source._closure(source._tree_of(component.__module__, file, None), component.__module__))
    assert {component.__module__, f"kdkit.contracts.{kind}", "kdkit.contracts.component"} <= modules
    assert not {module for module in modules if module.startswith(("kdkit.stages", "kdkit.pages", "kdkit.engine"))}


def test_a_module_of_kdkit_that_takes_a_name_from_kdkit_itself_may_take_any():
    from kdkit.plugins import source

    tree = source._Tree("kdkit", (Path(source.__file__).parents[1],), None)
    assert tree.is_offered_by_kdkit("kdkit.Sample")
    for name in ("kdkit", "kdkit.sample", "kdkit.sample.Sample", "numpy.ndarray"):
        assert not tree.is_offered_by_kdkit(name)
