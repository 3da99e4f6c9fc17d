"""Encoder weights: ImageNet weights with a pinned checksum, a file, or seeded random weights; never a substitute."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError  # only to catch the error: everything is loaded with weights_only
from typing import TYPE_CHECKING

import numpy as np

from cardiograph.config import SHIPPED, EncoderConfig
from cardiograph.errors import ConfigError, WeightsError
from cardiograph.registry import ENCODERS, encoder_spec, load_factory
from cardiograph.regular_files import read_regular

if TYPE_CHECKING:
    from torch import Tensor, nn

HUB_REPOSITORY = "timm/resnet18.tv_in1k"
HUB_REVISION = "bbd144b3e5565108aad885f145491d11bc6ce807"
HUB_FILE = "model.safetensors"
HUB_BYTES = 46_807_446
HUB_SHA256 = "694f673df6520a3158624e8a89af086f59923ee4cd7436fe5bc3bc71d295ad81"
"""torchvision's IMAGENET1K_V1 weights of ResNet18 as the timm collection holds them (BSD-3-Clause)."""


@dataclass(frozen=True)
class Weights:
    """Parameters of an encoder.

    Args:
        tensors: Parameters by name; for ResNets these are torchvision's.
        sha256: SHA-256 (hex) of the file, or of the tensors if there is no file; for an encoder from outside the package
            it also covers the output for one fixed input.
        source: Description of where the weights come from, for the report.
    """

    tensors: dict[str, Tensor]
    sha256: str
    source: str


def build_network(architecture: str = "resnet18") -> nn.Module:
    """Build an encoder in evaluation mode: [n, *input_shape] pages or leads -> [n, embedding width].

    Args:
        architecture: A name of :data:`cardiograph.registry.ENCODERS`, an entry point, or ``module:factory``.

    Raises:
        ConfigError: If the factory cannot be imported or does not return a torch module.
    """
    from torch import nn

    try:
        network = load_factory(encoder_spec(architecture).factory)()
    except ValueError as error:
        message = f"encoder.name: {error}"
        raise ConfigError(message) from error
    if not isinstance(network, nn.Module):
        message = (
            f"encoder.name: {architecture} returned {type(network).__name__}; an encoder factory returns a torch module"
        )
        raise ConfigError(message)
    return network.eval()


def load_weights(spec: str, *, seed: int, cache: Path, architecture: str = "resnet18") -> Weights:
    """Load the weights of an encoder.

    Args:
        spec: ``shipped``, ``imagenet``, ``random``, or the path of a ``.safetensors`` or ``.pth`` file.
        seed: Seed of random weights.
        cache: Folder that may contain a manually downloaded file for ``imagenet``; otherwise it is fetched from the
            hub.
        architecture: Name of the encoder; an encoder whose factory returns trained weights keeps them.

    Raises:
        WeightsError: If the file is not available, is not the expected one, or does not fit the encoder.
    """
    if encoder_spec(architecture).trained and spec in (SHIPPED, "imagenet", "random"):
        return _own(architecture)
    if spec == "random":
        return _random(seed, architecture)
    path = find_weights(spec, cache=cache, architecture=architecture)
    if spec == "imagenet":
        return _from_file(path, f"ImageNet, IMAGENET1K_V1 ({HUB_REPOSITORY} at {HUB_REVISION[:8]})", architecture)
    return _from_file(path, f"file {path.name}", architecture)


def find_weights(spec: str, *, cache: Path, architecture: str = "resnet18") -> Path:
    """Return the path of a weights file; for ``imagenet``, fetch it and verify its checksum.

    Args:
        spec: ``imagenet``, or the path of a file.
        cache: Folder that may contain a manually downloaded file.
        architecture: Name of the encoder.

    Raises:
        WeightsError: If there is no such file, or it is not the pinned one.
    """
    if spec != "imagenet":
        if not Path(spec).is_file():
            message = f"weights {spec}: no such file; give 'imagenet', 'random' or a weights file"
            raise WeightsError(message)
        return Path(spec)
    if architecture != "resnet18":
        message = (
            f"weights imagenet: none are pinned for {architecture}; pass your own file with --weights FILE, or use "
            "seeded random weights with --weights random"
        )
        raise WeightsError(message)
    by_hand = cache / "weights" / "resnet18.tv_in1k.safetensors"
    path = by_hand if by_hand.exists() else _download(by_hand)
    digest = hashlib.sha256(_read(path)).hexdigest()
    if digest != HUB_SHA256:
        message = (
            f"weights {path}: SHA-256 is {digest}, expected {HUB_SHA256} ({HUB_REPOSITORY} at {HUB_REVISION}); "
            "delete the file and fetch it again"
        )
        raise WeightsError(message)
    return path


def embedding_width(architecture: str) -> int:
    """Return the number of values of an embedding; runs the encoder once if its registry entry does not state it."""
    width = encoder_spec(architecture).width
    if width:
        return width
    import torch

    with torch.inference_mode():
        found = build_network(architecture)(torch.zeros(1, *encoder_spec(architecture).input_shape))
    return int(found.shape[-1])


