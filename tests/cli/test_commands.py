"""The commands as people type them: what they print, and how they end when something is wrong."""

import json
import os
import re
import subprocess
import sys

import pytest

HEAVY = {"torch", "lightning", "cv2", "pandas", "torchvision", "matplotlib", "scipy"}
COMMANDS = "run generate label distill predict evaluate report sweep compare train-generator config plugins".split()


def one_message(result, code):
    assert result.code == code, result
    assert "Traceback" not in result.err + result.out
    assert len(re.findall(r"\b[Ee]rror:", result.err)) == 1, result.err


def test_help_names_every_command(cli):
    for option in ("--help", "-h"):
        result = cli(option)
        assert result.code == 0
        for command in COMMANDS:
            assert re.search(rf"\b{command}\b", result.out), command


@pytest.mark.parametrize("command", [*COMMANDS, "config show", "plugins list", "plugins info"])
def test_every_command_has_help(cli, command):
    result = cli(*command.split(), "--help")
    assert result.code == 0
    assert re.search(rf"Usage: .*\b{command}\b", result.out)


@pytest.mark.parametrize("command", ["run", "label", "distill", "train-generator"])
def test_hardware_options_are_there_for_every_command_that_trains(cli, command):
    text = cli(command, "--help").out
    for option in ("--accelerator", "--devices", "--num-nodes", "--strategy", "--precision", "--set"):
        assert option in text


@pytest.mark.parametrize(
    ("command", "more"),  # of predict and evaluate, --set chooses options of the domain or of the data
    [("predict", ["--set", "--devices"]), ("evaluate", ["--set"]), ("report", []), ("compare", [])],
)
def test_commands_that_read_take_no_recipe_and_only_predict_several_devices(cli, command, more):
    text = cli(command, "--help").out
    for option in ("--config", "--fresh", "--devices", "--strategy", "--set"):
        assert (option in text) == (option in more)


@pytest.mark.parametrize("command", [*(c for c in COMMANDS if c not in ("config", "plugins")), "plugins list"])
def test_every_command_takes_the_options_of_the_session(cli, command):
    text = cli(*command.split(), "--help").out
    for option in ("--verbose", "--quiet", "--traceback", "--log-file"):
        assert option in text


def test_the_version_is_printed(cli):
    import kdkit

    assert cli("--version").out == f"kdkit {kdkit.__version__}\n"


def test_plugins_list_shows_state_version_and_components(cli, toy):
    output = cli("plugins", "list").out
    line = next(line for line in output.splitlines() if " toy " in line)
    assert "kdkit-toy" in line and "0.1" in line and "active" in line
    assert "1 generator, 3 teachers, 1 student, 1 metric, 1 domain" in line


def test_plugins_list_as_json_holds_the_same(cli, toy):
    plugins = {plugin["name"]: plugin for plugin in json.loads(cli("plugins", "list", "--json").out)}
    assert {"echocardio", "generators", "teachers", "toy"} <= set(plugins)
    toy_facts = plugins["toy"]
    assert (toy_facts["distribution"], toy_facts["version"], toy_facts["state"]) == ("kdkit-toy", "0.1", "active")
    assert {"kind": "teacher", "name": "constant"}.items() <= toy_facts["components"][2].items()


