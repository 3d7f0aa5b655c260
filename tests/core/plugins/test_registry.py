"""Plugins are found, and a broken one, whatever is wrong with it, is named with its remedy and harms nothing else."""

import json
import os
import signal
import sys

import pytest
import torch

from kdkit.errors import PluginError, UsageError
from kdkit.plugins.registry import Registry, discover

GOOD = """
from kdkit import Entry, hookimpl

@hookimpl
def kdkit_generators():
    return [Entry("dots", "Dots", "good_parts:Dots")]
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Write a distribution as pip would leave it: a module, and a folder of metadata."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    before = set(sys.modules)

    def write(name, code, entry_points=None, version="0.2", **modules):
        module = f"{name.replace('-', '_')}_hooks"
        for file, text in {module: code, **modules}.items():
            (site / f"{file}.py").write_text(text)
        info = site / f"kdkit_{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: kdkit-{name}\nVersion: {version}\n")
        text = entry_points if entry_points is not None else f"[kdkit]\n{name} = {module}\n"
        (info / "entry_points.txt").write_bytes(text if isinstance(text, bytes) else text.encode())

    yield write
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(site)):
            del sys.modules[name]


@pytest.fixture
def good(toy, install):
    """A sound plugin that comes before the others by name, and the toy that comes after."""
    install("a-good", GOOD)


def plugin(registry, name):
    (match,) = [p for p in registry.plugins if p.name == name]
    return match


def hook(body, kind="metrics"):
    return f"from kdkit import Entry, hookimpl\n\n@hookimpl\ndef kdkit_{kind}():\n    {body}\n"


BROKEN = {
    "import error": ("import theano_of_old\n", "ModuleNotFoundError: No module named 'theano_of_old'"),
    "missing name": ("from kdkit import NoSuchThing\n", "ImportError: cannot import name 'NoSuchThing'"),
    "syntax error": ("def broken(:\n", "SyntaxError: invalid syntax"),
    "sys.exit": ("import sys\nsys.exit(3)\n", "sys.exit(3)"),
    "unknown hook": (
        hook("return []") + "\n@hookimpl\ndef kdkit_generatorz():\n    return []\n",
        "no hook kdkit_generatorz; did you mean kdkit_generators?",
    ),
    "hook with arguments": (
        "from kdkit import hookimpl\n\n@hookimpl\ndef kdkit_metrics(device):\n    return []\n",
        "device",
    ),
    "not a list": (hook("return 5"), "kdkit_metrics must return a list of kdkit.Entry, not 5"),
    "a list of other things": (hook("return ['dice']"), "must return a list of kdkit.Entry, not ['dice']"),
    "forgotten return": (hook("[Entry('m', 'M', 'm:M')]"), "must return a list of kdkit.Entry, not None"),
    "raises": (hook("raise ValueError('no licence found')"), "ValueError: no licence found"),
    "invalid name": (hook("return [Entry('Dice Score', 'D', 'm:M')]"), "lower-case letters, digits and dashes"),
    "invalid target": (hook("return [Entry('dice', 'D', 'm.M')]"), "not of the form package.module:Class"),
    "no summary": (hook("return [Entry('dice', '', 'm:M')]"), "needs a summary"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_plugin_is_named_with_distribution_reason_and_remedy_and_offers_nothing(good, install, fault):
    code, reason = BROKEN[fault]
    sound = "\n@hookimpl\ndef kdkit_teachers():\n    return [Entry('half', 'H', 'm:H')]\n"
    install("old-thing", code + (sound if "hookimpl" in code else ""))
    registry = discover({})
    broken = plugin(registry, "old-thing")
    assert broken.state == "broken"
    assert (broken.distribution, broken.version) == ("kdkit-old-thing", "0.2")
    assert reason in broken.reason
    assert "\n" not in broken.reason
    assert "pip uninstall kdkit-old-thing" in broken.remedy
    assert "KDKIT_DISABLE_PLUGINS=old-thing" in broken.remedy
    assert not any(broken.entries.values())
    assert "half" not in registry.names("teacher")
    assert all(registry.find("metric", name)[0] is not broken for name in registry.names("metric"))
    # The others are as if it were not there.
    assert [plugin(registry, name).state for name in ("a-good", "toy")] == ["active", "active"]
    assert "dots" in registry.names("generator")
    assert registry.component("metric", "overlap").__name__ == "Overlap"


def test_installed_plugins_are_found_through_their_entry_points(toy):
    registry = discover({})
    active = {p.name for p in registry.plugins if p.state == "active"}
    assert active >= {"echocardio", "generators", "teachers", "toy"}
    assert plugin(registry, "toy").distribution == "kdkit-toy"
    assert plugin(registry, "generators").version
    assert registry.component("generator", "noise").__name__ == "Noise"
    assert set(registry.names("objective")) >= {"kl", "mse", "soft-bce"}


COPY = hook(
    "return [Entry('dots', 'Other dots', 'copy_parts:Dots'), Entry('stripes', 'Stripes', 'copy_parts:Dots')]",
    "generators",
)
COPY_PARTS = """
from kdkit import Generator

