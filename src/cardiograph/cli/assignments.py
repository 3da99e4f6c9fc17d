"""``--set SECTION.KEY=VALUE``: any setting of the configuration on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cardiograph.errors import ConfigError


def assigned(texts: Sequence[str]) -> dict[str, Any]:
    """Return the settings of ``--set SECTION.KEY=VALUE``, nested by section.

    A value that is valid TOML is read as such (``50``, ``true``, ``["a", "b"]``), any other is a text.

    Raises:
        ConfigError: A text has another form, or a key is given twice.
    """
    overrides: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        section, dot, key = name.strip().rpartition(".")
        if not (key and equals) or "." in section or (dot and not section):
            message = f"--set {text!r}: expected SECTION.KEY=VALUE, such as --set model.epochs=50"
            raise ConfigError(message)
        held = section_of(overrides, section)
        if key in held:
            message = f"--set: {name.strip()!r} is given twice"
            raise ConfigError(message)
        held[key] = _toml_or_text(value.strip())
    return overrides


def section_of(overrides: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the part of the overrides that holds the keys of a section; all of them where the name is empty."""
    held = overrides.setdefault(name, {}) if name else overrides
    if not isinstance(held, dict):
        message = f"--set {name}: this is a section; write --set {name}.KEY=VALUE"
        raise ConfigError(message)
    return held


def _toml_or_text(text: str) -> Any:  # noqa: ANN401 - any TOML value
    import tomllib

    try:
        content = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return content["value"] if len(content) == 1 else text
