"""``kdkit serve-teacher``: which teacher, and what is refused before anything listens."""

import pytest
from kdkit_cli.serve_command import _load_teacher

from kdkit.plugins.registry import discover

TOKEN = "a-token-for-the-tests"


@pytest.fixture(autouse=True)
def token(toy, monkeypatch):
    monkeypatch.setenv("KDKIT_TEACHER_TOKEN", TOKEN)


def test_a_domain_s_recipe_says_which_teacher():
    name, teacher = _load_teacher(discover(), "toy", None, ["teacher.threshold=0.2"])
    assert (name, teacher.options.threshold) == ("brightness", 0.2)


def test_a_teacher_is_named_with_its_options():
    name, teacher = _load_teacher(discover(), "brightness", None, ["threshold=0.3"])
    assert (name, teacher.options.threshold) == ("brightness", 0.3)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("brightnes",), "did you mean brightness?"),
        (("brightness", "--set", "treshold=1"), "unknown option; did you mean threshold?"),
        (("brightness", "--set", "threshold=7"), "less than or equal to 1"),
        (("toy", "--set", "teacher.treshold=1"), "unknown option; did you mean threshold?"),
        (("brightness", "--config", "x.yaml"), "a recipe belongs to a domain"),
        (("brightness", "--device", "warp"), "no device 'warp'"),
        (("brightness", "--host", "203.0.113.1"), "cannot listen on 203.0.113.1"),
        (("brightness", "--token-file", "nowhere"), "no token can be read from nowhere"),
    ],
)
def test_what_is_wrong_is_told_in_one_message(cli, arguments, told):
    result = cli("serve-teacher", *arguments)
    assert result.code in (1, 2)
    assert told in " ".join(result.err.split())
    assert "Traceback" not in result.err
    assert result.out == ""


def test_without_a_token_nothing_is_served(cli, monkeypatch):
    monkeypatch.delenv("KDKIT_TEACHER_TOKEN")
    result = cli("serve-teacher", "brightness")
    assert result.code == 2
    assert "secrets.token_urlsafe" in result.err
