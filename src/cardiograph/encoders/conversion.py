"""Networks of encoders with their weights, and their conversion to OpenVINO IR, which the cache keeps."""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cardiograph.errors import RunError
from cardiograph.registry import encoder_spec
from cardiograph.regular_files import read_regular

if TYPE_CHECKING:
    from torch import nn

    from cardiograph.encoders.weights import Weights

IR_FILES = ("encoder.xml", "encoder.bin")
"""Names of the files of a converted network in a bundle and in the cache."""

_CHECKSUM = "checksum"


def load_network(weights: Weights, readout: str, architecture: str) -> nn.Module:
    """Return the network of an architecture with its weights and its readout."""
    from cardiograph.encoders.readout import with_readout
    from cardiograph.encoders.weights import build_network

    network = build_network(architecture)
    network.load_state_dict(weights.tensors, strict=False)
    return with_readout(network, readout)


def convert(weights: Weights, readout: str, cache: Path, architecture: str) -> tuple[bytes, bytes]:
    """Return the network as OpenVINO IR, from the cache if its checksum matches.

    Raises:
        RunError: If the cache cannot be written.
    """
    name = re.sub("[^a-z0-9]+", "-", architecture.lower())  # encoders can have equal weights and differ in a stride
    folder = cache / "encoders" / f"{name}-{weights.sha256}-{readout}"
    try:
        kept = tuple(read_regular(folder / name) for name in (*IR_FILES, _CHECKSUM))
    except OSError:
        kept = ()
    if kept and kept[2] == _checksum(kept[0], kept[1]):
        return kept[0], kept[1]
    import openvino
    import torch

    shape = [1, *encoder_spec(architecture).input_shape]
    model = openvino.convert_model(load_network(weights, readout, architecture), example_input=torch.zeros(shape))
    model.reshape(shape)
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{readout}.", dir=folder.parent) as staging:
            openvino.save_model(model, Path(staging) / IR_FILES[0], compress_to_fp16=False)
            xml, weights_bin = (Path(staging, name).read_bytes() for name in IR_FILES)
            Path(staging, _CHECKSUM).write_bytes(_checksum(xml, weights_bin))
            folder.mkdir(mode=0o700, exist_ok=True)
            for name in (*IR_FILES, _CHECKSUM):
                Path(staging, name).chmod(0o600)
                Path(staging, name).replace(folder / name)
    except (OSError, RuntimeError) as error:  # OpenVINO raises RuntimeError if it cannot write
        message = (
            f"cache {folder}: the encoder cannot be written ({error}); free disk space, or set another folder with the "
            "environment variable CARDIOGRAPH_CACHE"
        )
        raise RunError(message) from error
    return xml, weights_bin


def _checksum(xml: bytes, weights_bin: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(xml).digest() + weights_bin).hexdigest().encode()
