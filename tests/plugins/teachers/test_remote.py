"""A teacher behind a server that runs for real, goes away and comes back."""

import json
import os
import re
import signal
import socket
import threading
from contextlib import contextmanager, suppress
from functools import cached_property
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from kdkit_teachers import connection
from kdkit_teachers.callable import FromCallable
from kdkit_teachers.connection import Connection
from kdkit_teachers.ensemble import Ensemble
from kdkit_teachers.remote import Remote
from kdkit_teachers.remote_network import RemoteNetwork
from pydantic import ValidationError
from safetensors.numpy import save

from kdkit import DataError, KdkitError
from kdkit.serving.exchange import Limits
from kdkit.serving.rate import Rate
from kdkit.serving.served import ServedTeacher
from kdkit.serving.server import TeacherServer
from kdkit.stages.pipeline import run_stages
from kdkit.testing import TeacherContract

TOKEN = "a-token-for-the-tests"
INPUTS = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 8, 8), dtype=np.uint8))
BRIGHTNESS = FromCallable.example_options(Path())


@contextmanager
def served(teacher=None, largest_bytes=100_000, samples_per_minute=1000, port=0):
    teacher = teacher or FromCallable(FromCallable.Options(**BRIGHTNESS))
    limits = Limits(largest_bytes, samples_per_minute)
    answering = ServedTeacher(teacher, "brightness", "cpu")
    with TeacherServer(("127.0.0.1", port), answering, TOKEN, limits, lambda line: None) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def token(home, monkeypatch):
    monkeypatch.setenv("KDKIT_TEACHER_TOKEN", TOKEN)


@pytest.fixture
def pauses(monkeypatch):
    """The pauses between attempts, which take no time here."""
    slept = []
    monkeypatch.setattr(connection, "sleep", slept.append)
    return slept


def remote(url, **options):
    return Remote(Remote.Options(url=url, **options))


def expected():
    return FromCallable(FromCallable.Options(**BRIGHTNESS)).build()(INPUTS)


class TestRemote(TeacherContract):
    component = Remote
    inputs = INPUTS.numpy()[:2]
    output_shape = (8, 8)

    @pytest.fixture(autouse=True)
    def server(self):
        with served() as server:
            type(self).url = server.url
            yield

    @cached_property
    def options(self):
        (self.folder / "token").write_text(TOKEN)
        return {"url": self.url, "token_file": self.folder / "token"}


def test_it_answers_what_the_served_teacher_answers_in_requests_that_fit():
    with served(largest_bytes=1130) as server:  # two samples of 64 bytes
        asked = []
        network = remote(server.url).build()
        answers = network.connection.answers
        network.connection.answers = lambda part, fingerprint: asked.append(len(part)) or answers(part, fingerprint)
        torch.testing.assert_close(network(INPUTS), expected())
        assert asked == [2, 2, 1]


def test_it_gives_the_weights_of_an_ensemble():
    members = [
        {"name": "callable", **BRIGHTNESS},
        {"name": "callable", **BRIGHTNESS, "arguments": {"threshold": 0.7}},
    ]
    ensemble = Ensemble(Ensemble.Options.model_validate({"members": members, "activation": "sigmoid"}))
    with served(ensemble) as server:
        found, wanted = remote(server.url).build()(INPUTS), ensemble.build()(INPUTS)
        torch.testing.assert_close(found, wanted)


def test_it_gives_no_gradients_and_is_elsewhere():
    assert (Remote.gradients, Remote.remote) == (False, True)


def test_its_fingerprint_is_the_server_s_whatever_the_address():
    darker = FromCallable(FromCallable.Options(**{**BRIGHTNESS, "arguments": {"threshold": 0.1}}))
    with served() as one, served() as same, served(darker) as other:
        fingerprints = [remote(server.url).fingerprint() for server in (one, same, other)]
        assert fingerprints[0] == fingerprints[1] != fingerprints[2]
        declared = one.exchange.teacher.fingerprint
        assert remote("http://127.0.0.1:9", expect=declared).fingerprint() == fingerprints[0]  # no one is asked
        with pytest.raises(KdkitError, match="serves the teacher .*, not " + declared):
            remote(other.url, expect=declared).build()


def test_another_teacher_at_the_same_address_is_noticed():
    with served() as server:
        network = remote(server.url).build()
        server.exchange.teacher.fingerprint = "another"
        with pytest.raises(KdkitError, match="another teacher has begun to answer"):
            network(INPUTS)


def test_a_wrong_token_is_told_at_once(pauses, monkeypatch):
    monkeypatch.setenv("KDKIT_TEACHER_TOKEN", "a-token-of-someone-else")
    with served() as server, pytest.raises(KdkitError, match="does not accept the token"):
        remote(server.url).build()
    monkeypatch.delenv("KDKIT_TEACHER_TOKEN")
    with pytest.raises(KdkitError, match="only to those who know its token"):
        remote("http://127.0.0.1:9").build()
    assert pauses == []


