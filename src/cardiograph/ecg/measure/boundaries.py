"""Boundaries of P wave, QRS complex and T wave in mean beats, located by a small convolutional network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.measure.beats import REFERENCE, MeanBeat
from cardiograph.ecg.measure.prepare import RATE_HZ, Floats

BOUNDARIES = ("p_onset", "p_end", "qrs_onset", "qrs_end", "t_onset", "t_end")
"""Order of the boundaries in every array."""

DILATIONS = (1, 2, 4, 8, 16)
KERNEL = 5
WEIGHTS = Path(__file__).parent / "boundaries.npz"
"""Weights; `benchmarks/ludb_data/train.py` writes them."""

Weights = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class LeadBoundaries:
    """Boundaries in each lead of a mean beat.

    Args:
        at: [12, 6] seconds from the reference point, columns as in :data:`BOUNDARIES`; NaN where a lead has no beat or
            the wave is absent.
        p_present: [12] probability that the lead has a P wave.
        t_present: [12] probability that the lead has a T wave.
    """

    at: Floats
    p_present: Floats
    t_present: Floats


def locate(beat: MeanBeat) -> LeadBoundaries:
    """Locate the boundaries of a mean beat in each lead.

    The network gives, for each boundary, a probability over the samples; the boundary is its median. It was trained on
    the recordings with even numbers of LUDB, whose boundaries cardiologists drew.

    Source: A. I. Kalyakulina et al., "LUDB: a new open-access validation tool for electrocardiogram delineation
    algorithms", IEEE Access 8 (2020) 186181.
    """
    there = np.isfinite(beat.signal).mean(axis=1) > 0.5
    at = np.full((len(there), len(BOUNDARIES)), np.nan)
    present = np.zeros((len(there), 2))
    if there.any():
        inputs = network_inputs(beat.signal, beat.reach)[there]
        position, share = forward(weights(), inputs)
        at[there] = (2 * position + 0.5 - REFERENCE) / RATE_HZ
        present[there] = share
    # waves out of order are none
    at[(present[:, 0] < 0.5) | ~(at[:, 0] < at[:, 1]) | ~(at[:, 1] < at[:, 3]), :2] = np.nan
    at[(present[:, 1] < 0.5) | ~(at[:, 4] < at[:, 5]) | ~(at[:, 3] < at[:, 5]), 4:] = np.nan
    return LeadBoundaries(at, present[:, 0], present[:, 1])


@lru_cache(maxsize=1)
def weights() -> Weights:
    """Read the weights of the network."""
    with np.load(WEIGHTS, allow_pickle=False) as file:
        return {name: file[name].astype(np.float32) for name in file.files}


def network_inputs(signal: Floats, reach: tuple[int, int], shared: Floats | None = None) -> NDArray[np.float32]:
    """Return the inputs of the network at half the rate, [12, 6, samples / 2].

    Channels: the lead relative to its QRS complex, the lead in mV (compressed), its slope (compressed), amplitude and
    slope of all leads together (compressed), and whether a sample lies between the neighbouring beats.

    Args:
        signal: [12, samples] mean beat, NaN where unknown.
        reach: First and last (exclusive) sample between the neighbouring beats.
        shared: [leads, samples] leads that make up the channels of all leads together; ``signal`` if None.
    """
    lead = _halved(signal)
    both = lead if shared is None else _halved(shared)
    core = slice(REFERENCE // 2 - 30, REFERENCE // 2 + 30)
    size = np.maximum(np.abs(lead[:, core]).max(axis=1, keepdims=True), 0.02)
    slope, steep = _slope(lead), np.sqrt((_slope(both) ** 2).mean(axis=0))
    top = np.maximum(np.abs(slope[:, core]).max(axis=1, keepdims=True), 1e-3)
    loud = np.sqrt((both**2).mean(axis=0))
    mask = np.zeros(lead.shape[1])
    mask[reach[0] // 2 : (reach[1] + 1) // 2] = 1.0
    together = np.stack(
        [
            np.arcsinh(20 * loud / max(loud[core].max(), 0.02)),
            np.arcsinh(30 * steep / max(steep[core].max(), 1e-3)),
            mask,
        ]
    )
    own = np.stack([2 * lead / size, np.arcsinh(lead / 0.05), np.arcsinh(30 * slope / top)], axis=1)
    return np.concatenate([own, np.broadcast_to(together, (len(lead), *together.shape))], axis=1).astype(np.float32)


def _halved(signal: Floats) -> Floats:
    known = np.nan_to_num(signal)
    return np.asarray((known[:, 0::2] + known[:, 1::2]) / 2)


def _slope(lead: Floats) -> Floats:
    """Return the slope in mV per 8 ms after smoothing over 20 ms."""
    padded = np.pad(lead, ((0, 0), (3, 3)), mode="edge")
    total = np.cumsum(np.pad(padded, ((0, 0), (1, 0))), axis=1)
    smooth = (total[:, 5:] - total[:, :-5]) / 5
    return np.asarray(smooth[:, 2:] - smooth[:, :-2])


def forward(weights: Weights, inputs: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Run the network.

    Returns:
        [leads, 6] median position of each boundary in samples of the inputs, and [leads, 2] probability of a P and a T
        wave.
    """
    state = _convolve(inputs, weights, 0)
    for layer in range(1, len(DILATIONS)):
        state = state + _convolve(state, weights, layer)
    logits = np.einsum("oc,lct->lot", weights["position"], state)
    logits -= logits.max(axis=2, keepdims=True)
    share = np.exp(logits, dtype=np.float64)
    cumulative = np.cumsum(share, axis=2)
    cumulative /= cumulative[:, :, -1:]
    pooled = np.concatenate([state.mean(axis=2), state.max(axis=2)], axis=1)
    present = 1 / (1 + np.exp(-(pooled @ weights["presence"].T + weights["presence_bias"])))
    return _median(cumulative), np.asarray(present, dtype=np.float64)


def _median(cumulative: Floats) -> Floats:
    """Return where the cumulative probability along the last axis crosses one half, between samples."""
    index = (cumulative < 0.5).sum(axis=2)
    after = np.take_along_axis(cumulative, index[:, :, None], axis=2)[:, :, 0]
    before = np.take_along_axis(cumulative, np.maximum(index - 1, 0)[:, :, None], axis=2)[:, :, 0]
    before = np.where(index > 0, before, 0.0)
    return np.asarray(index - 0.5 + (0.5 - before) / np.maximum(after - before, 1e-12))


def _convolve(state: NDArray[np.float32], weights: Weights, layer: int) -> NDArray[np.float32]:
    """Apply one dilated convolution with ReLU, [leads, channels, samples] -> [leads, out, samples]."""
    reach = DILATIONS[layer] * (KERNEL // 2)
    samples = state.shape[2]
    padded = np.pad(state, ((0, 0), (0, 0), (reach, reach)))
    taps = [padded[:, :, k * DILATIONS[layer] : k * DILATIONS[layer] + samples] for k in range(KERNEL)]
    # weights [out, channels * taps] with the taps outermost
    out = np.matmul(weights[f"layer{layer}"], np.concatenate(taps, axis=1)) + weights[f"bias{layer}"][:, None]
    return np.asarray(np.maximum(out, 0.0, out=out), np.float32)
