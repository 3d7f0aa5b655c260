"""From a request to its reply: who may ask, for how much, and what is said of what is refused.

``GET /teacher`` responds with the teacher's facts as JSON, ``POST /logits`` takes a safetensors file with ``inputs``
and responds with one that holds ``logits`` (and ``weight``, if the teacher gives one). Every request carries
``Authorization: Bearer TOKEN``. The response to a refused one is JSON, ``{"error": ...}``.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus

import numpy as np

from kdkit.errors import DataError, KdkitError
from kdkit.plugins.guard import describe_error
from kdkit.serving.rate import Rate
from kdkit.serving.served import Arrays, ServedTeacher, encode, read_inputs
from kdkit.serving.token import Gate

MOST_WAITING = 8
FINGERPRINT = "Kdkit-Fingerprint"
# Requests take turns after so many bytes of samples, so that a large one holds up no small one for long.
TURN_BYTES = 4_000_000
_PATHS = {"GET": "/teacher", "POST": "/logits"}


@dataclass(frozen=True)
class Limits:
    """The largest body of a request and the largest sample, in bytes, and how many samples are served in a minute."""

    largest_bytes: int
    samples_per_minute: int
    largest_sample: int = 16_000_000


@dataclass(frozen=True)
class Request:
    """``headers``: by their names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """A response that is to be sent."""

    status: HTTPStatus
    body: bytes
    kind: str
    headers: Mapping[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """A request that is not served; the reason is told to the client, so it says nothing of the server's inside."""

    def __init__(self, status: HTTPStatus, reason: str, retry_after: float = 0) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after

    def headers(self) -> dict[str, str]:
        """Those that belong to its status."""
        headers = {"Retry-After": str(math.ceil(self.retry_after))} if self.retry_after else {}
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        return headers


class Exchange:
    """Answers requests for one teacher, whose network runs in one thread, one turn after the other."""

    def __init__(self, teacher: ServedTeacher, gate: Gate, limits: Limits, log: Callable[[str], None]) -> None:
        self.teacher = teacher
        self.gate = gate
        self.limits = limits
        self.log = log
        self.rate = Rate(limits.samples_per_minute)
        self.waiting = 0
        self._thread = ThreadPoolExecutor(1, "teacher")
        self._turns: set[Future[Arrays]] = set()

    def close(self) -> None:
        """Wait for no turn that has not begun."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def is_idle(self, patience: float) -> bool:
        """Whether the turn under way has ended within so many seconds; a network may take for ever."""
        return not concurrent.futures.wait(list(self._turns), patience).not_done

    def check(self, request: Request) -> None:
        """Raise :class:`RefusedError` for one without the token, or for what there is not; its body is unread."""
        if not self.gate.opens_for(request.headers.get("authorization")):
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "wrong or missing token")
        if request.method not in _PATHS:
            raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "there is only GET /teacher and POST /logits")
        if request.target != _PATHS[request.method]:
            raise RefusedError(HTTPStatus.NOT_FOUND, "there is only GET /teacher and POST /logits")

    async def answer(self, request: Request, read_body: Callable[[int], Awaitable[bytes]], address: str) -> Reply:
        """The reply to a request that was checked. Raises :class:`RefusedError`."""
        own = {FINGERPRINT: self.teacher.fingerprint}
        if request.method == "GET":
            return Reply(HTTPStatus.OK, json.dumps(self._facts()).encode(), "application/json", own)
        length = self._length(request.headers)
        if self.waiting >= MOST_WAITING:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests at a time", 1)
        self.waiting += 1
        try:
            inputs = self._inputs(await read_body(length))
            outputs = await self._infer(inputs)
        except DataError as error:
            if error.__cause__:
                self.log(f"{address}  {_reason(error.__cause__)}")
            raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, error.message) from error
        finally:
            self.waiting -= 1
        self.log(f"{address}  {len(inputs)} samples {inputs.dtype} {inputs.shape[1:]}")
        return Reply(HTTPStatus.OK, encode(outputs), "application/octet-stream", own)

    def _facts(self) -> dict[str, object]:
        limits = self.limits
        return self.teacher.facts() | {
            "largest_bytes": limits.largest_bytes,
            "largest_sample": limits.largest_sample,
            "largest_samples": limits.samples_per_minute,
        }

    def _length(self, headers: Mapping[str, str]) -> int:
        text = headers.get("content-length", "")
        if "transfer-encoding" in headers or not (text.isascii() and text.isdigit()):
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "Content-Length is needed")
        largest = self.limits.largest_bytes
        if len(text) > len(str(largest)) or int(text) > largest:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the largest request is {largest} bytes")
        return int(text)

    def _inputs(self, body: bytes) -> np.ndarray:
        inputs = read_inputs(body)
        samples, most, largest = len(inputs), self.limits.samples_per_minute, self.limits.largest_sample
        if samples > most:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {most} samples in a request")
        if inputs[0].nbytes > largest:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the largest sample is {largest} bytes")
        wait = self.rate.take(samples)
        if wait:
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, f"at most {most} samples a minute", wait)
        return inputs

    async def _infer(self, inputs: np.ndarray) -> Arrays:
        """The outputs for a batch, turn by turn: between two of them other requests have theirs."""
        size = max(1, TURN_BYTES // max(1, inputs[0].nbytes))
        turns = [await self._take_turn(inputs[at : at + size]) for at in range(0, len(inputs), size)]
        return {name: np.concatenate([turn[name] for turn in turns]) for name in turns[0]}

    async def _take_turn(self, inputs: np.ndarray) -> Arrays:
        turn = self._thread.submit(self.teacher.infer, inputs)
        self._turns.add(turn)
        turn.add_done_callback(self._turns.discard)
        return await asyncio.wrap_future(turn)


def _reason(cause: BaseException) -> str:
    """What the owner of the network learns of a request that it could not answer."""
    return cause.line if isinstance(cause, KdkitError) else describe_error(cause)