def test_a_broken_plugin_is_listed_with_reason_and_remedy(cli, toy, tmp_path, monkeypatch):
    info = tmp_path / "site" / "kdkit_old-0.2.dist-info"
    info.mkdir(parents=True)
    (info / "entry_points.txt").write_text("[kdkit]\nold = no_module_of_this_name\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    result = cli("plugins", "list")
    assert result.code == 0
    assert "broken" in result.out and "no_module_of_this_name" in result.out
    assert "→ pip uninstall kdkit-old, or set KDKIT_DISABLE_PLUGINS=old" in result.out
    assert "kdkit-toy" in result.out
    result = cli("plugins", "info", "old")
    assert result.code == 0 and "no_module_of_this_name" in result.out


def test_plugins_info_tells_options_with_type_default_and_meaning(cli, toy):
    output = cli("plugins", "info", "brightness").out
    assert re.search(r"threshold\s+\S*float|threshold.*number", output)
    assert (
        "default 0.5" in output and "Share of full brightness." in output and "kdkit_toy.models:Brightness" in output
    )
    (facts,) = json.loads(cli("plugins", "info", "brightness", "--json").out)
    assert {option["name"]: option["default"] for option in facts["options"]} == {"threshold": 0.5, "weights": None}
    assert facts["plugin"] == "toy"


def test_plugins_info_of_a_required_option_says_required(cli, toy):
    assert "required" in cli("plugins", "info", "noise").out


def test_plugins_info_tells_who_gives_gradients_and_who_needs_them(cli):
    for name, fact, said in [
        ("onnx", {"gradients": False}, "Gives only logits: no gradients"),
        ("exported", {"gradients": True}, "gives gradients"),
        ("inversion", {"needs_gradients": True}, "Needs a teacher that gives gradients"),
        ("adversarial", {"needs_gradients": True}, "Needs a teacher that gives gradients"),
        ("noise", {"needs_gradients": False}, "no more of a teacher than logits"),
        ("hint", {"needs_gradients": True}, "Needs a teacher that gives gradients"),
    ]:
        assert said in cli("plugins", "info", name).out
        (facts,) = json.loads(cli("plugins", "info", name, "--json").out)
        assert fact.items() <= facts.items()


def test_plugins_info_of_a_name_in_two_roles_tells_both(cli, toy):
    assert [facts["kind"] for facts in json.loads(cli("plugins", "info", "toy", "--json").out)] == [
        "plugin",
        "domain",
    ]


WRONG = {
    "unknown command": (["runn"], "runn"),
    "unknown domain": (["run", "toyy"], "did you mean toy?"),
    "unknown plugin": (["plugins", "info", "brightnes"], "did you mean brightness?"),
    "unknown component": (["run", "toy", "--set", "teacher.name=brightnes"], "did you mean brightness?"),
    "unknown option": (["run", "toy", "--set", "teacher.treshold=1"], "did you mean threshold?"),
    "unknown section": (["run", "toy", "--set", "trainings.epochs=1"], "did you mean training?"),
    "unknown stage": (["run", "toy", "--until", "lable"], "did you mean label?"),
    "unknown stage to begin with": (["run", "toy", "--from", "lable"], "did you mean label?"),
    "stages the wrong way round": (["run", "toy", "--from", "predict", "--until", "label"], "comes after"),
    "earlier stage missing": (["run", "toy", "--from", "predict"], "generate is not done"),
    "unknown flag": (["run", "toy", "--bogus"], "--bogus"),
    "missing domain": (["run"], "DOMAIN"),
    "config that is not there": (["run", "toy", "--config", "none.yaml"], "none.yaml"),
    "setting without a value": (["run", "toy", "--set", "seed"], "path.to.key=value"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_typed_wrong_is_told_in_one_message_and_exits_with_2(cli, toy, what):
    arguments, message = WRONG[what]
    result = cli(*arguments)
    one_message(result, 2)
    assert message in result.err
    assert not toy.exists()


def test_a_folder_that_is_no_run_is_not_written_into(cli, toy, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear")
    result = cli("run", "toy", "--out", tmp_path / "mine", "--until", "generate")
    one_message(result, 2)
    assert "exists and is not a run's folder" in result.err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_the_run_of_another_recipe_is_not_overwritten(cli, toy, tmp_path):
    assert cli("generate", "toy", "--out", tmp_path / "run").code == 0
    assert cli("generate", "toy", "--out", tmp_path / "run", "--set", "trainer.workers=2").code == 0
    result = cli("generate", "toy", "--out", tmp_path / "run", "--set", "seed=1")
    one_message(result, 2)
    assert "another recipe" in result.err


def test_a_run_that_failed_before_it_began_can_be_repeated_in_its_folder(cli, toy, tmp_path, monkeypatch):
    from kdkit.stages import pipeline

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "write_text", full)
        result = cli("generate", "toy", "--out", tmp_path / "run")
    one_message(result, 1)
    assert "No space left on device" in result.err
    assert cli("generate", "toy", "--out", tmp_path / "run").code == 0


def test_a_folder_whose_name_looks_like_markup_is_shown_as_it_is(cli, toy, tmp_path):
    result = cli("generate", "toy", "--out", tmp_path / "[bold]run[/x]")
    assert result.code == 0, result.err
    assert "[bold]run[/x]" in result.err.replace("\n", "")


def test_the_name_of_a_run_is_chosen_and_found_again(cli, toy):
    first, second = cli("generate", "toy"), cli("generate", "toy")
    (folder,) = (toy / "toy").iterdir()
    assert re.fullmatch(r"[a-z]+-[a-z]+", folder.name)
    assert folder.name in first.err and folder.name in second.err
    assert "nothing to do" in second.err and "--fresh" in second.err
    assert cli("generate", "toy", "--set", "seed=1").code == 0
    assert len(list((toy / "toy").iterdir())) == 2


def test_a_contact_sheet_is_drawn(cli, toy, tmp_path):
    from PIL import Image

    result = cli("generate", "toy", "--sheet", tmp_path / "sheet.png")
    assert result.code == 0, result.err
    assert Image.open(tmp_path / "sheet.png").size == (16 * 16, 16)


def test_a_domain_that_draws_no_sheet_says_so(cli, toy, tmp_path, monkeypatch):
    from kdkit.plugins.registry import discover

    monkeypatch.delattr(discover({}).component("domain", "toy"), "sheet")
    result = cli("generate", "toy", "--sheet", tmp_path / "sheet.png")
    one_message(result, 1)
    assert "draws no contact sheets" in result.err


def test_hardware_that_is_not_there_is_told(cli, toy):
    result = cli("label", "toy", "--accelerator", "tpu", "--set", "controls=[]")
    one_message(result, 2)
    assert "accelerator=tpu" in result.err and "trainer" in result.err


@pytest.mark.parametrize(
    ("arguments", "setting"),
    [
        (["--devices", "2"], 2),
        (["--devices", "0,1"], [0, 1]),
        (["--devices", "1,"], [1]),
        (["--devices", "auto"], "auto"),
    ],
)
def test_devices_may_be_a_number_or_a_list(cli, monkeypatch, arguments, setting):
    import yaml
    from kdkit_cli import run_command
    from kdkit_cli.commands import hardware_settings

    from kdkit.recipe.schema import Hardware

    settings = []
    monkeypatch.setattr(run_command, "execute", lambda *_, **__: settings.extend(hardware_settings()))
    assert cli("run", "toy", *arguments).code == 0
    assert Hardware(devices=yaml.safe_load(settings[0].partition("=")[2])).devices == setting


@pytest.mark.parametrize("arguments", ["--help", "plugins list", "plugins list --json", "run --help"])
def test_starting_loads_nothing_heavy(toy, arguments):
    code = f"""
import sys
sys.argv = ["kdkit", *{arguments.split()!r}]
from kdkit_cli.main import main
try:
    main()
except SystemExit as end:
    assert not end.code
loaded = sorted({{name.partition(".")[0] for name in sys.modules}} & {HEAVY!r})
print("LOADED", loaded, file=sys.stderr)
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert process.returncode == 0, process.stderr
    assert "LOADED []" in process.stderr


def test_the_installed_command_works(process):
    command = process("--version")
    out, _ = command.communicate(timeout=600)
    assert command.returncode == 0 and out.startswith("kdkit ")


def test_output_that_is_cut_off_by_a_pipe_is_no_crash(toy):
    """kdkit config show toy | head -1"""
    process = subprocess.run(
        f"{sys.executable} -m kdkit_cli.main config show toy | head -c 5", shell=True, capture_output=True, text=True
    )
    assert process.stdout == "# The"
    assert "Traceback" not in process.stderr
