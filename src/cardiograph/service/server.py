"""The server process: uvicorn with time limits on slow clients and a graceful shutdown."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from cardiograph.errors import ConfigError, RecordsError
from cardiograph.service.state import Serving

HEAD_SECONDS = 10.0
"""Time limit from the first byte of a request, or from the connection, to the end of its headers."""

IDLE_SECONDS = 5
"""How long an idle connection stays open between requests."""

UNREAD_SECONDS = 30.0
"""Time limit for a client to read the next ``UNREAD_BYTES`` of a response, or the rest of it."""

UNREAD_BYTES = 256 << 10

READ_BYTES = 64 << 10
"""Bytes read from a connection at a time: parsing them blocks all other connections."""

CHUNK_BYTES = 64
"""Size below which a chunk of a body counts as small: it costs far more to parse than its bytes."""

SMALL_CHUNKS = 2048
"""Number of small chunks that a body may have before it is rejected; larger chunks offset them."""

CONNECTIONS = 512
"""Maximum number of connections; above it, requests get 503 at once."""


class ChunkLimitConnection(h11.Connection):
    """HTTP/1.1 connection that rejects a body of very many tiny chunks, which is slow to parse."""

    _debt = 0

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Parse the next event.

        Raises:
            RemoteProtocolError: If the body has too many small chunks, or the bytes are not HTTP.
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


class TimeoutProtocol(H11Protocol):
    """HTTP/1.1 protocol that disconnects clients which send headers or read responses too slowly."""

    _head: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the header timer and set TCP_NODELAY, so that responses do not wait for acknowledgements."""
        super().connection_made(transport)
        self.conn = ChunkLimitConnection(h11.SERVER, self.conn._max_incomplete_event_size)
        transport.max_size = READ_BYTES  # type: ignore[attr-defined]  # attribute of asyncio's transports
        # asyncio sets it itself only for sockets created with an explicit protocol number
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(high=0)  # all unread bytes are timed, also while closing
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Parse received bytes; the body of a request in progress has its own limits."""
        if self._head is None and not self._working:
            self._wait_for_head()
        super().data_received(data)
        if self._working:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timers."""
        self._stop_waiting()
        self._stop_unread()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start the read timer, which aborts the connection: ``close`` would wait for the client, too."""
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        """Cancel the read timer."""
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


@dataclass(frozen=True)
class Listening:
    """Where a server listens, and for how long.

    Args:
        host: Address to listen on.
        port: Port; 0 chooses a free one.
        idle_seconds: How long an idle connection stays open between requests.
        end_seconds: Time limit of running requests after the signal to stop.
    """

    host: str
    port: int
    idle_seconds: int = IDLE_SECONDS
    end_seconds: int = 30


class AnnouncingServer(uvicorn.Server):
    """Serves an application until a signal; then finishes running requests and accepts no new ones.

    Args:
        app: ASGI application.
        listening: Address and time limits.
        announce: Called with the address once the server accepts connections.
    """

    def __init__(self, app: FastAPI, listening: Listening, announce: Callable[[str], None]) -> None:
        self._listening, self._announce = listening, announce
        super().__init__(
            uvicorn.Config(
                app,
                host=listening.host,
                port=listening.port,
                http=TimeoutProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=listening.idle_seconds,
                timeout_graceful_shutdown=listening.end_seconds,
                limit_concurrency=CONNECTIONS,
            )
        )

    def listen(self) -> None:
        """Serve until a signal arrives.

        Raises:
            ConfigError: If the server cannot listen on the address.
        """
        logging.getLogger().addHandler(logging.NullHandler())  # silence the libraries: the service writes its own log
        host, port = self._listening.host, self._listening.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listening = socket.create_server((host, port), family=family, backlog=256)
        except OSError as error:
            message = f"serve: cannot listen on {host} port {port} ({error.strerror}); choose another"
            raise ConfigError(message) from error
        self.run(sockets=[listening])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening and announce the address."""
        await super().startup(sockets)
        if self.started and not self.should_exit:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._announce(f"http://{f'[{host}]' if ':' in host else host}:{port}")


class Server(AnnouncingServer):
    """Serves the application of :func:`cardiograph.service.app.create_app`; see :class:`AnnouncingServer`."""

    def __init__(self, app: FastAPI, *, announce: Callable[[str], None]) -> None:
        self._serving: Serving = app.state.serving
        settings = self._serving.settings
        listening = Listening(settings.host, settings.port, end_seconds=int(settings.timeout_seconds) + 5)
        super().__init__(app, listening, announce)

    def listen(self) -> None:
        """Serve until a signal arrives.

        Raises:
            ConfigError: If the server cannot listen on the address.
            RecordsError: If the audit log cannot be written.
        """
        super().listen()
        if not self.started:
            message = "serve: the audit log cannot be written; check the permissions of the database"
            raise RecordsError(message)
        if self._serving.pool.busy:  # a job still runs: Python would wait for its thread
            sys.stdout.flush()
            os._exit(0)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """On SIGTERM and SIGINT, shut down gracefully; on a second SIGINT, exit at once."""
        self._serving.pool.closing = True
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
