"""Vectors of ECGs (embeddings, measurements) that are computed once and kept in the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.ingest.context import RunContext

Vectors = Iterable[tuple[str, NDArray[np.float32] | None]]
"""Key and vector of each input; None for an input that has no vector."""


def cached_vectors(
    stage: str,
    keys: Sequence[str],
    compute: Callable[[list[str]], Vectors],
    under: str,
    context: RunContext,
    *,
    unit: str,
) -> dict[str, NDArray[np.float32]]:
    """Compute the vectors that are not in the cache, which stores each as soon as it is computed.

    Args:
        stage: Text of the progress bar.
        keys: Distinct keys of the inputs.
        compute: Function that computes the vectors of the keys that are missing, in any order.
        under: What determines the vectors besides the input: the fingerprint of an encoder, or versions.
        context: Cache and progress.
        unit: What the progress bar counts.

    Returns:
        Key -> [width] float32 vector; without the keys that have none.
    """
    known = {key: context.cache.embedding(under, key) for key in keys}
    found = {key: vector for key, vector in known.items() if vector is not None}
    missing = [key for key in keys if key not in found]
    context.progress.start(stage, len(keys), unit=unit)
    context.progress.advance(len(found))
    with context.paced(stage, len(missing)):
        for key, vector in compute(missing):
            if vector is not None:
                context.cache.keep_embedding(under, key, vector)
                found[key] = vector
            context.progress.advance()
    return found
