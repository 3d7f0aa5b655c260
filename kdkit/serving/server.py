"""The HTTP server: how many may connect, for how long, and what each connection costs before its token is known.

Built on asyncio, and on h11 for the protocol. A connection takes no thread, and serves one request. Each part of a
request has a deadline, and only a request with the token may send a body.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType

import h11

from kdkit.errors import KdkitError
from kdkit.serving.exchange import Exchange, Limits, RefusedError, Reply, Request
from kdkit.serving.served import ServedTeacher
from kdkit.serving.token import Gate

MOST_CONNECTIONS = 256
MOST_OF_AN_ADDRESS = 64
# Connections that are told to come back, beside those; more are closed without a word.
MOST_TURNED_AWAY = 256
HEAD_SECONDS = 10.0
# A body has so long, and a second more for each of so many bytes.
BODY_SECONDS, SLOWEST = 10.0, 250_000
RESPONSE_SECONDS = 60.0
# Of what a refused client still sends: thrown away, so that it gets to see why.
DISCARD_SECONDS, MOST_DISCARDED = 2.0, 64_000_000
# How long a client has to take the last that was sent to it.
CLOSE_SECONDS = 10.0
# Files that the process has open beside its connections, roughly.
_OWN_FILES = 16
_LONGEST_HEAD = 16_384
_CHUNK = 1 << 16

Log = Callable[[str], None]


class TeacherServer:
    """Serves one teacher until it is closed. ``log`` gets a line for each request."""

    def __init__(
        self, address: tuple[str, int], teacher: ServedTeacher, token: str, limits: Limits, log: Log
    ) -> None:
        """Raises :class:`KdkitError` when the address cannot be used."""
        self.exchange = Exchange(teacher, Gate(token), limits, log)
        self.log = log
        self._most_open = min(MOST_CONNECTIONS, _room_for_connections())
        self._open: dict[asyncio.Task[None], str] = {}
        self._unknown: dict[asyncio.Task[None], None] = {}  # those whose token has not been seen, the oldest first
        self._turned_away = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_stopped = False
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        try:
            self._socket = socket.create_server(address, family=family, backlog=MOST_CONNECTIONS)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise KdkitError(
                f"cannot listen on {address[0]} port {address[1]}: {reason}", "Choose others with --host and --port."
            ) from error

    @property
    def server_address(self) -> tuple[str, int]:
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    @property
    def url(self) -> str:
        host, port = self.server_address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def __enter__(self) -> TeacherServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        self._socket.close()
        self.exchange.close()

    def serve_forever(self) -> None:
        """Serve until :meth:`shutdown` is called by another thread."""
        asyncio.run(self._serve())

    def shutdown(self) -> None:
        """Have :meth:`serve_forever` return; to be called by another thread."""
        self._is_stopped = True
        if self._loop:
            with contextlib.suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._stopped.set)

    async def _serve(self) -> None:
        self._stopped, self._loop = asyncio.Event(), asyncio.get_running_loop()
        if self._is_stopped:
            return
        server = await asyncio.start_server(self._accept, sock=self._socket, limit=_CHUNK)
        try:
            await self._stopped.wait()
        finally:
            server.close()
            for task in list(self._open):
                task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        address = str((writer.get_extra_info("peername") or ["?"])[0])
        connection = _Connection(reader, writer)
        try:
            if self._has_room_for(address):
                self._open[task] = address
                self._unknown[task] = None
                await self._converse(connection, address, task)
            elif self._turned_away < min(MOST_TURNED_AWAY, max(1, self._most_open)):
                self._turned_away += 1
                try:
                    await connection.refuse(RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections", 1))
                finally:
                    self._turned_away -= 1
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # a client that went away, or dawdled, is no fault of the server's
        except Exception as error:
            self.log(f"{address}  a request failed: {type(error).__name__}: {error}")
        finally:
            await connection.close()
            self._open.pop(task, None)
            self._unknown.pop(task, None)

    def _has_room_for(self, address: str) -> bool:
        """Whether one more may connect. Of those who have not shown a token the oldest has to make room."""
        if Counter(self._open.values())[address] >= MOST_OF_AN_ADDRESS:
            return self._drop_oldest(address)
        return len(self._open) < self._most_open or self._drop_oldest("")

    def _drop_oldest(self, address: str) -> bool:
        for task in self._unknown:
            if not address or self._open[task] == address:
                del self._unknown[task], self._open[task]
                task.cancel()
                return True
        return False

    async def _converse(self, connection: _Connection, address: str, task: asyncio.Task[None]) -> None:
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                request = await connection.read_head()
            self.exchange.check(request)
            self._unknown.pop(task, None)
            reply = await self.exchange.answer(request, connection.read_body, address)
            await connection.send(reply)
        except RefusedError as refusal:
            self._unknown.pop(task, None)
            self.log(f"{address}  refused ({refusal.status.value}): {refusal.reason}")
            await connection.refuse(refusal)
        except (OSError, TimeoutError):
            raise
        except Exception as error:
            self.log(f"{address}  a request failed: {type(error).__name__}: {error}")
            await connection.refuse(RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed"))


class _Connection:
    """One request and its response."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=_LONGEST_HEAD)

    async def read_head(self) -> Request:
        """Raises :class:`RefusedError` for what is no request."""
        event = await self._next_event()
        if not isinstance(event, h11.Request):
            raise ConnectionAbortedError("the client went away")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
        return Request(event.method.decode("latin-1"), event.target.decode("latin-1"), headers)

    async def read_body(self, length: int) -> bytes:
        """The whole body, of ``length`` bytes by its header, within its deadline."""
        if self.protocol.they_are_waiting_for_100_continue:
            await self._write(self.protocol.send(h11.InformationalResponse(status_code=100, headers=[])))
        body = bytearray()
        async with asyncio.timeout(BODY_SECONDS + length / SLOWEST):
            while isinstance(event := await self._next_event(), h11.Data):
                body += event.data
        if not isinstance(event, h11.EndOfMessage):
            raise ConnectionAbortedError("the client went away")
        return bytes(body)

    async def send(self, reply: Reply) -> None:
        """Send the response, within its deadline."""
        headers = {
            "Server": "kdkit",
            "Content-Type": reply.kind,
            "Content-Length": str(len(reply.body)),
            "Connection": "close",
            **reply.headers,
        }
        async with asyncio.timeout(RESPONSE_SECONDS):
            head = h11.Response(status_code=reply.status.value, headers=list(headers.items()))
            await self._write(self.protocol.send(head))
            await self._write(self.protocol.send(h11.Data(data=reply.body)))
            await self._write(self.protocol.send(h11.EndOfMessage()))

    async def refuse(self, refusal: RefusedError) -> None:
        """Say why. Closing on a client that still sends would cut off the response that tells it."""
        if self.protocol.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        body = json.dumps({"error": refusal.reason}).encode()
        await self.send(Reply(refusal.status, body, "application/json", refusal.headers()))
        with contextlib.suppress(OSError, TimeoutError):
            self.writer.write_eof()
            async with asyncio.timeout(DISCARD_SECONDS):
                budget = MOST_DISCARDED
                while budget > 0 and (part := await self.reader.read(_CHUNK)):
                    budget -= len(part)

    async def close(self) -> None:
        """End the connection, also one whose client takes nothing of what was sent, and would keep it for ever."""
        self.writer.close()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.writer.wait_closed()
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass
        finally:
            self.writer.transport.abort()

    async def _next_event(self) -> object:
        try:
            while (event := self.protocol.next_event()) is h11.NEED_DATA:
                self.protocol.receive_data(await self.reader.read(_CHUNK))
        except h11.RemoteProtocolError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "not a request by the rules of HTTP/1.1") from error
        return event

    async def _write(self, data: bytes | None) -> None:
        if data:
            self.writer.write(data)
            await self.writer.drain()


def _room_for_connections() -> int:
    """How many connections, and as many that are turned away, this process may have open; it asks for more."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return MOST_CONNECTIONS
    wanted = MOST_CONNECTIONS + MOST_TURNED_AWAY + _OWN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MOST_CONNECTIONS
    with contextlib.suppress(ValueError, OSError):
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _OWN_FILES) // 2)
