"""What every container says where it does not fit together."""

from __future__ import annotations


def require(condition: bool, message: str) -> None:
    """Raise a ``ValueError`` unless a condition holds."""
    if not condition:
        raise ValueError(message)
