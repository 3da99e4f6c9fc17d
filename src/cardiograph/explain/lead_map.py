"""Maps of the leads: integrated gradients of the score show which lead, which beat and which wave moved the estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cardiograph.containers import NearestNeighbours
from cardiograph.ecg.draw.figure import ecg_figure
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.measure.delineate import delineate
from cardiograph.ecg.resample import resample
from cardiograph.encoders.ecg_network import ecg_network
from cardiograph.encoders.engine import TorchEngine, drift, probe_input
from cardiograph.encoders.leads_input import (
    BEAT,
    BEAT_SAMPLES,
    BEATS_S,
    INPUT_RATE_HZ,
    INPUT_SHAPE,
    lead_start,
    qrs_samples,
)
from cardiograph.errors import EngineError
from cardiograph.explain.case import ExplainedCase

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS: Final = 64
"""Points of the path from flat leads to the recorded ones; the integral is the mean over their intervals."""

WAVES: Final = ("P", "QRS", "ST", "T", "other")
"""Waves of a beat; ``other`` is everything between them, such as the PR segment."""

_EXTENTS: Final = ((0, 1), (2, 3), (3, 4), (4, 5))
"""Columns of the boundaries at which P, QRS, ST and T begin and end."""

_SAME_NETWORK: Final = 1e-3
"""Largest relative difference of the probe embedding at which the network in torch counts as that of the model."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LeadAttribution:
    """Attribution of the score to the samples of the leads.

    Args:
        values: [12, samples] float64 attribution of each sample at 100 Hz, in units of the raw score (the difference
            of the logits); positive where the sample raised it compared with a flat lead.
        leads: Lead -> share of the absolute attribution, 0..1.
        waves: ``P``, ``QRS``, ``ST``, ``T``, ``other`` -> share of the absolute attribution, 0..1.
        ecg: The ECG.
    """

    values: Floats
    leads: dict[str, float]
    waves: dict[str, float]
    ecg: Ecg

    def plot(self) -> Figure:
        """Draw the ECG with red marks where it raised the score, and blue ones where it lowered it."""
        return draw_attribution(self.ecg, self.values)

    def as_dict(self) -> dict[str, Any]:
        """Return values ready for JSON."""
        values = {lead: row.round(6).tolist() for lead, row in zip(LEADS, self.values, strict=True)}
        return {"rate_hz": INPUT_RATE_HZ, "leads": self.leads, "waves": self.waves, "values": values}


def draw_attribution(ecg: Ecg, values: Floats) -> Figure:
    """Draw an ECG with red marks where it raised the score, and blue ones where it lowered it.

    Args:
        ecg: The ECG.
        values: [12, samples] attribution of each sample at 100 Hz. The strength of a mark is relative to the 99.5th
            percentile of the absolute attribution, smoothed over 50 ms.
    """
    smooth = np.apply_along_axis(np.convolve, 1, values, np.full(5, 0.2), "same")
    used = np.abs(smooth[smooth != 0])
    return ecg_figure(ecg, emphasis=smooth / (np.quantile(used, 0.995) if used.size else 1.0))


def lead_gradients(case: ExplainedCase, *, steps: int = STEPS) -> tuple[Floats, float]:
    """Integrate the gradient of the raw score from flat leads to the leads of a patient.

    The path changes the voltages and keeps the masks. Neighbours and all other blocks (clinical values, measurements)
    stay fixed, so the attributions sum to the change of the score with them fixed.

    Source: Sundararajan, Taly and Yan, Axiomatic Attribution for Deep Networks, ICML 2017, equations 2 and 3; here
        with the middles of the intervals.

    Args:
        case: Patient with readable leads, scored by a model with an encoder of leads.
        steps: Number of points of the path, 1 or more.

    Returns:
        [12, 1112] attributions of the encoder's input, and the score less that of flat leads, to which they sum.

    Raises:
        ValueError: If the patient has no leads.
        EngineError: If the network cannot be differentiated.
    """
    prepared = case.patient.input("leads")
    if prepared is None:
        message = "a map of the leads needs leads"
        raise ValueError(message)
    if "image" not in case.attached.features.blocks:
        return np.zeros((len(LEADS), prepared.shape[1])), 0.0
    network, whole = differentiable_network(case), torch.from_numpy(prepared).double()
    along = torch.cat([(torch.arange(steps) + 0.5) / steps, torch.tensor([0.0, 1.0])]).double()
    path = whole.repeat(len(along), 1, 1)
    path[:, : len(LEADS)] *= along[:, None, None]
    with torch.enable_grad():
        inputs = path.requires_grad_()
        embeddings = network(inputs)
        scores, slopes = _scores_and_slopes(case, embeddings.detach().numpy())
        (gradient,) = torch.autograd.grad(embeddings, inputs, torch.from_numpy(slopes))
    mean = gradient[:steps, : len(LEADS)].mean(0)
    return (mean * whole[: len(LEADS)]).numpy(), float(scores[-1] - scores[-2])


