"""Readout of a residual network: its last layer, or the texture of its first three stages."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cardiograph.errors import EngineError

READOUTS = ("final", "texture")


class Texture(nn.Module):
    """Texture readout: moments of the feature maps of the first three stages.

    It concatenates the mean of each channel of stage 1 and the standard deviation of each channel of stages 1, 2 and 3;
    in a ResNet18 these are 64 + 64 + 128 + 256 values. The reference pipeline uses the mean over the last stage. In a
    network with random weights this mean hardly differs between pages (cosine 0.9999), but the standard deviation of a
    channel measures how much trace of a certain slope a page has: such moments of filter responses describe a texture.

    Source: Portilla and Simoncelli, A parametric texture model based on joint statistics of complex wavelet
    coefficients, International Journal of Computer Vision 40, 2000 (moments of filter responses as a description).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Sequential(*(network.get_submodule(name) for name in ("conv1", "bn1", "act", "maxpool")))
        self.stages = nn.ModuleList(network.get_submodule(f"layer{number}") for number in (1, 2, 3))

    def forward(self, page: Tensor) -> Tensor:
        """Compute the readout: [1, 3, 224, 224] input -> [1, width]."""
        found = []
        state = self.stem(page)
        for number, stage in enumerate(self.stages):
            state = stage(state)
            mean = state.mean((2, 3), keepdim=True)
            if number == 0:
                found.append(mean.flatten(1))
            found.append(((state - mean) ** 2).mean((2, 3)).sqrt())
        return torch.cat(found, dim=1)


def with_readout(network: nn.Module, readout: str) -> nn.Module:
    """Return the network with a readout.

    Args:
        network: Network from :func:`cardiograph.encoders.weights.build_network`, with its weights.
        readout: One of :data:`READOUTS`.
    """
    return Texture(network).eval() if readout == "texture" else network


def read_from(network: nn.Module) -> list[nn.Module]:
    """Return the stages whose feature maps the readout averages, in order.

    Args:
        network: Network from :func:`with_readout`.

    Raises:
        EngineError: If the network is not residual, so that it has no attention maps.
    """
    if isinstance(network, Texture):
        return list(network.stages)
    if not hasattr(network, "layer4"):
        message = "attention maps need a residual network (resnet18, resnet50); this encoder has none"
        raise EngineError(message)
    return [network.get_submodule("layer4")]
