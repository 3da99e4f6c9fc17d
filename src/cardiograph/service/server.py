"""The process that listens: uvicorn, with a limit of time for a request's headers, and an end that finishes what runs."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from cardiograph.errors import ConfigError, RecordsError
from cardiograph.service.state import Serving

HEAD_SECONDS = 10.0
"""From the first byte of a request, or from the connection, to the end of its headers."""

IDLE_SECONDS = 5
"""How long a connection may rest between requests."""

UNREAD_SECONDS = 30.0
"""How long an answer may wait for its client to read the next ``UNREAD_BYTES``, or the rest."""

UNREAD_BYTES = 256 << 10

READ_BYTES = 64 << 10
"""What is taken from a connection at a time: parsing it holds up all others."""

CHUNK_BYTES = 64
"""Size below which a chunk of a body counts as small: it takes far longer to parse than its bytes."""

SMALL_CHUNKS = 2048
"""Small chunks that a body may have in a row, so to speak: larger ones make up for them."""

CONNECTIONS = 512
"""Connections at a time; above, requests are answered 503 at once."""


class FrugalConnection(h11.Connection):
    """HTTP/1.1 that refuses a body in a great many tiny chunks, which would take hundreds of times its size to parse."""

    _debt = 0

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Parse the next event.

        Raises:
            RemoteProtocolError: The body's chunks are too many and too small, or the bytes are not HTTP.
        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._debt = 0
        elif isinstance(event, h11.Data):
            self._debt = max(0, self._debt + CHUNK_BYTES * event.chunk_start - len(event.data))
            if self._debt > CHUNK_BYTES * SMALL_CHUNKS:
                message = "chunks too small"
                raise h11.RemoteProtocolError(message)
        return event


class PunctualProtocol(H11Protocol):
    """HTTP/1.1 that hangs up on a client which does not get its headers out in time, or does not read its answers."""

    _head: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for headers, and send answers without waiting for the client's acknowledgement of the last."""
        super().connection_made(transport)
        self.conn = FrugalConnection(h11.SERVER, self.conn._max_incomplete_event_size)
        transport.max_size = READ_BYTES  # type: ignore[attr-defined]  # of asyncio's own transports
        # asyncio does so itself only where a socket was made with its protocol named
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(high=0)  # whatever waits to be read has its timer, also when we close
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Take bytes; once a request is in work, its body has limits of its own."""
        if self._head is None and not self._working:
            self._wait_for_head()
        super().data_received(data)
        if self._working:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        self._stop_unread()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the client to read; ``close`` would wait with it, so this aborts."""
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        """The client reads."""
        self._stop_unread()
        super().resume_writing()

    @property
    def _working(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait_for_head(self) -> None:
        self._head = self.loop.call_later(HEAD_SECONDS, self._hang_up)

    def _stop_waiting(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _wait_for_reader(self) -> None:
        before = self.transport.get_write_buffer_size()
        self._unread = self.loop.call_later(UNREAD_SECONDS, self._look_at_reader, before)

    def _look_at_reader(self, before: int) -> None:
        self._unread = None
        if before - self.transport.get_write_buffer_size() < UNREAD_BYTES:
            self.transport.abort()
        else:
            self._wait_for_reader()

    def _stop_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _hang_up(self) -> None:
        self._head = None
        if not self._working:
            self.transport.close()


class Server(uvicorn.Server):
    """Serves an application until a signal; then nothing new begins, and what runs is finished.

    Args:
        app: From :func:`cardiograph.service.app.create_app`.
        announce: Called with the address once connections are taken.
    """

    def __init__(self, app: FastAPI, *, announce: Callable[[str], None]) -> None:
        self._serving: Serving = app.state.serving
        self._announce = announce
        settings = self._serving.settings
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                http=PunctualProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=int(settings.timeout_seconds) + 5,
                limit_concurrency=CONNECTIONS,
            )
        )

    def listen(self) -> None:
        """Serve until a signal comes.

        Raises:
            ConfigError: The address cannot be listened on.
        RecordsError: The records take no entry, so nothing is served.
        """
        logging.getLogger().addHandler(logging.NullHandler())  # libraries keep quiet: our own lines are the log
        settings = self._serving.settings
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        try:
            listening = socket.create_server((settings.host, settings.port), family=family, backlog=256)
        except OSError as error:
            message = f"serve: cannot listen on {settings.host} port {settings.port} ({error.strerror}); choose another"
            raise ConfigError(message) from error
        self.run(sockets=[listening])
        if not self.started:
            message = "serve: the records took no entry at the start; check that they can be written"
            raise RecordsError(message)
        if self._serving.pool.busy:  # a job without end: Python would wait for its thread
            sys.stdout.flush()
            os._exit(0)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say where."""
        await super().startup(sockets)
        if self.started and not self.should_exit:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._announce(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """On SIGTERM and SIGINT: take nothing new, and end well; a second SIGINT ends at once."""
        self._serving.pool.closing = True
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
