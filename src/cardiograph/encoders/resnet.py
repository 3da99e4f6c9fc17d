"""Residual networks without their last layer, as encoders of pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cardiograph.encoders.shipped import with_shipped_weights

if TYPE_CHECKING:
    from torch import nn


def resnet18() -> nn.Module:
    """Build a ResNet18: [n, 3, 224, 224] -> [n, 512]. Source: He et al., Deep Residual Learning, CVPR 2016."""
    from monai.networks.nets.resnet import resnet18 as build

    return _without_last_layer(build)


def page_network() -> nn.Module:
    """Build a ResNet18 whose first convolution has a stride of 2: [n, 3, 224, 224] -> [n, 512].

    This is the network of He et al. The one of the reference pipeline has a stride of 1 (MONAI's default), which takes
    four times as long.
    """
    from monai.networks.nets.resnet import resnet18 as build

    return _without_last_layer(build, conv1_t_stride=2)


def resnet18_ecg() -> nn.Module:
    """Return :func:`page_network` with its shipped weights, in evaluation mode.

    Raises:
        WeightsError: If the weights file is missing or is not the one that this version ships.
    """
    return with_shipped_weights(page_network(), "resnet18-ecg")


def resnet50() -> nn.Module:
    """Build a ResNet50: [n, 3, 224, 224] -> [n, 2048]. Source: He et al., Deep Residual Learning, CVPR 2016."""
    from monai.networks.nets.resnet import resnet50 as build

    return _without_last_layer(build)


def _without_last_layer(build: Any, **settings: int) -> nn.Module:  # noqa: ANN401 - MONAI is untyped
    network: nn.Module = build(
        pretrained=False,
        spatial_dims=2,
        n_input_channels=3,
        feed_forward=False,
        shortcut_type="B",
        bias_downsample=False,
        **settings,
    )
    return network
