"""The server, asked over real connections."""

import asyncio
import http.client
import json
import os
import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest
import torch
from safetensors.numpy import load, save

from kdkit import ComponentOptions, Field, Teacher
from kdkit.errors import KdkitError, PluginError, UsageError
from kdkit.serving import exchange, served
from kdkit.serving import server as serving
from kdkit.serving.exchange import MOST_WAITING, Limits
from kdkit.serving.rate import Rate
from kdkit.serving.served import ServedTeacher
from kdkit.serving.server import TeacherServer
from kdkit.serving.token import Gate, read_token

TOKEN = "a-token-for-the-tests"
INPUTS = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)


class Doubling(Teacher):
    """Twice the input, in halves believed."""

    class Options(ComponentOptions):
        weigh: bool = Field(False, description="Give weights.")

    def build(self):
        weigh = self.options.weigh

        class Network(torch.nn.Module):
            def forward(self, inputs):
                if inputs.shape[-1] != 5:
                    raise RuntimeError("secret layer sizes")
                logits = 2.0 * inputs
                return {"logits": logits, "weight": torch.full_like(logits, 0.5)} if weigh else logits

        return Network()


def _raise(error):
    raise error


class UnspeakableError(Exception):
    def __str__(self):
        raise ValueError


PATIENCE = 600  # seconds
# What a network does, and what its owner reads of it.
FAULTS = {
    "an error": (lambda: _raise(ValueError("secret layer sizes")), "ValueError: secret layer sizes"),
    "an error without words": (lambda: _raise(UnspeakableError()), "its message cannot be read"),
    "the end of the process": (lambda: _raise(SystemExit(3)), "SystemExit: 3"),
    "a panic, as of a library in Rust": (lambda: _raise(BaseException("panicked")), "BaseException: panicked"),
    "KeyboardInterrupt": (lambda: _raise(KeyboardInterrupt()), "KeyboardInterrupt"),
    "a task that is cancelled": (lambda: _raise(asyncio.CancelledError()), "CancelledError"),
    "nothing": (lambda: None, "returns NoneType"),
    "class numbers": (lambda: torch.zeros(3, 4, dtype=torch.long), "class numbers or a mask"),
}


@contextmanager
def serve(
    weigh=False, largest_bytes=10_000, samples_per_minute=100, host="127.0.0.1", largest_sample=1000, teacher=None
):
    teacher = ServedTeacher(teacher or Doubling(Doubling.Options(weigh=weigh)), "doubling", "cpu")
    lines = []
    limits = Limits(largest_bytes, samples_per_minute, largest_sample)
    with TeacherServer((host, 0), teacher, TOKEN, limits, lines.append) as server:
        server.lines = lines
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def connections_of(server):
    """The sockets of connections that this process, as a server, has not closed."""
    port = server.server_address[1]
    return [
        one
        for one in psutil.Process().net_connections("tcp")
        if one.laddr.port == port and one.status != psutil.CONN_LISTEN
    ]


def ask(server, method="POST", path="/logits", body=None, token=TOKEN, **headers):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=PATIENCE)
    authorization = {"Authorization": f"Bearer {token}"} if token else {}
    body = save({"inputs": INPUTS}) if body is None and method == "POST" else body
    connection.request(method, path, body, authorization | headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


def error_of(content):
    return json.loads(content)["error"]


def test_it_answers_what_the_teacher_answers():
    with serve() as server:
        response, content = ask(server)
        assert response.status == 200
        assert response.getheader("Kdkit-Fingerprint") == Doubling().fingerprint()
        arrays = load(content)
        assert arrays["logits"].dtype == np.float32
        np.testing.assert_array_equal(arrays["logits"], 2.0 * INPUTS)
        assert set(arrays) == {"logits"}


def test_it_gives_the_weight_where_the_teacher_does():
    with serve(weigh=True) as server:
        arrays = load(ask(server)[1])
        assert set(arrays) == {"logits", "weight"}
        assert bool((arrays["weight"] == 0.5).all())


def test_the_facts_say_nothing_of_weights_files_or_options():
    with serve() as server:
        facts = json.loads(ask(server, "GET", "/teacher")[1])
        assert set(facts) == {
            "format",
            "kdkit",
            "name",
            "fingerprint",
            "largest_bytes",
            "largest_sample",
            "largest_samples",
        }


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", "ümläut"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/teacher"), ("POST", "/logits"), ("GET", "/nowhere")])
def test_without_the_token_there_is_nothing(method, path, token):
    with serve() as server:
        authorization = {"Authorization": f"Bearer {token}".encode("latin-1")} if token else {}
        response, content = ask(server, method, path, token="", **authorization)
        assert response.status == 401
        assert error_of(content) == "wrong or missing token"


