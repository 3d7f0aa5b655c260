"""A teacher that someone else runs."""

from __future__ import annotations

import ipaddress
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import field_validator, model_validator

from kdkit import ComponentOptions, Field, InputFile, KdkitError, Teacher, fingerprint_of

if TYPE_CHECKING:
    from typing import Self

    import torch

    from kdkit_teachers.connection import Connection

TOKEN_VARIABLE = "KDKIT_TEACHER_TOKEN"  # noqa: S105  # the name of the variable, not a token


class Remote(Teacher):
    """A teacher behind ``kdkit serve-teacher``: it gives answers, and neither weights nor gradients.

    Inputs and answers are those of the teacher that is served. Samples and answers travel as safetensors over HTTP,
    nothing that is received is executed. A server that does not answer is asked again, after pauses that double and
    differ by chance, for as long as ``patience`` says; then the run stops, keeps every whole shard of answers, and
    goes on there when the same command is given again.

    The answers are kept under the fingerprint that the server declares, so that those of another model never mix with
    them, whatever the address. While that is not given as ``expect``, the server is asked for it in every run.
    """

    gradients = False
    remote = True
    incidental = frozenset({"url", "token_file", "patience", "timeout", "expect", "plain_http"})

    class Options(ComponentOptions):
        url: str = Field(description="Address of the server, for example http://127.0.0.1:8470.")
        token_file: InputFile | None = Field(
            None, description=f"File with the token; null takes it from the environment variable {TOKEN_VARIABLE}."
        )
        expect: str | None = Field(
            None,
            min_length=1,
            description="Fingerprint that the server must declare. Given, finished answers are used without it.",
        )
        patience: float = Field(120.0, ge=0, description="Seconds to wait for a server that does not answer.")
        timeout: float = Field(300.0, gt=0, description="Seconds that one answer may take.")
        plain_http: bool = Field(
            False, description="Allow http:// to another machine, where others on the way can read the token."
        )

        @field_validator("url")
        @classmethod
        def _is_address(cls, url: str) -> str:
            parts = urlsplit(url)
            try:
                usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
            except ValueError:
                usable = False
            if not usable or parts.username or parts.query or parts.fragment:
                raise ValueError("an address such as http://127.0.0.1:8470 or https://host/path")
            return url.rstrip("/")

        @model_validator(mode="after")
        def _is_private(self) -> Self:
            parts = urlsplit(self.url)
            if parts.scheme == "http" and not self.plain_http and not _is_loopback(parts.hostname or ""):
                raise ValueError(
                    "http:// to another machine shows the token to others on the way: use https://, a "
                    "tunnel to 127.0.0.1, or plain_http: true"
                )
            return self

    def fingerprint(self) -> str:
        """As :meth:`Teacher.fingerprint`, and what the server declares."""
        declared = self.options.expect or self._facts["fingerprint"]
        return fingerprint_of(component=super().fingerprint(), declared=declared)

    def build(self) -> torch.nn.Module:
        from kdkit_teachers.remote_network import RemoteNetwork

        facts, expected = self._facts, self.options.expect
        if expected and facts["fingerprint"] != expected:
            raise KdkitError(
                f"{self.options.url} serves the teacher {facts['fingerprint']}, not {expected}",
                "Set teacher.expect to the one that is meant; its answers are then kept apart.",
            )
        return RemoteNetwork(self._connection, facts)

    @cached_property
    def _facts(self) -> dict[str, Any]:
        return self._connection.facts()

    @property
    def _connection(self) -> Connection:
        from kdkit_teachers.connection import Connection

        options = self.options
        return Connection(options.url, _token(options.token_file), options.patience, options.timeout)


def _token(file: Path | None) -> str:
    try:
        token = file.read_text(encoding="ascii").strip() if file else os.environ.get(TOKEN_VARIABLE, "").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KdkitError(f"no token can be read from {file}: {error}") from error
    if not token or not token.isprintable():
        raise KdkitError(
            "the remote teacher answers only to those who know its token",
            f"Set teacher.token_file to a file with it, or the environment variable {TOKEN_VARIABLE}.",
        )
    return token


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
