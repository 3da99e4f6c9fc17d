"""A body is read into memory within its limits, or refused with the status that says why."""

import asyncio

import pytest

from cardiograph.service.security.limits import Accepts, UploadMiddleware
from cardiograph.service.settings import ServiceSettings

LIMITS = {"upload_bytes": 1000, "grace_seconds": 0.05, "bytes_per_second": 10_000, "body_seconds": 0.2}


class Conversation:
    """A request as the server passes it on, and the response."""

    def __init__(self, pieces, *, path="/in", headers=(), pause=0.0, **changes):
        self.pieces, self.pause, self.seen, self.sent = list(pieces), pause, None, []
        settings = ServiceSettings(run=".", **(LIMITS | changes))
        accepts = {"/in": Accepts(("text/plain",)), "/lines": Accepts(("text/plain",), streamed=True)}
        self.middleware = UploadMiddleware(self.app, settings=settings, accepts=accepts)
        kind = [] if any(name == b"content-type" for name, _ in headers) else [(b"content-type", b"text/plain; a=b")]
        self.scope = {"type": "http", "method": "POST", "path": path, "headers": [*headers, *kind]}

    async def app(self, scope, receive, send):
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        self.seen = body
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive(self):
        await asyncio.sleep(self.pause)
        piece = self.pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(self.pieces)}

    async def send(self, message):
        self.sent.append(message)

    @property
    def status(self):
        asyncio.run(self.middleware(self.scope, self.receive, self.send))
        return self.sent[0]["status"]


def test_a_body_within_the_limits_is_passed_on_whole():
    conversation = Conversation([b"a" * 500, b"b" * 500])
    assert conversation.status == 200
    assert conversation.seen == b"a" * 500 + b"b" * 500


def test_a_body_that_says_it_is_too_long_is_refused_before_it_is_read():
    conversation = Conversation([b"a" * 1001], headers=[(b"content-length", b"1001")])
    assert conversation.status == 413
    assert conversation.seen is None
    assert b'"code": "too_large"' in conversation.sent[1]["body"]


def test_a_body_that_does_not_say_is_counted_and_cut():
    conversation = Conversation([b"a" * 400] * 10, headers=[(b"transfer-encoding", b"chunked")])
    assert (conversation.status, conversation.seen) == (413, None)


@pytest.mark.parametrize(
    ("pieces", "pause", "changes"),
    [
        ([b"a"] * 90, 0.01, {}),
        ([b"a" * 100] * 40, 0.02, {"upload_bytes": 10_000, "bytes_per_second": 1000}),
    ],
    ids=["below the rate", "above the rate, too long in all"],
)
def test_a_slow_sender_gets_an_error(pieces, pause, changes):
    assert Conversation(pieces, pause=pause, **changes).status == 408


def test_a_slow_sender_of_lines_gets_an_error_from_the_route():
    from cardiograph.service.api.problems import ProblemError

    conversation = Conversation([b"a"] * 90, path="/lines", pause=0.01)
    caught = []

    async def app(_, receive, send):
        try:
            while True:
                await receive()
        except ProblemError as problem:
            caught.append(problem.status)
            await send({"type": "http.response.start", "status": 200, "headers": []})

    conversation.middleware._app = app
    assert (conversation.status, caught) == (200, [408])


@pytest.mark.parametrize("kind", [b"", b"text", b"text/html", b"application/json"])
def test_another_media_type_is_refused(kind):
    assert Conversation([b"a"], headers=[(b"content-type", kind)]).status == 415


def test_only_so_many_bodies_are_in_memory():
    conversation = Conversation([b"a"], uploads=1)
    conversation.middleware._reading = 1
    assert conversation.status == 429
    assert (b"retry-after", b"1") in conversation.sent[0]["headers"]


def test_a_body_that_is_cut_off_never_reaches_a_route():
    conversation = Conversation([])

    async def gone():
        return {"type": "http.disconnect"}

    conversation.receive = gone
    assert (conversation.status, conversation.seen) == (400, None)
