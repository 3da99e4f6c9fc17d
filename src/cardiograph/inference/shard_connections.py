"""Persistent connections to the shards of a reference, one for each thread and address."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

CONNECT_SECONDS = 5.0
"""Time limit of a connection to a shard."""

ANSWER_SECONDS = 30.0
"""Time limit of an answer of a shard."""

_KINDS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}


class ShardConnections:
    """HTTP client with persistent connections: ``http.client`` takes a third of the time of httpx for a request.

    Args:
        headers: Headers of every request.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers, self._kept = dict(headers), threading.local()

    def ask(
        self, address: str, path: str, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Return status and body of the answer to a request: POST with ``content``, else GET.

        A connection that the other side has closed since its last request is opened again.

        Raises:
            OSError, http.client.HTTPException: If the address does not answer.
            ValueError: If it is no address of HTTP.
        """
        kept: dict[str, http.client.HTTPConnection] = self._kept.__dict__.setdefault("by_address", {})
        connection = kept.pop(address, None)
        if connection is not None:
            try:
                return self._answer(kept, address, connection, (path, content, headers))
            except TimeoutError:
                raise
            except (OSError, http.client.HTTPException):
                connection.close()  # it was idle for too long; a fault of the shard shows again below
        return self._answer(kept, address, _opened(address), (path, content, headers))

    def _answer(
        self,
        kept: dict[str, http.client.HTTPConnection],
        address: str,
        connection: http.client.HTTPConnection,
        request: tuple[str, bytes | None, Mapping[str, str] | None],
    ) -> tuple[int, bytes]:
        path, content, headers = request
        try:
            method = "GET" if content is None else "POST"
            connection.request(method, path, content, self._headers | dict(headers or {}))
            answer = connection.getresponse()
            found = answer.status, answer.read()
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:  # the other side keeps it open
            kept[address] = connection
        return found


def _opened(address: str) -> http.client.HTTPConnection:
    parts = urlsplit(address)
    if parts.scheme not in _KINDS or not parts.hostname or parts.path.strip("/"):
        message = f"{address} is no address such as http://host:9000"
        raise ValueError(message)
    connection: http.client.HTTPConnection = _KINDS[parts.scheme](parts.hostname, parts.port, timeout=CONNECT_SECONDS)
    connection.connect()
    connection.sock.settimeout(ANSWER_SECONDS)
    return connection