class Dots(Generator):
    'Other dots.'

    def generate(self, indices):
        return []
"""


def test_a_component_name_that_is_taken_is_lost_and_nothing_else(good, install, cli):
    install("z-copy", COPY, copy_parts=COPY_PARTS)
    registry = discover({})
    copy = plugin(registry, "z-copy")
    assert copy.state == "active"
    assert "'dots'" in copy.reason and "a-good" in copy.reason and "kdkit-a-good" in copy.reason
    assert "kdkit-z-copy:dots" in copy.remedy and "KDKIT_PREFER_PLUGINS=z-copy" in copy.remedy
    assert registry.find("generator", "dots")[0].name == "a-good"
    assert registry.find("generator", "stripes")[0] is copy
    listing = cli("plugins", "list").out
    assert "already registered by a-good" in listing and "KDKIT_PREFER_PLUGINS" in listing


def test_a_component_is_always_to_be_had_by_its_distribution_and_name(good, install):
    install("z-copy", COPY, copy_parts=COPY_PARTS)
    registry = discover({})
    hidden = registry.component("generator", "kdkit-z-copy:dots")
    assert (hidden.__module__, hidden.origin.name) == ("copy_parts", "kdkit-z-copy:dots")
    assert registry.find("generator", "KDKIT_Z.copy:stripes")[1].name == "stripes"
    assert registry.find("generator", "kdkit-a-good:dots")[0].name == "a-good"
    with pytest.raises(UsageError, match="no generator called 'kdkit-z-copy:waves'"):
        registry.find("generator", "kdkit-z-copy:waves")


@pytest.mark.parametrize("preferred", ["z-copy", "kdkit-z-copy", "nothing, KDKIT_Z_COPY"])
def test_a_preferred_plugin_has_the_names_that_it_claims(good, install, preferred):
    install("z-copy", COPY, copy_parts=COPY_PARTS)
    registry = discover({"KDKIT_PREFER_PLUGINS": preferred})
    assert registry.find("generator", "dots")[0].name == "z-copy"
    assert "z-copy" in plugin(registry, "a-good").reason
    assert registry.find("generator", "kdkit-a-good:dots")[0].name == "a-good"


def test_of_two_plugins_of_one_name_the_preferred_one_is_loaded(good, install):
    install("a-good-fork", GOOD, "[kdkit]\na-good = a_good_fork_hooks\n", version="9")
    for preferred, state in (("kdkit-a-good-fork", "active"), ("kdkit-a-good", "broken")):
        plugins = discover({"KDKIT_PREFER_PLUGINS": preferred}).plugins
        (fork,) = [p for p in plugins if p.distribution == "kdkit-a-good-fork"]
        assert fork.state == state
    assert "KDKIT_PREFER_PLUGINS=kdkit-a-good-fork" in fork.remedy


HOSTILE = {
    "KeyboardInterrupt": ("raise KeyboardInterrupt\n", "it raises KeyboardInterrupt"),
    "os._exit": ("import os\nos._exit(0)\n", "tries to end the process"),
    "from os import _exit": ("from os import _exit\n_exit(0)\n", "tries to end the process"),
    "os.abort": ("import os\nos.abort()\n", "tries to end the process"),
    "an import without an end": ("while True:\n    pass\n", "its import has not ended after 0.2 s"),
    "an import that sleeps": ("import time\ntime.sleep(1000)\n", "its import has not ended after 0.2 s"),
    "an error that cannot be told": (
        "class Bad(Exception):\n    def __str__(self):\n        raise ValueError\nraise Bad\n",
        "Bad: its message cannot be read",
    ),
    "an entry that cannot be shown": (
        "class Bad:\n    def __repr__(self):\n        raise ValueError('no text')\n" + hook("return Bad()"),
        "ValueError: no text",
    ),
    "recursion": ("def f():\n    f()\nf()\n", "RecursionError"),
    "a panic, as of a library in Rust": ("raise BaseException('panicked')\n", "BaseException: panicked"),
    "a hook without an end": (hook("while True: pass"), "its import has not ended after 0.2 s"),
    "a message of a megabyte": ("raise ValueError('x' * 10**6)\n", "xx …"),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_a_hostile_import_is_named_and_harms_nobody(good, install, cli, monkeypatch, fault):
    code, reason = HOSTILE[fault]
    add = Registry.add

    def add_in_haste(registry, plugin, load):
        """The one that never ends has little time; the others have as much as ever."""
        with monkeypatch.context() as patched:
            if plugin.name == "old-thing" and "0.2 s" in reason:
                patched.setattr("kdkit.plugins.guard.IMPORT_SECONDS", 0.2)
            add(registry, plugin, load)

    monkeypatch.setattr(Registry, "add", add_in_haste)
    install("old-thing", code)
    result = cli("plugins", "list", "--json")
    states = {p["name"]: p for p in json.loads(result.out)}
    assert states["old-thing"]["state"] == "broken" and reason in states["old-thing"]["reason"]
    assert states["a-good"]["state"] == "active" and "KDKIT_DISABLE_PLUGINS" in states["old-thing"]["remedy"]
    assert os._exit.__name__ == "_exit" and "_watch" not in str(signal.getsignal(signal.SIGINT))
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


SETTINGS = {
    "working directory": ("import os\nos.chdir('/')\n", os.getcwd),
    "rights of new files": ("import os\nos.umask(0o777)\n", lambda: (os.umask(0o22), os.umask(0o22))[1]),
    "depth of calls": ("import sys\nsys.setrecursionlimit(200)\n", sys.getrecursionlimit),
    "torch's default type": ("import torch\ntorch.set_default_dtype(torch.float64)\n", torch.get_default_dtype),
    "torch's gradients": ("import torch\ntorch.set_grad_enabled(False)\n", torch.is_grad_enabled),
    "signals": (
        "import signal\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\n",
        lambda: (signal.getsignal(2), signal.getsignal(15)),
    ),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_an_import_sets_for_the_whole_process_is_set_back(good, install, setting):
    code, read = SETTINGS[setting]
    install("old-thing", code + hook("return []"))
    before = read()
    assert plugin(discover({}), "old-thing").state == "active"
    assert read() == before


@pytest.mark.parametrize(
    "code",
    [
        "import threading, time\nthreading.Thread(target=time.sleep, args=[1000]).start()\n",
        "import atexit, time\natexit.register(time.sleep, 1000)\n",
    ],
)
def test_a_plugin_that_never_ends_keeps_no_command_from_ending(good, install, process, tmp_path, monkeypatch, code):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    install("lasting", f"import kdkit_cli.ending\nkdkit_cli.ending.PATIENCE = 1\n{code}" + hook("return []"))
    command = process("plugins", "info", "nothing-of-this-name")
    output = command.communicate(timeout=300)[1]
    assert command.returncode == 2  # as if the plugin were not there
    assert "a plugin keeps this process from ending" in output


def test_json_is_all_of_standard_output_however_a_plugin_prints(good, install, process, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    noisy = (
        "import atexit, os, sys, threading\nos.write(1, b'past Python')\nprint('as anyone')\n"
        "atexit.register(print, 'at exit')\natexit.register(os.write, 1, b'past Python, at exit')\n"
        "sys.__stdout__.write('by another name')\n"
    )
    install("noisy", noisy + hook("return []"))
    command = process("plugins", "list", "--json")
    output, _ = command.communicate(timeout=600)
    assert command.returncode == 0
    assert {p["name"]: p["state"] for p in json.loads(output)}["noisy"] == "active"


def test_the_same_plugin_name_in_two_distributions_is_refused_to_the_second(good, install):
    install("a-good-fork", GOOD, "[kdkit]\na-good = a_good_fork_hooks\n", version="9")
    registry = discover({})
    first, second = sorted((p for p in registry.plugins if p.name == "a-good"), key=lambda p: p.state)
    assert (first.state, second.state) == ("active", "broken")
    assert {first.distribution, second.distribution} == {"kdkit-a-good", "kdkit-a-good-fork"}
    assert first.distribution in second.reason
    assert "dots" in registry.names("generator")


def test_a_plugin_that_calls_itself_kdkit_does_not_displace_the_core(good, install):
    install("usurper", hook("return []"), "[kdkit]\nkdkit = usurper_hooks\n")
    registry = discover({})
    assert "taken" in plugin(registry, "kdkit").reason
    assert registry.component("objective", "mse").__name__ == "MSE"


@pytest.mark.parametrize("text", ["old_thing..hooks", "not a module", ""])
def test_an_entry_point_that_does_not_parse_is_a_broken_plugin(good, install, text):
    install("old-thing", "", f"[kdkit]\nold-thing = {text}\n")
    registry = discover({})
    broken = plugin(registry, "old-thing")
    assert broken.state == "broken"
    assert repr(text) in broken.reason and "package.module" in broken.reason
    assert "kdkit-old-thing" in broken.remedy
    assert "dots" in registry.names("generator")


@pytest.mark.parametrize("text", ["kdkit\nold = old_hooks\n", "[kdkit]\nold\n", b"[kdkit]\nold = \xff\xfe\n"])
def test_an_entry_points_file_that_does_not_parse_is_a_broken_plugin(good, install, text):
    install("old-thing", "", text)
    registry = discover({})
    (broken,) = [p for p in registry.plugins if p.distribution == "kdkit-old-thing"]
    assert broken.state == "broken"
    assert "entry_points.txt" in broken.reason
    assert "dots" in registry.names("generator")
    assert "toy" in registry.names("domain")


def test_a_damaged_entry_points_file_of_another_project_is_none_of_our_business(good, install):
    install("unrelated", "", "console_scripts\nx\n")
    registry = discover({})
    assert not [p for p in registry.plugins if "unrelated" in p.distribution]
    assert "dots" in registry.names("generator")


def test_a_plugin_that_is_disabled_is_not_even_imported(good, install):
    install("old-thing", "raise SystemError('was imported')")
    registry = discover({"KDKIT_DISABLE_PLUGINS": "old-thing, toy"})
    assert plugin(registry, "old-thing").state == "disabled"
    assert "KDKIT_DISABLE_PLUGINS" in plugin(registry, "old-thing").reason
    assert plugin(registry, "toy").state == "disabled"
    assert "toy" not in registry.names("domain")
    assert "old_thing_hooks" not in sys.modules
    assert plugin(registry, "a-good").state == "active"


def test_strict_plugins_turns_a_broken_one_into_an_error(good, install, cli, monkeypatch):
    install("old-thing", "import theano_of_old")
    with pytest.raises(PluginError, match=r"(?s)old-thing.*kdkit-old-thing 0\.2.*theano_of_old.*pip uninstall"):
        discover({"KDKIT_STRICT_PLUGINS": "1"})
    monkeypatch.setenv("KDKIT_STRICT_PLUGINS", "1")
    result = cli("plugins", "list")
    assert result.code == 1
    assert "theano_of_old" in result.err and "Traceback" not in result.err
    monkeypatch.setenv("KDKIT_DISABLE_PLUGINS", "old-thing")
    assert cli("plugins", "list").code == 0


def test_what_plugins_print_does_not_spoil_json(good, install, cli):
    noisy = "import sys\nprint('hello')\nprint('warning', file=sys.stderr)\n"
    install(
        "noisy",
        noisy + hook("print('asked'); return [Entry('loud', 'Loud', 'noisy_parts:Loud')]"),
        noisy_parts="from kdkit import Metric\nprint('parts')\nclass Loud(Metric):\n    'Loud.'\n",
    )
    plugins = cli("plugins", "list", "--json")
    assert plugins.code == 0
    assert {p["name"]: p["state"] for p in json.loads(plugins.out)}["noisy"] == "active"
    info = cli("plugins", "info", "loud", "--json")
    assert info.code == 0
    assert json.loads(info.out)[0]["kind"] == "metric"


PARTS = {
    "module that does not exist": ("missing_parts:Thing", "", "ModuleNotFoundError: No module named 'missing_parts'"),
    "class that does not exist": ("parts:Missing", "", "parts has no Missing"),
    "missing dependency": ("parts:Thing", "import theano_of_old\n", "No module named 'theano_of_old'"),
    "sys.exit": ("parts:Thing", "import sys\nsys.exit(0)\n", "sys.exit(0)"),
    "not a class": ("parts:Thing", "Thing = 5\n", "is not a class derived from kdkit.Metric"),
    "class of another kind": (
        "parts:Thing",
        "from kdkit import Teacher\nclass Thing(Teacher):\n    pass\n",
        "is not a class derived from kdkit.Metric",
    ),
    "options of another kind": (
        "parts:Thing",
        "from pydantic import BaseModel\nfrom kdkit import Metric\n"
        "class Thing(Metric):\n    class Options(BaseModel):\n        pass\n",
        "Options that do not derive from kdkit.ComponentOptions",
    ),
    "newer contract": (
        "parts:Thing",
        "from kdkit import Metric\nclass Thing(Metric):\n    contract_version = 99\n",
        "written for contract version 99; this kdkit has 1: pip install --upgrade kdkit",
    ),
    "contract version that is none": (
        "parts:Thing",
        "from kdkit import Metric\nclass Thing(Metric):\n    contract_version = 'two'\n",
        "contract version 'two'",
    ),
    "option called name": (
        "parts:Thing",
        "from kdkit import ComponentOptions, Metric\n"
        "class Thing(Metric):\n    class Options(ComponentOptions):\n        name: str = 'x'\n",
        "an option called name",
    ),
}


@pytest.mark.parametrize("fault", PARTS)
def test_a_component_that_cannot_be_used_is_named_when_it_is_asked_for(good, install, cli, fault):
    target, code, reason = PARTS[fault]
    install("half", hook(f"return [Entry('thing', 'A thing', {target!r})]"), parts=code)
    registry = discover({})
    assert plugin(registry, "half").state == "active"
    with pytest.raises(PluginError) as caught:
        registry.component("metric", "thing")
    for expected in ("metric 'thing'", "half", "kdkit-half 0.2", reason):
        assert expected in str(caught.value)
    assert caught.value.remedy and "uninstall" not in caught.value.remedy
    # Recipes that do not name it are not concerned; one that does says where.
    assert cli("config", "show", "toy").code == 0
    result = cli("config", "show", "toy", "--set", "evaluation.metrics=[thing]")
    assert result.code == 1
    assert "evaluation.metrics.0" in result.err and reason in result.err
    assert "problem" not in result.err  # no recipe is at fault
    assert "Traceback" not in result.err


def test_a_name_that_is_missing_because_its_plugin_is_broken_says_so(good, install):
    install("old-thing", "import theano_of_old")
    with pytest.raises(UsageError, match=r"(?s)there is no domain called 'leaves'.*old-thing.*theano_of_old"):
        discover({}).component("domain", "leaves")


def test_a_name_that_does_not_exist_suggests_the_nearest(toy):
    with pytest.raises(UsageError, match=r"did you mean brightness\?"):
        discover({}).component("teacher", "brightnes")


def test_what_an_interrupted_pip_left_behind_is_named_and_takes_nothing(good, install, tmp_path):
    """pip renames the folder of metadata so while it replaces a distribution."""
    leftover = tmp_path / "site" / "~dkit_a_good-0.1.dist-info"
    leftover.mkdir()
    (leftover / "entry_points.txt").write_text("[kdkit]\na-good = a_good_hooks\n")
    registry = discover({})
    assert plugin(registry, "a-good").state == "active"
    assert "dots" in registry.names("generator")
    broken = plugin(registry, "~dkit-a-good")
    assert "pip left it behind" in broken.reason
    assert broken.remedy == f"Delete {leftover}"


@pytest.mark.parametrize("versions", [("0.9", "0.10"), ("0.10", "0.9")])
def test_of_two_versions_in_one_place_the_newer_counts(good, install, tmp_path, versions):
    for version in versions:
        install("z-twice", GOOD.replace("dots", "points"), version=version)
    registry = discover({})
    active, old = sorted((p for p in registry.plugins if "twice" in p.distribution), key=lambda p: p.state)
    assert (active.state, active.version, old.state, old.version) == ("active", "0.10", "broken", "0.9")
    assert "version 0.10 of it is installed in the same place" in old.reason
    assert old.remedy == f"Delete {tmp_path / 'site' / 'kdkit_z_twice-0.9.dist-info'}"
    assert "points" in registry.names("generator")


def test_a_name_written_in_another_way_is_the_same_distribution(good, install, tmp_path):
    install("z-twice", GOOD.replace("dots", "points"), version="1")
    (tmp_path / "site" / "kdkit_z_twice-1.dist-info").rename(tmp_path / "site" / "Kdkit.Z.Twice-1.dist-info")
    install("z-twice", GOOD.replace("dots", "points"), version="2")
    states = {p.version: p.state for p in discover({}).plugins if "wice" in p.distribution}
    assert states == {"1": "broken", "2": "active"}
