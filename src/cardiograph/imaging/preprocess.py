"""From a view of a page to the encoder's input: 224 x 224, ImageNet mean and standard deviation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PREPROCESS_VERSION = "1"
"""Part of the encoder fingerprint: changes whenever the same pixels give other numbers."""

INPUT_SIZE = 224
"""Side of the encoder's input in pixels."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of each channel, RGB, 0..1. Source: the ImageNet training set, as published with ResNet weights."""

IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviation of each channel, RGB, 0..1. Source: as :data:`IMAGENET_MEAN`."""


def to_input(view_pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scale a view to the encoder's input.

    Both sides are scaled on their own, as in the reference pipeline: no part of the traces is cut off. Each output pixel is
    the mean of the area that it covers, so that thin traces fade but do not break; where the view is smaller than
    the input, pixels are interpolated linearly.

    Args:
        view_pixels: [h, w, 3] RGB.

    Returns:
        [3, 224, 224] float32, standardised with the ImageNet mean and standard deviation.
    """
    import cv2

    height, width = view_pixels.shape[:2]
    method = cv2.INTER_AREA if min(height, width) >= INPUT_SIZE else cv2.INTER_LINEAR
    values = cv2.LUT(view_pixels, np.arange(256, dtype=np.float32) / np.float32(255))
    scaled = np.asarray(cv2.resize(values, (INPUT_SIZE, INPUT_SIZE), interpolation=method), np.float32)
    standardised = (scaled - np.array(IMAGENET_MEAN, np.float32)) / np.array(IMAGENET_STD, np.float32)
    return np.ascontiguousarray(standardised.transpose(2, 0, 1), dtype=np.float32)
