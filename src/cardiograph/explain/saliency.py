"""Where on the page lies what raised or lowered the estimate: Grad-CAM on the maps that the network reads out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cardiograph.explain.case import ExplainedCase

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


def page_map(case: ExplainedCase) -> PageMap:
    """The map of a patient with a page: the gradient times the shares of the page, less those of a mean training page.

    Every page has traces, grid and margins, so what they do to the network on every page moves no estimate: a record without
    a page counts as a mean one. The cells sum to the first-order effect of the page against it. The direction is that of the
    page as a whole: the difference of the logits less that without the page, whose neighbours are those of the
    values alone.

    Args:
        case: A patient with a page, of a model with an encoder. Where its bundle has no mean page, nothing is taken off.

    Raises:
        ValueError: There is no page.
    """
    shares, mean = page_shares(case), case.predictor.bundle.mean_page
    signed = np.einsum("c,chw->hw", logit_gradient(case), shares if mean is None else shares - mean)
    without = case.without_blocks(np.array([[False, True]])).raw[0]
    return PageMap(signed, int(np.sign(case.raw - without)))


def logit_gradient(case: ExplainedCase) -> NDArray[np.float64]:
    """[width] gradient of the difference of the logits by the embedding of the page.

    The neighbours are held: they change in steps, which have no gradient.

    It is 0 where the model does not read the page: with a weight of 0, or by the votes of neighbours alone.

    Args:
        case: The patient.
    """
    features, fusion = case.attached.features, case.predictor.bundle.fusion
    gradient = None
    if "image" in features.blocks:
        with torch.enable_grad():
            own = torch.from_numpy(features.values).double().requires_grad_()
            logits = case.predictor.logits(own, case.attached.neighbours)[0]
            raw = logits[1] - logits[0]
            if raw.requires_grad:
                (gradient,) = torch.autograd.grad(raw, own, allow_unused=True)
    return np.zeros(len(fusion.kept)) if gradient is None else fusion.embedding_gradient(gradient[0].numpy())


def page_shares(case: ExplainedCase) -> NDArray[np.float64]:
    """[width, 14, 14] the share of each cell of a patient's page in each value of its embedding, which they sum to.

    Args:
        case: A patient with a page.

    Raises:
        ValueError: There is no page.
    """
    encoder, engine, page = case.predictor.bundle.served.encoder, case.predictor.engine, case.patient.page
    if encoder is None or engine is None or page is None:
        message = "a map needs a page"
        raise ValueError(message)
    return shares_of(engine.maps(page.input), encoder.readout)


def shares_of(maps: tuple[NDArray[np.float32], ...], readout: str) -> NDArray[np.float64]:
    """Each value of an embedding, taken apart by position.

    With ``A`` a channel of ``N`` positions ``p``, ``m`` its mean and ``s`` its standard deviation, the share of ``p`` is

    - ``A_p / N`` in a mean. With the gradient ``g`` of a score by that mean, ``sum of g A_p / N`` over the channels is
      Grad-CAM before its rectifier: the weight of a channel is the mean over positions of the gradient, here ``g / N``.
    - ``(A_p - m)^2 / (N s)`` in a standard deviation: deviation times ``(A_p - m) / (N s)``, the gradient by the position.
      The weight of Grad-CAM would be 0, since a spread does not mind a constant; so the product is taken before the
      sum over positions.

    Source: Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, ICCV 2017,
    equations 1 and 2; gradient times activation by position: Draelos and Carin, Use HiResCAM instead of Grad-CAM for
    faithful explanations of convolutional neural networks, 2020.

    Args:
        maps: Maps of the engine, [channels, h, w] each.
        readout: ``final`` (means) or ``texture`` (means of the first map, spreads of all).
    """
    means = _coarse(maps[0].astype(np.float64) / maps[0][0].size)
    return means if readout == "final" else np.concatenate([means, *(_coarse(_spreads(each)) for each in maps)])


def _spreads(channels: NDArray[np.float32]) -> NDArray[np.float64]:
    squared = channels.astype(np.float64)
    squared -= squared.mean((1, 2), keepdims=True)
    np.square(squared, out=squared)
    total = np.sqrt(squared.mean((1, 2), keepdims=True)) * channels[0].size
    found: NDArray[np.float64] = np.divide(squared, total, out=np.zeros_like(squared), where=total > 0)
    return found


def _coarse(fine: NDArray[np.float64]) -> NDArray[np.float64]:
    """[channels, 14 n, 14 n] -> [channels, 14, 14] sums."""
    step = fine.shape[1] // SIDE
    summed: NDArray[np.float64] = fine.reshape(len(fine), SIDE, step, SIDE, step).sum((2, 4))
    return summed
