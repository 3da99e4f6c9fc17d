"""Weights files in the package: pinned by checksum, with the recordings that they have seen."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cardiograph.errors import WeightsError
from cardiograph.regular_files import read_regular

if TYPE_CHECKING:
    from torch import nn

FOLDER: Final = Path(__file__).parent

SHIPPED_SHA256: Final = {
    "ecg": "79ae5a6d642a56b788c5aed949d0c52d3ed4f8232b1d5bf9fcdb23755e6aabfc",
    "resnet18-ecg": "053b27527fe1ae704f66374e141fd3be0ed6fec05b751796ad2aa16868c83fec",
}
"""Encoder -> SHA-256 (hex) of its file ``ENCODER.safetensors``."""


def with_shipped_weights(network: nn.Module, encoder: str) -> nn.Module:
    """Return a network with the weights of an encoder, in single precision and in evaluation mode.

    Args:
        network: Network of the encoder, whose weights are replaced.
        encoder: A key of :data:`SHIPPED_SHA256`.

    Raises:
        WeightsError: If the file is missing or is not the one that this version ships.
    """
    from safetensors.torch import load

    path, expected = FOLDER / f"{encoder}.safetensors", SHIPPED_SHA256[encoder]
    try:
        content = read_regular(path)
    except OSError as error:
        message = f"weights {path}: cannot be read ({error.strerror}); install cardiograph again"
        raise WeightsError(message) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected:
        message = f"weights {path}: SHA-256 is {digest}, expected {expected}; install cardiograph again"
        raise WeightsError(message)
    network.load_state_dict({name: tensor.float() for name, tensor in load(content).items()}, strict=False)
    return network.eval()


@functools.cache
def seen_recordings(encoder: str) -> frozenset[str]:
    """Return the content hashes (:meth:`cardiograph.ecg.ecg.Ecg.content_hash`) of recordings in an encoder's weights.

    Args:
        encoder: A key of :data:`SHIPPED_SHA256`.

    Raises:
        WeightsError: If the weights file cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    path = FOLDER / f"{encoder}.safetensors"
    try:
        with safe_open(path, "numpy") as file:
            return frozenset(json.loads(file.metadata()["records"]))
    except (OSError, SafetensorError) as error:
        message = f"weights {path}: cannot be read ({error}); install cardiograph again"
        raise WeightsError(message) from error
