"""Where on the page the network found what raised or lowered the estimate: Grad-CAM on the maps that it reads out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cardiograph.explain.case import Case
from cardiograph.imaging.encoder import EMBEDDING_WIDTH

SIDE = 14
"""Rows and columns of a map: those of the network's last stage; finer stages are summed up to it."""


@dataclass(frozen=True)
class PageMap:
    """Where on the view the estimate was moved.

    Args:
        signed: [14, 14] what each cell adds to the difference of the logits, to first order.
        direction: 1 where the page raised the estimate, -1 where it lowered it, 0 where it did not move it.
    """

    signed: NDArray[np.float64]
    direction: int

    @property
    def heat(self) -> NDArray[np.float64]:
        """[14, 14] 0..1: the cells that moved the estimate in the direction in which the page did, the most being 1."""
        kept = np.maximum(self.direction * self.signed, 0)
        most = float(kept.max())
        return kept / most if most > 0 else kept


def page_map(case: Case) -> PageMap:
    """The map of a patient with a page.

    The direction is that of the page as a whole: the difference of the logits less that without the page, neighbours being
    the same. With the readout ``texture`` the share of a mean training page is taken off, evenly: spreads are large on every
    page, and only what differs from that page moves the estimate. The cells then sum to the first-order effect of the page.

    Args:
        case: A patient with a page, of a model with an encoder.

    Raises:
        ValueError: There is no page.
    """
    bundle, engine, page = case.predictor.bundle, case.predictor.engine, case.patient.page
    if engine is None or page is None or bundle.served.encoder is None:
        message = "a map needs a page"
        raise ValueError(message)
    gradient, readout = logit_gradient(case), bundle.served.encoder.readout
    signed = position_map(gradient, engine.maps(page.input), readout)
    if readout == "texture":
        signed -= gradient[bundle.fusion.kept] @ bundle.fusion.mean / signed.size
    without = case.without_blocks(np.array([[False, True]])).raw[0]
    return PageMap(signed, int(np.sign(case.raw - without)))


def logit_gradient(case: Case) -> NDArray[np.float64]:
    """[512] gradient of the difference of the logits by the embedding of the page; the neighbours stay who they are.

    It is 0 where the model does not read the page: with a weight of 0, or by the votes of neighbours alone.

    Args:
        case: The patient.
    """
    features, fusion = case.attached.features, case.predictor.bundle.fusion
    if "image" not in features.blocks:
        return np.zeros(EMBEDDING_WIDTH)
    with torch.enable_grad():
        own = torch.from_numpy(features.values).double().requires_grad_()
        logits = case.predictor.logits(own, case.attached.neighbours)[0]
        raw = logits[1] - logits[0]
        if not raw.requires_grad:
            return np.zeros(EMBEDDING_WIDTH)
        (gradient,) = torch.autograd.grad(raw, own, allow_unused=True)
    return np.zeros(EMBEDDING_WIDTH) if gradient is None else fusion.embedding_gradient(gradient[0].numpy())


def position_map(
    gradient: NDArray[np.float64], maps: tuple[NDArray[np.float32], ...], readout: str
) -> NDArray[np.float64]:
    """What each cell adds, when each value of the embedding is taken apart by position.

    With ``A`` a channel of ``N`` positions ``p``, ``m`` its mean, ``s`` its standard deviation and ``g`` the gradient of the
    value that is read out of it, a position adds

    - ``g A_p / N`` for a mean: the map of Grad-CAM, whose weight of a channel is the mean over positions of the gradient,
      here ``g / N``; before the rectifier, and for the readout ``final``;
    - ``g (A_p - m)^2 / (N s)`` for a standard deviation. The weight of Grad-CAM would be 0 here, since a spread does not
      mind a constant. This is gradient times deviation, position by position: ``g (A_p - m) / (N s)`` is the gradient.

    Either way the shares of a value sum to ``g`` times the value.

    Source: Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, ICCV 2017,
    equations 1 and 2; gradient times activation by position: Draelos and Carin, Use HiResCAM instead of Grad-CAM for
    faithful explanations of convolutional neural networks, 2020.

    Args:
        gradient: [512] by the embedding.
        maps: Of the engine, [channels, h, w] each.
        readout: ``final`` or ``texture``.

    Returns:
        [14, 14] which sum to the gradient times the embedding.
    """
    if readout == "final":
        return _coarse(_means(gradient, maps[0]))
    found = _coarse(_means(gradient[: len(maps[0])], maps[0]))
    start = len(maps[0])
    for each in maps:
        found += _coarse(_spreads(gradient[start : start + len(each)], each))
        start += len(each)
    return found


def _means(gradient: NDArray[np.float64], channels: NDArray[np.float32]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.einsum("c,chw->hw", gradient, channels, dtype=np.float64) / channels[0].size
    return found


def _spreads(gradient: NDArray[np.float64], channels: NDArray[np.float32]) -> NDArray[np.float64]:
    squared = channels.astype(np.float64)
    squared -= squared.mean((1, 2), keepdims=True)
    np.square(squared, out=squared)
    spread = np.sqrt(squared.mean((1, 2)))
    weight = np.divide(gradient, spread * channels[0].size, out=np.zeros(len(channels)), where=spread > 0)
    found: NDArray[np.float64] = np.einsum("c,chw->hw", weight, squared)
    return found


def _coarse(fine: NDArray[np.float64]) -> NDArray[np.float64]:
    """[14 n, 14 n] -> [14, 14] sums."""
    step = len(fine) // SIDE
    summed: NDArray[np.float64] = fine.reshape(SIDE, step, SIDE, step).sum((1, 3))
    return summed