def differentiable_network(case: ExplainedCase) -> nn.Module:
    """Return the encoder of a model in torch, in float64.

    Raises:
        EngineError: If the engine of the model has no gradients and its network is not the shipped one.
    """
    predictor = case.predictor
    if isinstance(predictor.engine, TorchEngine):
        return predictor.engine.network_copy().double()
    network, expected = ecg_network().double(), np.array(predictor.bundle.served.probe)
    with torch.no_grad():
        example = torch.from_numpy(probe_input(INPUT_SHAPE)).double()
        found = network(example[None])[0].numpy()
    if found.shape != expected.shape or drift(found, expected) > _SAME_NETWORK:
        message = (
            "a map of the leads needs gradients, which the engine openvino does not compute, and the weights of this "
            "model are not those that cardiograph ships; repeat the run with --engine torch"
        )
        raise EngineError(message)
    return network


def _scores_and_slopes(case: ExplainedCase, embeddings: Floats) -> tuple[Floats, Floats]:
    """Return [n] raw scores of a patient with other embeddings and the same neighbours, and their [n, width] slopes."""
    count, bundle, measured = len(embeddings), case.predictor.bundle, case.queries.measurements
    features = bundle.fuse(
        embeddings.astype(np.float32),
        case.queries.clinical.repeat(count, axis=0),
        None if measured is None else measured.repeat(count, axis=0),
    )
    nearest = case.attached.neighbours
    same = NearestNeighbours(nearest.index.repeat(count, axis=0), nearest.distance.repeat(count, axis=0))
    own = torch.from_numpy(features.values).double().requires_grad_()
    raw = case.log_odds(case.predictor.logits(own, same))
    gradient = None
    if raw.requires_grad:
        (gradient,) = torch.autograd.grad(raw.sum(), own, allow_unused=True)
    if gradient is None:  # a model of the neighbours' votes alone
        return raw.detach().numpy(), np.zeros_like(embeddings, dtype=np.float64)
    return raw.detach().numpy(), np.stack([bundle.fusion.embedding_gradient(row) for row in gradient.numpy()])


def attribute_leads(signed: Floats, ecg: Ecg) -> LeadAttribution:
    """Carry attributions of the encoder's input back to the samples of the leads.

    What belongs to the typical beat is divided equally among the beats from which it was taken; the sum is kept.

    Args:
        signed: [12, 1112] attributions from :func:`lead_gradients`.
        ecg: The ECG from which the input was prepared.
    """
    values = _on_samples(signed, resample(ecg.signal, ecg.rate, INPUT_RATE_HZ))
    size = np.abs(values)
    total = float(size.sum()) or 1.0
    leads = dict(zip(LEADS, (size.sum(1) / total).tolist(), strict=True))
    kinds = _waves(ecg, values.shape[1])
    waves = {name: float(size[kinds == number].sum() / total) for number, name in enumerate(WAVES)}
    return LeadAttribution(values, leads, waves, ecg)


def _on_samples(signed: Floats, signal: NDArray[np.float32]) -> Floats:
    recording, beat = signed[:, :-BEAT_SAMPLES], signed[:, -BEAT_SAMPLES:]
    values = np.zeros(signal.shape)
    for row, own, of_lead in zip(values, signal, recording, strict=True):
        part = row[lead_start(own) :][: recording.shape[1]]
        part += of_lead[: len(part)]
    window = qrs_samples(signal[:, : round(BEATS_S * INPUT_RATE_HZ)])[:, None] + np.arange(*BEAT)
    inside = (window >= 0) & (window < signal.shape[1])
    for row, own, of_beat in zip(values, signal, beat, strict=True):
        there = inside & np.isfinite(own[window.clip(0, signal.shape[1] - 1)])
        there &= there.sum(1, keepdims=True) > BEAT_SAMPLES // 2
        share = of_beat / np.maximum(there.sum(0), 1)
        np.add.at(row, window[there], np.broadcast_to(share, window.shape)[there])
    return values


def _waves(ecg: Ecg, samples: int) -> NDArray[np.int64]:
    """Return the [12, samples] place in :data:`WAVES` of each sample at 100 Hz, from the delineation of the ECG."""
    kinds, found = np.full((len(LEADS), samples), len(WAVES) - 1), delineate(ecg)
    if found is None:
        return kinds
    for row, lead in zip(kinds, LEADS, strict=True):
        for bounds in found.boundaries(lead):
            for number, (start, stop) in enumerate(_EXTENTS):
                if np.isfinite(bounds[[start, stop]]).all():
                    first, last = np.maximum(np.round(bounds[[start, stop]] * INPUT_RATE_HZ), 0).astype(int)
                    row[first:last] = number
    return kinds
