"""How much a command says, and where: the options that every command takes, and progress that nobody watches."""

import json

import pytest
from kdkit_cli import console, session

SMALL = [
    part
    for setting in (
        "samples.train=4",
        "samples.validation=1",
        "samples.evaluation=3",
        "training.epochs=1",
        "controls=[]",
        "trainer.workers=1",
    )
    for part in ("--set", setting)
]


@pytest.fixture(autouse=True)
def fresh_session():
    session.reset()
    yield
    session.reset()


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_quiet_leaves_results_and_errors(toy, cli):
    result = cli("run", "toy", *SMALL, "--until", "generate", "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert "error:" in cli("--quiet", "run", "toy", "--until", "nothing").err


def test_the_log_file_keeps_what_was_reported_even_quietly(toy, cli, tmp_path):
    log = tmp_path / "kdkit.log"
    assert cli("--log-file", log, "run", "toy", *SMALL, "--until", "generate", "--quiet").code == 0
    assert cli("run", "toy", "--until", "nothing", "--log-file", log).code == 2
    text = log.read_text()
    assert "generate" in text and "samples" in text and "error: there is no stage 'nothing'" in text
    assert all(line[:2] == "20" for line in text.splitlines())


def test_a_log_file_that_cannot_be_written_is_refused(toy, cli, tmp_path):
    result = cli("run", "toy", "--log-file", tmp_path / "none" / "kdkit.log")
    assert result.code == 2 and "cannot be written" in result.err
    assert not toy.exists()


@pytest.mark.parametrize(
    "encoding", ["ascii", "cp1252", *(pytest.param(name, marks=pytest.mark.slow) for name in ("latin-1", "utf-8"))]
)
def test_a_terminal_of_any_encoding_is_enough(toy, process, monkeypatch, encoding):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    for arguments in (("plugins", "list"), ("config", "show", "toy"), ("run", "t☃y")):
        command = process(*arguments)
        out, err = command.communicate(timeout=600)
        assert "UnicodeEncodeError" not in out + err and "Traceback" not in out + err
        assert command.returncode == (2 if arguments[0] == "run" else 0)


def test_a_traceback_is_shown_on_request_only(toy, cli):
    wrong = ("run", "toy", "--set", "teacher.name=nobody")
    assert "Traceback" not in cli(*wrong).err
    result = cli(*wrong, "--traceback")
    assert result.code == 2 and "Traceback" in result.err and "error: " in result.err


def test_an_error_that_nobody_expected_is_one_message_with_its_place(toy, cli, monkeypatch):
    import kdkit.api

    def fail(*_, **__):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(kdkit.api, "prepare_run", fail)
    result = cli("run", "toy")
    assert result.code == 1 and "Traceback" not in result.err
    assert "ZeroDivisionError: by zero" in result.err and "test_session.py, line" in result.err
    assert "--traceback" in result.err


def test_where_nobody_watches_a_line_now_and_then_says_how_far_it_is(capsys):
    clock = Clock()
    with console.RichProgress(clock).work("label", "brightness", 100, "samples", 20) as bar:
        for second in range(80):
            clock.now = float(second)
            bar.advance()
    lines = capsys.readouterr().err.splitlines()
    # After 10 seconds and then every 30: 11 steps in 10 s leave 69 for about 63 s.
    assert [line.split("samples")[0].split()[-1] for line in lines] == ["31/100", "61/100", "91/100", "100"]
    assert lines[0].split() == "label brightness 31/100 samples 0:01:03 left".split()


def test_a_run_as_json_is_json_alone(toy, cli):
    result = cli("run", "toy", *SMALL, "--json")
    assert result.code == 0, result.err
    content = json.loads(result.out)
    assert content["stages"] == ["generate", "label", "distill", "predict", "evaluate", "report"]
    assert set(content["scores"]) == {"teacher", "student"} and "student-teacher" in content["differences"]
    again = json.loads(cli("run", "toy", *SMALL, "--json").out)
    assert again == content | {"stages": []}


def test_a_stage_alone_needs_what_comes_before_it(toy, cli):
    early = cli("run", "toy", *SMALL, "--only", "label")
    assert early.code == 2 and "generate is not done" in early.err
    assert json.loads(cli("run", "toy", *SMALL, "--only", "generate", "--json").out)["stages"] == ["generate"]
    assert json.loads(cli("run", "toy", *SMALL, "--only", "generate", "--json").out)["stages"] == []
    both = cli("run", "toy", "--only", "label", "--until", "label")
    assert both.code == 2 and "--only" in both.err