def test_a_sample_that_is_too_large_is_told():
    with served(largest_bytes=1010) as server, pytest.raises(DataError, match="a sample of 64 bytes is larger"):
        remote(server.url).build()(INPUTS)


def test_what_the_teacher_cannot_take_is_told():
    broken = FromCallable(FromCallable.Options(path="kdkit_teachers.combining:majority"))
    with served(broken) as server, pytest.raises(DataError, match=r"cannot take inputs uint8 \(5, 8, 8\)"):
        remote(server.url).build()(INPUTS)


def test_a_server_that_is_away_is_asked_again_after_longer_and_longer_pauses(pauses, monkeypatch):
    with pytest.raises(KdkitError, match=r"does not answer: .*Connection refused") as caught:
        Connection("http://127.0.0.1:9", TOKEN, 1e-3, 1).facts()
    assert pauses == []
    assert "kept" in caught.value.remedy

    class StoppedError(Exception):
        pass

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 9:
            raise StoppedError

    monkeypatch.setattr(connection, "sleep", sleep)
    with pytest.raises(StoppedError):
        Connection("http://127.0.0.1:9", TOKEN, 1e9, 1).facts()
    full = [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert all(most / 2 <= pause <= most for most, pause in zip(full, pauses, strict=True))
    assert len({pause / most for most, pause in zip(full, pauses, strict=True)}) == 9


def test_a_rate_limit_is_waited_out(pauses, monkeypatch):
    now = [0.0]
    with served(samples_per_minute=6) as server:
        server.exchange.rate = Rate(6, lambda: now[0])
        network = remote(server.url, patience=0).build()
        network(INPUTS)

        def minute_passes(seconds):
            pauses.append(seconds)
            now[0] += 60

        monkeypatch.setattr(connection, "sleep", minute_passes)
        network(INPUTS)
        assert len(pauses) == 1
        assert pauses[0] >= 1


@contextmanager
def answering(status, body, headers):
    """Some other web server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            seen.append(self.headers.get("Authorization"))
            self.send_response(status)
            for name, value in {"Content-Length": len(body), **headers}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815  # the server's own name for it

        def log_message(self, *_):
            pass

    seen = []
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, b"<html>", "is not a teacher's server"),
        (200, b'{"format": 99, "fingerprint": "a", "largest_bytes": 1, "largest_samples": 1}', "is not a teacher's"),
        (404, b"", r"refuses \(404\)"),
        (500, b"", r"refuses \(500\)"),
    ],
)
def test_what_is_no_teacher_s_server_is_told(status, body, told):
    with answering(status, body, {}) as (url, _), pytest.raises(KdkitError, match=told):
        remote(url).build()


def test_the_token_is_not_taken_along_to_another_server():
    with answering(200, b"", {}) as (elsewhere, seen):
        with answering(302, b"", {"Location": f"{elsewhere}/teacher"}) as (url, _), pytest.raises(KdkitError):
            remote(url).build()
        assert seen == []


@contextmanager
def sending(*parts, endless=b""):
    """A server that sends these bytes to whoever asks, then ``endless`` again and again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        stopped = threading.Event()

        def run():
            while not stopped.is_set():
                with suppress(OSError), listener.accept()[0] as client:
                    client.settimeout(600)
                    client.recv(65536)
                    for part in parts:
                        client.sendall(part)
                    while endless and not stopped.wait(0.02 if len(endless) == 1 else 0):
                        client.sendall(endless)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        stopped.set()
        thread.join()


OK = b"HTTP/1.1 200 OK\r\n"
NESTED = b"[" * 90_000 + b"]" * 9_000
HOSTILE = {
    "a length of a thousand terabytes": (
        [OK, b"Content-Length: 1000000000000000\r\n\r\n{"],
        b"",
        "more than 100,000 bytes",
    ),
    "a body without an end": ([OK, b"\r\n"], b"x" * 65536, "more than 100,000 bytes"),
    "chunks without an end": (
        [OK, b"Transfer-Encoding: chunked\r\n\r\n"],
        b"ffff\r\n" + b"x" * 65535 + b"\r\n",
        "more than",
    ),
    "JSON that is nested": ([OK, b"Content-Length: 99000\r\n\r\n", NESTED], b"", "is not a teacher's server"),
    "a pause of aeons": (
        [b"HTTP/1.1 429 No\r\nRetry-After: 1" + b"0" * 30 + b"\r\n\r\n"],
        b"",
        "puts this off for 1000000000 s",
    ),
    "a pause that is no number": (
        [b"HTTP/1.1 429 No\r\nRetry-After: " + b"9" * 5000 + b"\r\n\r\n"],
        b"",
        "puts this off",
    ),
    "headers that drip": ([OK, b"A: "], b"b", r"no whole answer within 0.5 s"),
    "a body that drips": ([OK, b"Content-Length: 90000\r\n\r\n"], b"b", r"no whole answer within 0.5 s"),
    "a body without a length that drips": ([OK, b"\r\n"], b"b", r"no whole answer within 0.5 s"),
    "a header without an end": ([OK, b"A: "], b"b" * 65536, "does not answer"),
    "less than it said": ([OK, b"Content-Length: 50\r\n\r\n{}"], b"", "does not answer"),
    "no protocol": ([b"\x00\xff" * 100 + b"\r\n\r\n"], b"", "does not answer"),
    "codes of a terminal": (
        [b'HTTP/1.1 403 No\r\n\r\n{"error": "\\u001b[2J\\u001b]0;x\\u0007"}'],
        b"",
        r"refuses \(403\): \?\[2J\?\]0;x\?",
    ),
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_server_ends_in_one_message(attack, pauses):
    parts, endless, told = HOSTILE[attack]
    with sending(*parts, endless=endless) as url, pytest.raises(KdkitError, match=told) as caught:
        remote(url, patience=0, timeout=0.5 if "0.5 s" in told else 600).build()
    assert all(c.isprintable() for c in caught.value.message)
    assert sum(pauses) < 1000


@pytest.mark.parametrize(
    "body",
    [b"\x80\x04]\x94.", save({"logits": np.zeros((4, 2), np.float32)}), save({"logits": np.zeros((5, 2))}), save({})],
)
def test_what_is_no_answer_is_refused(body):
    facts = {"fingerprint": "f", "largest_bytes": 10_000, "largest_samples": 10}
    with (
        answering(200, body, {"Kdkit-Fingerprint": "f"}) as (url, _),
        pytest.raises(DataError, match="something else"),
    ):
        RemoteNetwork(Connection(url, TOKEN, 0, 5), facts)(INPUTS)


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:8470", "ftp://127.0.0.1", "http://", "http://u:p@127.0.0.1", "http://127.0.0.1:x", "http://h?q=1"],
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(ValidationError, match="an address such as"):
        Remote.Options(url=url, plain_http=True)


def test_a_token_is_not_sent_in_plain_to_another_machine_unasked():
    with pytest.raises(ValidationError, match="shows the token"):
        Remote.Options(url="http://hospital.example")
    Remote.Options(url="http://hospital.example", plain_http=True)
    Remote.Options(url="https://hospital.example/teacher")


SMALL = ("samples.train=4", "samples.validation=2", "samples.evaluation=2", "training.epochs=1")


@pytest.fixture
def serve(process):
    """Run ``kdkit serve-teacher brightness`` on a port; returns the process and the address."""

    def start(port=0):
        server = process("serve-teacher", "brightness", "--port", port, "--set", "threshold=0.4")
        return server, re.search(r"http://[\d.:]+", server.stderr.readline())[0]

    return start


@pytest.mark.slow
def test_labelling_goes_on_when_a_killed_server_is_back(toy, toy_run, serve, monkeypatch):
    server, url = serve()
    settings = [*SMALL, f"teacher={{name: remote, url: '{url}', patience: 0}}"]
    answered = Connection.answers

    def stored():
        return {path: path.read_bytes() for path in (toy / "store" / "targets").rglob("*.safetensors")}

    def killed_half_way(self, inputs, fingerprint):
        if stored():
            os.kill(server.pid, signal.SIGKILL)
            server.wait()
        return answered(self, inputs, fingerprint)

    run = toy_run(toy, *settings)
    with monkeypatch.context() as patch:
        patch.setattr(Connection, "answers", killed_half_way)
        with pytest.raises(KdkitError, match="does not answer"):
            run_stages(run, last="label")
    kept = stored()
    assert len(kept) == 1

    back, again = serve(url.rpartition(":")[2])
    assert again == url
    run = toy_run(toy, *settings)
    assert run_stages(run, last="label") == ["label"]
    assert all(part.is_whole() for part in run.labelled_splits())
    assert len(stored()) > 1
    assert kept.items() <= stored().items()

    # With its fingerprint named, the finished answers are used when the server is gone for good.
    os.kill(back.pid, signal.SIGINT)
    assert back.wait(timeout=600) == 0
    named = toy_run(toy, *settings, f"teacher.expect={remote_fingerprint(run)}")
    assert run_stages(named) == ["distill", "predict", "evaluate", "report"]
    models = json.loads(named.folder.models_file.read_text())
    assert {"weights", "items_per_second", "bytes"} <= set(models["teacher"])
    assert set(models["teacher"].values()) == {None}


def remote_fingerprint(run):
    return run.experiment.teacher._facts["fingerprint"]
