"""Attention maps: Grad-CAM on the feature maps of the encoder shows which parts of a page moved the estimate.

The map of an encoder of leads comes from :mod:`cardiograph.explain.lead_map`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cardiograph.explain.case import ExplainedCase
from cardiograph.explain.lead_map import lead_gradients

SIDE = 14
"""Rows and columns of a map, as in the last stage of the encoder; finer stages are summed to this size."""


@dataclass(frozen=True)
class PageMap:
    """Attention map over the view of a page, or over the input of an encoder of leads.

    Args:
        signed: [14, 14] first-order effect of each cell on the difference of the logits; [12, 1112] integrated
            gradients for an encoder of leads.
        direction: 1 if the page raised the estimate, -1 if it lowered it, 0 if it did not move it.
    """

    signed: NDArray[np.float64]
    direction: int

    @property
    def heat(self) -> NDArray[np.float64]:
        """[rows, columns] 0..1, effect of the cells that moved the estimate as the page did; the maximum is 1."""
        kept = np.maximum(self.direction * self.signed, 0)
        maximum = float(kept.max())
        return kept / maximum if maximum > 0 else kept


def page_map(case: ExplainedCase) -> PageMap:
    """Return the map of a page: the gradient times the shares of the page, less those of a mean training page.

    Every page has traces, grid and margins, and their effect on every page moves no estimate: a record without a page
    counts as a mean page. The cells sum to the first-order effect of the page relative to it. The direction is that of
    the whole page: the difference of the logits less that without the page, where neighbours are found by the values
    alone.

    For an encoder of leads, the cells are the samples of its input, and the ECG is compared with flat leads.

    Args:
        case: Patient with a page, scored by a model with an encoder. If its bundle has no mean page, nothing is
            subtracted.

    Raises:
        ValueError: If there is no page, or the model needs leads and there are none.
        EngineError: If the model reads leads and its network cannot be differentiated.
    """
    if case.predictor.bundle.served.needs == "leads":
        signed = lead_gradients(case)[0]
    else:
        shares, mean = page_shares(case), case.predictor.bundle.mean_page
        signed = np.einsum("c,chw->hw", logit_gradient(case), shares if mean is None else shares - mean)
    without = case.raw_of(case.without_blocks(np.array([[block != "image" for block in case.blocks]])))
    return PageMap(signed, int(np.sign(case.raw - without)))


def logit_gradient(case: ExplainedCase) -> NDArray[np.float64]:
    """Return the [width] gradient of the difference of the logits with respect to the embedding of the page.

    With several classes it is the log odds of the explained class against the rest, see :meth:`ExplainedCase.raw_of`.

    The neighbours are fixed, because they change in steps, which have no gradient. The gradient is 0 if the model does
    not read the page: with a weight of 0, or if it uses only the votes of neighbours.

    Args:
        case: Scored patient.
    """
    features, fusion = case.attached.features, case.predictor.bundle.fusion
    gradient = None
    if "image" in features.blocks:
        with torch.enable_grad():
            own = torch.from_numpy(features.values).double().requires_grad_()
            raw = case.log_odds(case.predictor.logits(own, case.attached.neighbours))[0]
            if raw.requires_grad:
                (gradient,) = torch.autograd.grad(raw, own, allow_unused=True)
    return np.zeros(len(fusion.kept)) if gradient is None else fusion.embedding_gradient(gradient[0].numpy())


def page_shares(case: ExplainedCase) -> NDArray[np.float64]:
    """Return the [width, 14, 14] shares of the cells of a page in each value of its embedding; they sum to the value.

    Args:
        case: Patient with a page.

    Raises:
        ValueError: If there is no page.
    """
    encoder, engine, page = case.predictor.bundle.served.encoder, case.predictor.engine, case.patient.page
    if encoder is None or engine is None or page is None:
        message = "a map needs a page"
        raise ValueError(message)
    return shares_of(engine.maps(page.input), encoder.readout)


def shares_of(maps: tuple[NDArray[np.float32], ...], readout: str) -> NDArray[np.float64]:
    """Decompose each value of an embedding by position.

    With a channel ``A`` of ``N`` positions ``p``, its mean ``m`` and its standard deviation ``s``, the share of ``p``
    is

    - ``A_p / N`` for a mean. With the gradient ``g`` of a score with respect to this mean, the sum of ``g A_p / N``
      over the channels is Grad-CAM before its rectifier: the weight of a channel is the mean gradient over positions,
      here ``g / N``.
    - ``(A_p - m)^2 / (N s)`` for a standard deviation: the deviation times ``(A_p - m) / (N s)``, the gradient with
      respect to the position. The weight of Grad-CAM would be 0, because a constant does not change a standard
      deviation; so the product is taken before the sum over positions.

    Source: Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, ICCV
        2017,
    equations 1 and 2; gradient times activation by position: Draelos and Carin, Use HiResCAM instead of Grad-CAM for
    faithful explanations of convolutional neural networks, 2020.

    Args:
        maps: Feature maps of the engine, each [channels, h, w].
        readout: ``final`` (means) or ``texture`` (means of the first map, standard deviations of all).
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
    """Sum [channels, 14 n, 14 n] to [channels, 14, 14]."""
    step = fine.shape[1] // SIDE
    summed: NDArray[np.float64] = fine.reshape(len(fine), SIDE, step, SIDE, step).sum((2, 4))
    return summed
