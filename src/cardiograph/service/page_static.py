"""Style, script and icon of the page, under names that change with their content, so that a browser may keep them."""

from __future__ import annotations

import hashlib
from importlib import resources

from starlette.responses import Response

PREFIX = "/static/"
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HASH = 12
"""Hexadecimal digits of the content's SHA-256 in a name."""


class StaticFiles:
    """All files, read once; nothing of a request is ever a path."""

    def __init__(self) -> None:
        self._paths: dict[str, str] = {}
        self._served: dict[str, tuple[bytes, str]] = {}
        for file in (resources.files("cardiograph.service") / "static").iterdir():
            stem, _, kind = file.name.rpartition(".")
            if f".{kind}" in MEDIA_TYPES:
                content = file.read_bytes()
                name = f"{stem}.{hashlib.sha256(content).hexdigest()[:_HASH]}.{kind}"
                self._paths[file.name] = PREFIX + name
                self._served[name] = (content, MEDIA_TYPES[f".{kind}"])

    def path(self, name: str) -> str:
        """Where a file is served."""
        return self._paths[name]

    def response(self, name: str) -> Response | None:
        """A file to keep for a year; None where there is none of this name."""
        if name not in self._served:
            return None
        content, kind = self._served[name]
        return Response(content, media_type=kind, headers={"Cache-Control": "public, max-age=31536000, immutable"})