def test_a_request_that_is_too_large_is_refused_unread_and_the_client_is_told():
    with serve(largest_bytes=1000) as server:
        response, content = ask(server, body=b"x" * 5_000_000)
        assert response.status == 413
        assert error_of(content) == "the largest request is 1000 bytes"


def test_a_body_of_unknown_length_is_refused():
    with serve() as server:
        response, _ = ask(server, body=iter([b"x" * 10]))
        assert response.status == 411


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "is not a safetensors file"),
        (b"\x80\x04]\x94.", "is not a safetensors file"),
        (save({"other": INPUTS}), "does not hold one array 'inputs'"),
        (save({"inputs": INPUTS, "more": INPUTS}), "does not hold one array 'inputs'"),
        (save({"inputs": np.zeros((0, 4), np.uint8)}), "does not hold one array 'inputs'"),
        (save({"inputs": np.zeros((2, 4), np.uint8)}), "cannot take inputs uint8 (2, 4)"),
    ],
)
def test_what_is_no_batch_of_samples_is_refused_and_the_network_keeps_its_secrets(body, reason):
    with serve() as server:
        response, content = ask(server, body=body)
        assert response.status == 422
        assert reason in error_of(content)
        assert "secret" not in error_of(content)


def test_a_header_of_a_hundred_thousand_arrays_is_refused_unread(monkeypatch):
    body = save({f"{number}": np.zeros(0, np.uint8) for number in range(100_000)})
    monkeypatch.setattr(served, "load", lambda body: pytest.fail("it was read"))
    with serve(largest_bytes=20_000_000) as server:
        response, content = ask(server, body=body)
        assert response.status == 422 and "4096 bytes at most" in error_of(content)


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_the_network_does_wrong_its_owner_learns_it_and_the_server_goes_on(fault):
    class Broken(Doubling):
        def build(self):
            class Network(torch.nn.Module):
                def forward(self, inputs):
                    if len(inputs) == len(INPUTS):
                        return FAULTS[fault][0]()
                    return 2.0 * inputs

            return Network()

    with serve(teacher=Broken()) as server:
        for _ in range(2):
            response, content = ask(server)
            assert (response.status, error_of(content)) == (422, "the teacher cannot take inputs uint8 (3, 4, 5)")
        assert FAULTS[fault][1] in server.lines[0]
        assert ask(server, body=save({"inputs": INPUTS[:1]}))[0].status == 200


@pytest.mark.parametrize("fingerprint", ["", "../../elsewhere", "two words", "\x1b[2J", "x" * 101, "ü", None, 5])
def test_a_fingerprint_that_is_none_is_refused_before_anything_is_served(fingerprint):
    class Nameless(Doubling):
        def fingerprint(self):
            return fingerprint

    with pytest.raises(PluginError, match=r"fingerprint\(\) gives"):
        ServedTeacher(Nameless(), "nameless", "cpu")


def test_another_path_or_method_is_refused():
    with serve() as server:
        assert ask(server, "GET", "/logits")[0].status == 404
        assert ask(server, "DELETE", "/teacher")[0].status == 405


def test_more_samples_than_a_minute_allows_have_to_wait():
    with serve(samples_per_minute=5) as server:
        assert ask(server)[0].status == 200
        response, content = ask(server)
        assert response.status == 429
        assert 1 <= int(response.getheader("Retry-After")) <= 12
        assert error_of(content) == "at most 5 samples a minute"
        response, _ = ask(server, body=save({"inputs": np.zeros((6, 5), np.uint8)}))
        assert response.status == 413


