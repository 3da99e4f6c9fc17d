"""Messages between a service and the shards of its reference records: arrays and JSON, as safetensors."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

_TEXT = "json"

Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True)
class Message:
    """A request to a shard, or its answer.

    Args:
        arrays: Arrays by name.
        facts: What can be written as JSON.
    """

    arrays: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any]

    def packed(self) -> bytes:
        """Return the message as bytes."""
        text = np.frombuffer(json.dumps(dict(self.facts)).encode(), np.uint8)
        return save({name: np.ascontiguousarray(each) for name, each in self.arrays.items()} | {_TEXT: text})

    @classmethod
    def unpacked(cls, content: bytes) -> Message:
        """Parse a message from untrusted bytes; no code in them is executed.

        Raises:
            ValueError: If the bytes are not a message.
        """
        try:
            arrays = load(content)
            facts = json.loads(arrays.pop(_TEXT).tobytes())
        except (SafetensorError, KeyError, UnicodeDecodeError) as error:
            message = f"not a message of a shard ({type(error).__name__})"
            raise ValueError(message) from error
        if not isinstance(facts, dict):
            message = "not a message of a shard (its text is no object)"
            raise ValueError(message)
        return cls(arrays, facts)

    def array(self, name: str, kind: type[Number], *, axes: int) -> NDArray[Number]:
        """Return an array of this type and number of axes.

        Raises:
            ValueError: If there is none.
        """
        found = self.arrays.get(name)
        if found is None or found.dtype != kind or found.ndim != axes:
            state = "missing" if found is None else f"{found.dtype} of {found.ndim} axes"
            message = f"{name} is {state}; {kind.__name__} of {axes} axes is needed"
            raise ValueError(message)
        return found


def pack_ragged(parts: Sequence[NDArray[np.int64]], name: str) -> dict[str, NDArray[np.int64]]:
    """Return arrays of different lengths as two arrays: all values, and the positions where each part ends."""
    values = np.concatenate([np.zeros(0, np.int64), *parts])
    return {name: values, f"{name}_ends": np.cumsum([0, *map(len, parts)], dtype=np.int64)}


def unpack_ragged(message: Message, name: str, count: int) -> list[NDArray[np.int64]]:
    """Return the arrays that :func:`pack_ragged` put together.

    Raises:
        ValueError: If they are not ``count`` arrays.
    """
    values, ends = message.array(name, np.int64, axes=1), message.array(f"{name}_ends", np.int64, axes=1)
    if len(ends) != count + 1 or ends[0] != 0 or ends[-1] != len(values) or (np.diff(ends) < 0).any():
        fault = f"{name}_ends does not divide {len(values)} values into {count}"
        raise ValueError(fault)
    return [values[start:stop] for start, stop in itertools.pairwise(ends.tolist())]
