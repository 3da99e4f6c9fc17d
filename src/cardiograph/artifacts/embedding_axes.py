"""Principal axes of the embeddings of a run's training records, along which later ECGs are compared with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.run import RunDirectory
from cardiograph.containers import TRAIN

EMBEDDINGS_FILE = "embeddings.safetensors"
"""File of a run with the embedding of each record."""

AXES_FILE = "embedding_axes.safetensors"
"""File with the axes, in the folder of a run whose training records were removed."""

COMPONENTS = 8
"""Number of axes."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EmbeddingAxes:
    """Principal axes of the embeddings of training records.

    Args:
        centre: [width] mean embedding.
        directions: [components, width] axes.
    """

    centre: Floats
    directions: Floats

    @classmethod
    def fit(cls, embeddings: NDArray[np.float32]) -> Self:
        """Compute the axes from [records, width] embeddings; records without one are NaN and left out."""
        known = embeddings[np.isfinite(embeddings).all(axis=1)].astype(np.float64)
        centre = known.mean(axis=0)
        values, vectors = np.linalg.eigh(np.cov(known - centre, rowvar=False))
        return cls(centre, vectors[:, np.argsort(-values)[:COMPONENTS]].T)

    @classmethod
    def of_run(cls, directory: RunDirectory) -> Self:
        """Read the axes of a run with ECGs, or compute them from the embeddings of its training records.

        Raises:
            RunError: If the files cannot be read.
        """
        if (directory.path / AXES_FILE).is_file():
            arrays = directory.read_arrays(AXES_FILE)
            return cls(arrays["centre"], arrays["directions"])
        training = (directory.read_table("split.parquet")["part"] == TRAIN).to_numpy()
        return cls.fit(directory.read_arrays(EMBEDDINGS_FILE)["image"][training])

    def write(self, directory: RunDirectory) -> None:
        """Write the axes."""
        arrays = {"centre": self.centre, "directions": np.ascontiguousarray(self.directions)}
        directory.write_arrays(AXES_FILE, arrays)

    def coordinates(self, embeddings: NDArray[np.float32]) -> Floats:
        """Return [records, components] coordinates of embeddings."""
        coordinates: Floats = (embeddings.astype(np.float64) - self.centre) @ self.directions.T
        return coordinates