def test_one_client_more_than_can_wait_is_sent_away():
    with serve() as server:
        server.exchange.waiting = MOST_WAITING
        response, _ = ask(server)
        assert response.status == 503
        assert response.getheader("Retry-After") == "1"


def test_a_client_that_goes_away_half_way_harms_no_one():
    with serve() as server:
        address = server.server_address
        with socket.create_connection(address) as client:
            head = f"POST /logits HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 900\r\n\r\nhalf"
            client.sendall(head.encode())
        assert ask(server)[0].status == 200
        assert not [line for line in server.lines if "failed" in line]


def drip(server, content=b"POST /logits HT"):
    client = socket.create_connection(server.server_address)
    client.sendall(content)
    return client


def test_connections_that_drip_hold_up_no_one_with_the_token():
    with serve() as server, ExitStack() as stack:
        for _ in range(2 * serving.MOST_OF_AN_ADDRESS):
            stack.enter_context(drip(server))
        assert ask(server)[0].status == 200


@pytest.mark.parametrize(
    ("deadline", "content"),
    [
        ("HEAD_SECONDS", b""),
        ("HEAD_SECONDS", b"POST /logits HTTP/1.1\r\nA: b"),
        (
            "BODY_SECONDS",
            f"POST /logits HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
            "Content-Length: 99\r\n\r\nx".encode(),
        ),
    ],
)
def test_whoever_dawdles_is_cut_off(deadline, content, monkeypatch):
    monkeypatch.setattr(serving, deadline, 0.1)
    with serve() as server, drip(server, content) as client:
        client.settimeout(PATIENCE)
        with suppress(ConnectionError):  # it was closed before all was sent
            assert client.recv(1000) == b""  # closed by the server
        assert server.exchange.waiting == 0


def test_fifty_clients_at_once_are_served_or_told_to_come_back():
    results = []
    with serve(samples_per_minute=1000) as server:

        def client():
            response, _ = ask(server)
            results.append((response.status, response.getheader("Retry-After")))

        threads = [threading.Thread(target=client) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(results) == 50  # none was reset
    assert set(results) <= {(200, None), (503, "1")} and (200, None) in results


def test_more_connections_than_there_may_be_are_told_to_come_back(monkeypatch):
    monkeypatch.setattr(serving, "MOST_CONNECTIONS", 0)
    with serve() as server:
        response, content = ask(server)
        assert (response.status, response.getheader("Retry-After")) == (503, "1")
        assert error_of(content) == "too many connections"


def test_a_client_that_takes_nothing_of_its_response_is_cut_off(monkeypatch):
    monkeypatch.setattr(serving, "RESPONSE_SECONDS", 0.1)
    monkeypatch.setattr(serving, "CLOSE_SECONDS", 0.1)
    with serve(largest_bytes=10_000_000, largest_sample=10_000_000) as server, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect(server.server_address)
        body = save({"inputs": np.zeros((1, 1_000_000, 5), np.uint8)})
        head = f"POST /logits HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}"
        client.sendall(f"{head}\r\n\r\n".encode() + body)
        while server._open or connections_of(server):
            time.sleep(0.01)  # its connection is closed, and not kept until the client takes what was sent
        monkeypatch.setattr(serving, "RESPONSE_SECONDS", PATIENCE)
        assert ask(server)[0].status == 200


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no such limit here")
def test_more_connections_than_files_hold_up_no_one_with_the_token(monkeypatch):
    import resource

    monkeypatch.setattr(serving, "_OWN_FILES", 20)
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (50, 50))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: None)  # a hard one could not be raised again
    with serve() as server, ExitStack() as stack:
        assert server._most_open == 15
        for _ in range(40):
            stack.enter_context(drip(server))
        assert ask(server)[0].status == 200
        assert len(server._open) <= 15


def test_one_giant_sample_is_refused():
    with serve() as server:
        response, content = ask(server, body=save({"inputs": np.zeros((1, 400, 5), np.uint8)}))
        assert response.status == 413
        assert error_of(content) == "the largest sample is 1000 bytes"