def find_encoder_weights(config: EncoderConfig, *, cache: Path) -> None:
    """Fetch and check the weights file that a configuration needs, if it needs one.

    Raises:
        WeightsError: If the file is not available or not the pinned one.
    """
    brings_its_own = encoder_spec(config.name).trained and config.weights in (SHIPPED, "imagenet")
    if config.weights != "random" and not brings_its_own:
        find_weights(config.weights, cache=cache, architecture=config.name)


def _download(by_hand: Path) -> Path:
    import logging

    from huggingface_hub import hf_hub_download

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # one error below replaces its messages about retries
    try:
        return Path(hf_hub_download(HUB_REPOSITORY, HUB_FILE, revision=HUB_REVISION, etag_timeout=10))
    except (OSError, ValueError) as error:  # base classes of the errors of the hub
        reason = str(error).strip().splitlines()[0][:200]
        message = (
            f"ImageNet weights cannot be fetched from the model hub ({type(error).__name__}: {reason}).\n"
            f"  Either download {HUB_FILE} of {HUB_REPOSITORY} at revision {HUB_REVISION} on a connected machine\n"
            f"  ({HUB_BYTES:,} bytes, SHA-256 {HUB_SHA256})\n"
            f"  and put it at {by_hand}\n"
            "  or pass your own file with --weights FILE,\n"
            "  or use seeded random weights, a baseline without pretraining, with --weights random."
        )
        raise WeightsError(message) from error


def _random(seed: int, architecture: str) -> Weights:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tensors = build_network(architecture).state_dict()
    return Weights(tensors, hash_of(tensors), f"random, seed {seed} (not pretrained)")


def _own(architecture: str) -> Weights:
    """Return the weights that come with the factory of an encoder; they have to be the same each time."""
    networks = [build_network(architecture) for _ in range(2)]
    first, again = (hash_of({**each.state_dict(), "": _output(each, architecture)}) for each in networks)
    if first != again:
        message = (
            f"encoder {architecture}: its factory returned other weights the second time; make it load trained "
            "weights, or seed them"
        )
        raise WeightsError(message)
    return Weights(networks[0].state_dict(), first, f"those that come with {architecture}")


def _output(network: nn.Module, architecture: str) -> Tensor:
    """Return the rounded output for one fixed input, which identifies the code of a network; its weights do not."""
    import torch

    shape = (1, *encoder_spec(architecture).input_shape)
    values = torch.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    with torch.inference_mode():
        found: Tensor = network(values)
    return found.round(decimals=3)


def hash_of(tensors: dict[str, Tensor]) -> str:
    """Return the SHA-256 (hex) of named tensors."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


def _from_file(path: Path, source: str, architecture: str) -> Weights:
    weights = weights_in(_read(path), path, source, architecture)
    if architecture in ENCODERS:
        return weights
    network = build_network(architecture)
    network.load_state_dict(weights.tensors, strict=False)
    return replace(weights, sha256=hash_of({weights.sha256: _output(network, architecture)}))


def _read(path: Path) -> bytes:
    try:
        return read_regular(path)
    except OSError as error:
        message = f"weights {path}: cannot be read ({error.strerror}); give 'imagenet', 'random' or a weights file"
        raise WeightsError(message) from error


def weights_in(content: bytes, path: Path, source: str, architecture: str = "resnet18") -> Weights:
    """Read weights from the content of a file.

    Args:
        content: Content of a ``.safetensors`` or ``.pth`` file.
        path: Path of the file; its suffix determines the format, and errors show it.
        source: Description of where the weights come from.
        architecture: Name of the encoder.

    Raises:
        WeightsError: If the content is not a set of tensors or does not fit the encoder.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        safe = path.suffix == ".safetensors"
        tensors = load(content) if safe else torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("fc.")}
    except (SafetensorError, RuntimeError, ValueError, EOFError, AttributeError, KeyError, UnpicklingError) as error:
        message = (
            f"weights {path}: not a file of tensors ({type(error).__name__}); give a .safetensors file, or "
            "a .pth file that holds only tensors"
        )
        raise WeightsError(message) from error
    _check_fit(tensors, path, architecture)
    return Weights(tensors, hashlib.sha256(content).hexdigest(), source)


def _check_fit(tensors: dict[str, Tensor], path: Path, architecture: str) -> None:
    title = encoder_spec(architecture).title
    expected = {
        name: tuple(t.shape)
        for name, t in build_network(architecture).state_dict().items()
        if "num_batches" not in name
    }
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items() if "num_batches" not in name}
    wrong = [f"{name} is missing" for name in expected if name not in shapes]
    wrong += [f"{name} does not belong to a {title}" for name in shapes if name not in expected]
    wrong += [
        f"{name} is {shapes[name]}, not {shape}" for name, shape in expected.items() if shapes.get(name, shape) != shape
    ]
    wrong += [f"{name} has non-finite values" for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if wrong:
        message = f"weights {path}: do not fit a {title} ({'; '.join(wrong[:3])}{' ...' if len(wrong) > 3 else ''})"
        raise WeightsError(message)
