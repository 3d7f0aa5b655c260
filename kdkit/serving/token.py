"""The secret that a client has to show."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path

from kdkit.errors import UsageError

VARIABLE = "KDKIT_TEACHER_TOKEN"
SHORTEST = 16
_MAKE = "Make one: python -c 'import secrets; print(secrets.token_urlsafe(32))' > token; chmod 600 token"


def read_token(file: Path | None, environment: Mapping[str, str]) -> str:
    """The token in ``file``, else in the environment variable ``KDKIT_TEACHER_TOKEN``.

    Raises :class:`UsageError` when there is none, or one that is short or not plain text.
    """
    if file is not None:
        try:
            token, where = file.read_text(encoding="ascii").strip(), str(file)
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"no token can be read from {file}: {error}", _MAKE) from error
    else:
        token, where = environment.get(VARIABLE, "").strip(), VARIABLE
        if not token:
            raise UsageError("a teacher is served to those who know a token", f"{_MAKE}, then --token-file token.")
    if len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"the token in {where} is not {SHORTEST} or more plain characters in one word", _MAKE)
    return token


class Gate:
    """Knows a token by its hash alone, and compares in constant time."""

    def __init__(self, token: str) -> None:
        self._digest = _digest(f"Bearer {token}")

    def opens_for(self, authorization: str | None) -> bool:
        """Whether the value of an ``Authorization`` header carries the token."""
        return hmac.compare_digest(_digest(authorization or ""), self._digest)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
