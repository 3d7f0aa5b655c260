"""The HTTP server: who may send requests, how many samples, and the response to what is refused.

``GET /teacher`` responds with the teacher's facts as JSON, ``POST /logits`` takes a safetensors file with ``inputs``
and responds with one that holds ``logits`` (and ``weight``, if the teacher gives one). Every request carries
``Authorization: Bearer TOKEN``. The response to a refused one is JSON, ``{"error": ...}``.
"""

from __future__ import annotations

import contextlib
import json
import math
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kdkit.errors import DataError, KdkitError
from kdkit.serving.rate import Rate
from kdkit.serving.served import ServedTeacher, read_inputs
from kdkit.serving.token import Gate

MOST_CONNECTIONS = 64
MOST_WAITING = 8
SILENCE_SECONDS = 30
# Of a body that is refused: read and thrown away, so that the client gets to see why.
MOST_DISCARDED = 64_000_000
FINGERPRINT = "Kdkit-Fingerprint"

Log = Callable[[str], None]


@dataclass(frozen=True)
class Limits:
    """The largest body of a request, in bytes, and how many samples are served in a minute."""

    largest_bytes: int
    samples_per_minute: int


class TeacherServer(ThreadingHTTPServer):
    """Serves one teacher until it is closed. ``log`` gets a line for each request."""

    daemon_threads = True
    block_on_close = False

    def __init__(
        self, address: tuple[str, int], teacher: ServedTeacher, token: str, limits: Limits, log: Log
    ) -> None:
        """Raises :class:`KdkitError` when the address cannot be used."""
        self.teacher = teacher
        self.gate = Gate(token)
        self.limits = limits
        self.rate = Rate(limits.samples_per_minute)
        self.log = log
        self.request_slots = threading.BoundedSemaphore(MOST_WAITING)
        self._connections = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        try:
            super().__init__(address, _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise KdkitError(
                f"cannot listen on {address[0]} port {address[1]}: {reason}", "Choose others with --host and --port."
            ) from error

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        name = f"[{host!s}]" if self.address_family == socket.AF_INET6 else str(host)
        return f"http://{name}:{port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._connections.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no fault of the server's; anything else is logged for its owner."""
        error = sys.exception()
        if not isinstance(error, OSError):
            self.log(f"{client_address[0]}  a request failed: {type(error).__name__}: {error}")


class _RefusedError(Exception):
    def __init__(self, status: HTTPStatus, reason: str, retry_after: float = 0) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "kdkit", ""
    timeout = SILENCE_SECONDS
    server: TeacherServer

    def do_GET(self) -> None:
        self._respond(self._facts, "/teacher")

    def do_POST(self) -> None:
        self._respond(self._logits, "/logits")

    def _respond(self, make_body: Callable[[], tuple[bytes, str]], path: str) -> None:
        self._unread = self.headers.get("Transfer-Encoding") is not None or self.headers.get(
            "Content-Length"
        ) not in (
            None,
            "0",
        )
        try:
            if not self.server.gate.opens_for(self.headers.get("Authorization")):
                raise _RefusedError(HTTPStatus.UNAUTHORIZED, "wrong or missing token")
            if self.path != path:
                raise _RefusedError(HTTPStatus.NOT_FOUND, "there is only GET /teacher and POST /logits")
            body, kind = make_body()
        except _RefusedError as refusal:
            self._refuse(refusal)
            return
        self._send(HTTPStatus.OK, body, kind, {FINGERPRINT: self.server.teacher.fingerprint})

    def _facts(self) -> tuple[bytes, str]:
        limits = self.server.limits
        facts = self.server.teacher.facts() | {
            "largest_bytes": limits.largest_bytes,
            "largest_samples": limits.samples_per_minute,
        }
        return json.dumps(facts).encode(), "application/json"

    def _logits(self) -> tuple[bytes, str]:
        if not self.server.request_slots.acquire(blocking=False):
            raise _RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests at a time", 1)
        try:
            return self._infer(self._body()), "application/octet-stream"
        except DataError as error:
            raise _RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, error.message) from error
        finally:
            self.server.request_slots.release()

    def _body(self) -> bytes:
        """The whole body, which is read only when it is not too large."""
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            raise _RefusedError(HTTPStatus.LENGTH_REQUIRED, "Content-Length is needed")
        largest = self.server.limits.largest_bytes
        if int(length) > largest:
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the largest request is {largest} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionAbortedError("the client went away")
        self._unread = False
        return body

    def _infer(self, body: bytes) -> bytes:
        inputs = read_inputs(body)
        samples, most = len(inputs), self.server.limits.samples_per_minute
        if samples > most:
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {most} samples in a request")
        wait = self.server.rate.take(samples)
        if wait:
            raise _RefusedError(HTTPStatus.TOO_MANY_REQUESTS, f"at most {most} samples a minute", wait)
        response = self.server.teacher.infer(inputs)
        self.server.log(f"{self.client_address[0]}  {samples} samples {inputs.dtype} {inputs.shape[1:]}")
        return response

    def _refuse(self, refusal: _RefusedError) -> None:
        self.server.log(f"{self.client_address[0]}  refused ({refusal.status.value}): {refusal.reason}")
        headers = {"Retry-After": str(math.ceil(refusal.retry_after))} if refusal.retry_after else {}
        if refusal.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        if self._unread:
            headers["Connection"] = "close"
        self._send(refusal.status, json.dumps({"error": refusal.reason}).encode(), "application/json", headers)
        if self._unread:
            self._discard()

    def _send(self, status: HTTPStatus, body: bytes, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _discard(self) -> None:
        """Closing on a client that still sends would cut off the response that tells it why."""
        with contextlib.suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(1)
            budget = MOST_DISCARDED
            while budget > 0 and (part := self.connection.recv(min(budget, 1 << 16))):
                budget -= len(part)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Requests are logged with their samples; lines of the protocol are not."""
