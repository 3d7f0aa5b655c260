"""``kdkit serve-teacher``: which teacher, and what is refused before anything listens."""

import http.client
import os
import re
import signal
import threading
from contextlib import suppress

import numpy as np
import pytest
from kdkit_cli.serve_command import _load_teacher
from safetensors.numpy import save

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


HANGING = """
import time

def answer(inputs):
    print("asked", flush=True)
    time.sleep(1000)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_is_stopped_ends_whatever_its_network_does(process, tmp_path, monkeypatch, number):
    (tmp_path / "hanging.py").write_text(HANGING)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]]))
    command = process("serve-teacher", "callable", "--set", "path=hanging:answer", "--port", 0)
    shown = ""
    while not (address := re.search(r"http://(127.0.0.1:\d+)", shown)):
        line = command.stderr.readline()
        assert line, shown
        shown += line

    def ask():
        connection = http.client.HTTPConnection(address[1])
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with suppress(OSError, http.client.HTTPException):
            connection.request("POST", "/logits", save({"inputs": np.zeros((1, 2), np.uint8)}), headers)
            connection.getresponse()

    threading.Thread(target=ask, daemon=True).start()
    while "asked" not in command.stdout.readline():
        pass
    command.send_signal(number)
    _, rest = command.communicate(timeout=600)
    assert command.returncode == 0
    assert "stopped" in rest and "Traceback" not in rest