def test_a_large_request_lets_others_have_their_turn(monkeypatch):
    monkeypatch.setattr(exchange, "TURN_BYTES", 20)
    order = []
    with serve(largest_bytes=100_000) as server:
        infer, entered, go = server.exchange.teacher.infer, threading.Event(), threading.Event()

        def slow(inputs):
            entered.set()
            go.wait(PATIENCE)
            order.append(int(inputs.flat[0]))
            return infer(inputs)

        server.exchange.teacher.infer = slow
        large = threading.Thread(
            target=ask, args=(server,), kwargs={"body": save({"inputs": np.ones((9, 4, 5), np.uint8)})}
        )
        large.start()
        assert entered.wait(PATIENCE)
        small = threading.Thread(
            target=ask, args=(server,), kwargs={"body": save({"inputs": np.full((1, 4, 5), 2, np.uint8)})}
        )
        small.start()
        while server.exchange.waiting < 2:
            time.sleep(0.001)
        go.set()
        large.join()
        small.join()
    assert sorted(order) == [1] * 9 + [2]
    assert order[-1] == 1  # the small one did not wait for the whole large one


def test_a_fault_of_the_server_is_logged_for_its_owner_and_told_to_no_one():
    with serve() as server:

        def broken(inputs):
            raise RuntimeError("/home/owner/secret.pt")

        server.exchange.teacher.infer = broken
        response, content = ask(server)
        assert (response.status, error_of(content)) == (500, "the server failed")
        assert server.lines == ["127.0.0.1  a request failed: RuntimeError: /home/owner/secret.pt"]


@pytest.mark.parametrize(
    "content",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n",
        b"GET /teacher HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET /teacher HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET\0/teacher HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(content):
    with serve() as server, drip(server, content) as client:
        client.settimeout(PATIENCE)
        assert client.recv(1000).startswith(b"HTTP/1.1 400 ")
        assert ask(server)[0].status == 200


def test_the_log_tells_who_asked_for_how_much_and_never_the_token():
    with serve() as server:
        ask(server)
        ask(server, token="wrong-token-of-someone")
        assert server.lines == [
            "127.0.0.1  3 samples uint8 (4, 5)",
            "127.0.0.1  refused (401): wrong or missing token",
        ]


def test_it_listens_on_loopback_of_either_kind():
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with serve(host="::1") as server:
        assert server.url.startswith("http://[::1]:")
        assert ask(server)[0].status == 200


def test_a_port_that_is_taken_is_told():
    teacher = ServedTeacher(Doubling(), "doubling", "cpu")
    with serve() as server, pytest.raises(KdkitError, match="cannot listen on 127"):
        TeacherServer(server.server_address, teacher, TOKEN, Limits(1, 1), print)


def test_a_rate_fills_up_evenly():
    now = [0.0]
    rate = Rate(60, lambda: now[0])
    assert rate.take(60) == 0
    assert rate.take(10) == pytest.approx(10)
    now[0] = 4.0
    assert rate.take(10) == pytest.approx(6)
    now[0] = 10.0
    assert rate.take(10) == 0
    now[0] = 10_000.0
    assert rate.take(61) == pytest.approx(1)


def test_a_gate_opens_for_its_token_only():
    gate = Gate("one-long-secret-word")
    assert gate.opens_for("Bearer one-long-secret-word")
    assert not any(map(gate.opens_for, [None, "", "Bearer ", "one-long-secret-word", "bearer one-long-secret-word"]))


def test_a_token_comes_from_a_file_or_else_from_the_environment(tmp_path):
    file = tmp_path / "token"
    file.write_text("from-the-file-000000\n")
    environment = {"KDKIT_TEACHER_TOKEN": "from-the-environment"}
    assert read_token(file, environment) == "from-the-file-000000"
    assert read_token(None, environment) == "from-the-environment"


@pytest.mark.parametrize("text", ["", "short", "with a blank in the middle", "läßt-sich-nicht-schicken"])
def test_a_token_that_is_none_is_refused(text, tmp_path):
    (tmp_path / "token").write_text(text)
    for file, environment in ((tmp_path / "token", {}), (None, {"KDKIT_TEACHER_TOKEN": text})):
        with pytest.raises(UsageError):
            read_token(file, environment)
    with pytest.raises(UsageError, match="no token can be read"):
        read_token(tmp_path / "missing", {})
