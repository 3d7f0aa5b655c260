"""Asking a teacher's server, again and again if need be."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import socket
import time
from dataclasses import dataclass
from threading import Event, Timer
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from kdkit import DataError, KdkitError, largest_bytes

FORMAT = 1
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
# Answered by a server that is busy, or by what stands before one that is away.
_TRY_AGAIN = {429, 502, 503, 504}
# Bytes of what a server says of its teacher, or of a refusal; answers are bounded as files are.
MOST_TOLD = 100_000
# Of the safetensors file in an answer, which holds two arrays at most; one of many takes minutes to be read.
LONGEST_HEADER = 4096
_CHUNK = 1 << 16
# Seconds that one request may be put off by a server that says when to come back; at most so many times in all.
LEAST_PUT_OFF, MOST_PUT_OFF = 60.0, 10
_KEPT = "What was answered so far is kept; give the same command again when the server is back."


@dataclass(frozen=True)
class Response:
    """What came back: status, headers with lower-case names, body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """Knows where the server is, and the token. Redirections, which would take the token along, are not followed."""

    def __init__(self, url: str, token: str, patience: float, timeout: float) -> None:
        self.url = url
        self.patience = patience
        self.timeout = timeout
        self._token = token

    def facts(self) -> dict[str, Any]:
        """What the server says of its teacher: ``fingerprint``, ``name``, and its limits.

        Raises :class:`kdkit.KdkitError` when it does not answer, refuses, or is something else.
        """
        body = self._asked("GET", "/teacher", b"").body
        try:
            facts = json.loads(body)
            usable = facts["format"] == FORMAT and all(
                isinstance(facts[key], kind)
                for key, kind in (("fingerprint", str), ("largest_bytes", int), ("largest_samples", int))
            )
            usable = usable and facts["fingerprint"].isprintable() and len(facts["fingerprint"]) <= 200
        except (ValueError, KeyError, TypeError, RecursionError):
            usable = False
        if not usable:
            raise KdkitError(
                f"{self.url} is not a teacher's server that this version can talk to",
                "Check the address, and that both sides have the same version of kdkit.",
            )
        return dict(facts)

    def answers(self, inputs: np.ndarray, fingerprint: str) -> dict[str, np.ndarray]:
        """The arrays ``answer`` and perhaps ``weight`` for a batch of raw inputs.

        Raises :class:`kdkit.KdkitError` as :meth:`facts` does, and when another teacher than ``fingerprint`` answers;
        :class:`kdkit.DataError` when the teacher cannot take the inputs, or its answer is none.
        """
        response = self._asked("POST", "/logits", save({"inputs": np.ascontiguousarray(inputs)}))
        if response.headers.get("kdkit-fingerprint") != fingerprint:
            raise KdkitError(
                f"another teacher has begun to answer at {self.url}",
                "What was answered so far is kept; the same command again makes answers of the new one, apart.",
            )
        try:
            if int.from_bytes(response.body[:8], "little") > LONGEST_HEADER:
                raise ValueError("a header of many arrays")
            arrays = load(response.body)
            usable = "logits" in arrays and all(
                array.dtype == np.float32 and array.shape[:1] == inputs.shape[:1] for array in arrays.values()
            )
        except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, OverflowError, MemoryError):
            usable = False
        if not usable:
            raise DataError(f"{self.url} answers with something else than an answer to {len(inputs)} samples")
        return arrays

    def _asked(self, method: str, path: str, body: bytes) -> Response:
        """The response to a request, which is repeated until there is one or patience has run out."""
        pause, end = FIRST_PAUSE, time.monotonic() + self.patience
        put_off = 0.0
        while True:
            try:
                response = self._once(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                reason = _printable(str(error)) or type(error).__name__
            else:
                if response.status not in _TRY_AGAIN:
                    return self._accepted(response)
                if response.status == 429:
                    # The server is there and says when: waiting for that is no sign of trouble, within bounds.
                    wait = _retry_after(response)
                    put_off += wait
                    longest = max(LEAST_PUT_OFF, self.patience)
                    if wait > longest or put_off > MOST_PUT_OFF * longest:
                        raise KdkitError(
                            f"the teacher at {self.url} puts this off for {min(wait, 1e9):.0f} s, "
                            f"and teacher.patience is {self.patience:.0f} s",
                            _KEPT,
                        )
                    sleep(wait)
                    pause, end = FIRST_PAUSE, time.monotonic() + self.patience
                    continue
                reason = _told(response)
            wait = pause * random.uniform(0.5, 1)  # noqa: S311  # so that clients do not return in step
            if time.monotonic() + wait > end:
                raise KdkitError(f"the teacher at {self.url} does not answer: {reason}", _KEPT)
            sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _once(self, method: str, path: str, body: bytes) -> Response:
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self.timeout)
        # The time-out of a socket holds for each piece: one byte in a minute would never come to it.
        overdue, sockets = Event(), list[socket.socket]()
        watch = Timer(self.timeout, _cut_off, [connection, sockets, overdue])
        watch.daemon = True
        watch.start()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/octet-stream"}
        try:
            connection.connect()
            sockets.append(connection.sock)  # which a response without a length takes away from the connection
            if overdue.is_set():  # the watch came before there was a socket to shut
                raise TimeoutError
            connection.request(method, f"{parts.path}{path}", body or None, headers)
            with connection.getresponse() as response:
                named = {name.lower(): value for name, value in response.getheaders()}
                most = largest_bytes() if response.status == 200 and method == "POST" else MOST_TOLD
                whole = Response(response.status, named, self._read(response, most))
            if overdue.is_set():  # what was cut off may look whole
                raise TimeoutError
            return whole
        except (OSError, http.client.HTTPException) as error:
            if overdue.is_set() or isinstance(error, TimeoutError):
                raise TimeoutError(f"no whole answer within {self.timeout:g} s (teacher.timeout)") from error
            raise
        finally:
            watch.cancel()
            connection.close()

    def _read(self, response: http.client.HTTPResponse, most: int) -> bytes:
        """The body, of ``most`` bytes at most, whatever the header says of its length."""
        body = bytearray()
        if response.length is None or response.length <= most:
            while len(body) <= most and (part := response.read1(_CHUNK)):
                body += part
            if not response.length and len(body) <= most:  # what was still missing
                return bytes(body)
            if len(body) <= most:
                raise http.client.IncompleteRead(bytes(body[:0]), response.length)
        raise DataError(
            f"{self.url} sends an answer of more than {most:,} bytes",
            "That is no teacher's answer: check teacher.url.",
        )

    def _accepted(self, response: Response) -> Response:
        if response.status == 200:
            return response
        if response.status == 401:
            raise KdkitError(
                f"{self.url} does not accept the token", "Ask for the right one; see teacher.token_file."
            )
        if response.status == 422:
            raise DataError(f"{self.url}: {_told(response)}", "Its owner knows what it takes.")
        raise KdkitError(f"{self.url} refuses ({response.status}): {_told(response)}", "Check teacher.url.")


def sleep(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)


def _retry_after(response: Response) -> float:
    text = response.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 300 else FIRST_PAUSE


def _printable(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _cut_off(connection: http.client.HTTPConnection, sockets: list[socket.socket], overdue: Event) -> None:
    overdue.set()
    for one in (*sockets, connection.sock):
        if one:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def _told(response: Response) -> str:
    try:
        text = str(json.loads(response.body)["error"])[:200]
        return _printable(text)
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"HTTP status {response.status}"
