"""Shows roles of reStructuredText in docstrings, such as :func:`cardiograph.run`, as code in the API reference."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:func|class|data|mod|meth|attr|exc):`~?([^`]+)`")


class DocstringRoles(griffe.Extension):
    """Replaces each role by the name in backticks."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:  # noqa: ANN401 - arguments of all extensions
        """Change the docstring of an object after it has been read."""
        if obj.docstring is not None:
            obj.docstring.value = _ROLE.sub(r"`\1`", obj.docstring.value)
