"""Trains the network that locates wave boundaries on the even records of LUDB, and writes its weights.

Each example is the mean of some beats of one shape, with the median of the cardiologists' boundaries of these beats in
each lead. `--hold-out` keeps every fourth even record for validation instead of training. Prints JSON. Usage:

    cd benchmarks; python -m ludb_data.train WEIGHTS.npz [--epochs 200] [--hold-out]
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax

from cardiograph.ecg.measure.beats import LENGTH, REFERENCE
from cardiograph.ecg.measure.boundaries import BOUNDARIES, DILATIONS, KERNEL, forward, network_inputs
from cardiograph.ecg.measure.delineate import align
from cardiograph.ecg.measure.prepare import prepare
from ludb_data.records import Record, read_records

CHANNELS = 16
LEADS_PER_EXAMPLE = 6
HALF = LENGTH // 2


@dataclass(frozen=True)
class Group:
    """Beats of one shape of a record.

    Args:
        beats: [beats, 12, LENGTH] in mV, without baseline.
        labels: [beats, 12, 6] samples from the reference point; NaN where nothing was drawn.
        known: [beats, 12, 3] whether the span of the annotations covers P, QRS and T.
        reach: [beats, 2] samples between the neighbouring beats.
    """

    beats: NDArray[np.float64]
    labels: NDArray[np.float64]
    known: NDArray[np.bool_]
    reach: NDArray[np.intp]


def groups_of(record: Record) -> list[Group]:
    """The beats of a record by shape, with the boundaries that were drawn."""
    aligned = align(prepare(record.ecg))
    at, padded = aligned.beats.samples, np.pad(aligned.signal, ((0, 0), (REFERENCE, LENGTH)))
    gaps = np.concatenate([[10**5], np.diff(at), [10**5]])
    result = []
    for c in range(aligned.beats.classes.max() + 1):
        members = [i for i in np.flatnonzero(aligned.beats.classes == c) if 0 < i < len(at) - 1]
        if not members:
            continue
        labels = np.full((len(members), 12, 6), np.nan)
        known = np.zeros((len(members), 12, 3), dtype=bool)
        for row, i in enumerate(members):
            for lead, waves in enumerate(record.waves):
                first, last = waves.span
                limits = {"P": (at[i - 1], at[i]), "QRS": (at[i] - 75, at[i] + 75), "T": (at[i], at[i + 1])}
                for kind, (low, high) in limits.items():
                    column = ("P", "QRS", "T").index(kind)
                    drawn = getattr(waves, kind.lower())
                    inside = drawn[(drawn[:, 1] > low) & (drawn[:, 1] < high)]
                    known[row, lead, column] = first <= (at[i - 1] if kind == "P" else at[i]) and last >= (
                        at[i + 1] if kind == "T" else at[i]
                    )
                    if len(inside):
                        chosen = inside[-1 if kind == "P" else 0]
                        labels[row, lead, 2 * column : 2 * column + 2] = chosen[[0, 2]] - at[i]
        beats = np.stack([padded[:, at[i] : at[i] + LENGTH] for i in members])
        reach = np.array([(max(REFERENCE - gaps[i], 0), min(REFERENCE + gaps[i + 1], LENGTH)) for i in members])
        result.append(Group(beats, labels, known, reach))
    return result


def example(
    group: Group, rng: np.random.Generator | None
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """Inputs, positions [12, 6] in samples of the inputs, and presence of P and T [12, 2]; NaN where unknown."""
    count = len(group.beats)
    if rng is None:
        chosen = np.arange(count)
    else:
        chosen = rng.choice(count, min(count, int(rng.choice([1, 2, 3, count]))), replace=False)
    signal = group.beats[chosen].mean(axis=0)
    reach = np.median(group.reach[chosen], axis=0).astype(int)
    labels, known = group.labels[chosen], group.known[chosen]
    drawn = np.isfinite(labels[:, :, ::2])
    share = (drawn & known).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    presence = np.where(known.any(axis=0), (share >= 0.5).astype(float), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        position = np.nanmedian(labels, axis=0)
    position[np.repeat(~(presence > 0), 2, axis=1)] = np.nan
    position = (position + REFERENCE - 0.5) / 2
    shared = None
    if rng is not None:
        signal, position, reach = _augmented(signal, position, reach, rng)
        if rng.random() < 0.3:
            shared = signal[rng.choice(12, rng.integers(1, 5), replace=False)]
    inputs = network_inputs(signal, (int(reach[0]), int(reach[1])), shared)
    leads = np.arange(12) if rng is None else rng.choice(12, LEADS_PER_EXAMPLE, replace=False)
    return inputs[leads], position[leads], presence[leads][:, [0, 2]]


def _augmented(
    signal: NDArray[np.float64], position: NDArray[np.float64], reach: NDArray[np.intp], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """Stretch time, scale, invert, shift and tilt leads, and add noise."""
    time = np.arange(LENGTH)
    factor, move = np.exp(rng.normal(0, 0.13)), rng.uniform(-8, 8)
    source = (time - REFERENCE - move) / factor + REFERENCE
    signal = np.stack([np.interp(source, time, row) for row in signal])
    position = (position - REFERENCE / 2) * factor + (REFERENCE + move) / 2
    reach = np.clip((reach - REFERENCE) * factor + REFERENCE + move, 0, LENGTH).astype(int)
    gain = np.exp(rng.uniform(np.log(0.4), np.log(3.0), (12, 1))) * rng.choice([-1.0, 1.0], (12, 1))
    width = int(rng.integers(1, 8))
    noise = rng.standard_normal((12, LENGTH + width - 1))
    noise = np.stack([np.convolve(row, np.full(width, width**-0.5), "valid") for row in noise])
    drift = rng.normal(0, 0.02, (12, 1)) + rng.normal(0, 0.03, (12, 1)) * np.linspace(-1, 1, LENGTH)
    return gain * signal + rng.exponential(0.007) * noise + drift, position, reach


class Network(nn.Module):
    """The network of `cardiograph.ecg.measure.boundaries` for training."""

    def __init__(self) -> None:
        super().__init__()
        widths = [6, *[CHANNELS] * len(DILATIONS)]
        self.layers = nn.ModuleList(
            nn.Conv1d(a, b, KERNEL, padding=d * (KERNEL // 2), dilation=d)
            for a, b, d in zip(widths, widths[1:], DILATIONS, strict=False)
        )
        self.position = nn.Conv1d(CHANNELS, len(BOUNDARIES), 1, bias=False)
        self.presence = nn.Linear(2 * CHANNELS, 2)

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the positions [rows, 6, samples] and of the presence [rows, 2]."""
        state = torch.relu(self.layers[0](inputs))
        for layer in list(self.layers)[1:]:
            state = state + torch.relu(layer(state))
        pooled = torch.cat([state.mean(2), state.amax(2)], 1)
        return self.position(state), self.presence(pooled)

    def load(self, arrays: dict[str, NDArray[np.floating]]) -> None:
        """Take weights that `as_arrays` gave."""
        given = {name: torch.as_tensor(values.astype(np.float32)) for name, values in arrays.items()}
        with torch.no_grad():
            for i, layer in enumerate(self.layers):
                layer.weight.copy_(given[f"layer{i}"].reshape(len(layer.weight), KERNEL, -1).transpose(1, 2))
                layer.bias.copy_(given[f"bias{i}"])
            self.position.weight.copy_(given["position"][:, :, None])
            self.presence.weight.copy_(given["presence"])
            self.presence.bias.copy_(given["presence_bias"])

    def as_arrays(self) -> dict[str, NDArray[np.float32]]:
        """The weights as `boundaries.forward` takes them."""
        arrays = {}
        for i, layer in enumerate(self.layers):
            w = layer.weight.detach().numpy()
            arrays[f"layer{i}"] = w.transpose(0, 2, 1).reshape(len(w), -1)
            arrays[f"bias{i}"] = layer.bias.detach().numpy()
        arrays["position"] = self.position.weight.detach().numpy()[:, :, 0]
        arrays["presence"] = self.presence.weight.detach().numpy()
        arrays["presence_bias"] = self.presence.bias.detach().numpy()
        return {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in arrays.items()}


def loss_of(network: Network, inputs: torch.Tensor, position: torch.Tensor, presence: torch.Tensor) -> torch.Tensor:
    """Cross-entropy with a Gaussian of 8 ms around each boundary, and of the presence of P and T."""
    logits, present = network(inputs)
    grid = torch.arange(HALF)
    drawn = torch.isfinite(position)
    target = torch.exp(-0.5 * ((grid - torch.nan_to_num(position)[..., None]) / 2.0) ** 2)
    target = target / target.sum(-1, keepdim=True).clamp_min(1e-6)
    entropy = -(target * log_softmax(logits, -1)).sum(-1)
    known = torch.isfinite(presence)
    exist = binary_cross_entropy_with_logits(present, torch.nan_to_num(presence), reduction="none")
    return (entropy * drawn).sum() / drawn.sum().clamp_min(1) + 2 * (exist * known).sum() / known.sum().clamp_min(1)


def validate(network: Network, groups: list[Group]) -> dict[str, object]:
    """Mean and SD of the error of each boundary in ms, and accuracy of the presence."""
    arrays, errors, right = network.as_arrays(), [], []
    for group in groups:
        inputs, position, presence = example(group, None)
        at, present = forward(arrays, inputs)
        errors.append((at - position) * 4)
        right.append(np.where(np.isfinite(presence), (present > 0.5) == (presence > 0.5), np.nan))
    error = np.concatenate(errors)
    return {
        **{
            n: [round(float(np.nanmean(e)), 1), round(float(np.nanstd(e)), 1)]
            for n, e in zip(BOUNDARIES, error.T, strict=True)
        },
        "presence": np.nanmean(np.concatenate(right), axis=0).round(3).tolist(),
    }


def save(network: Network, path: Path) -> None:
    """Write the weights in half precision."""
    np.savez_compressed(path, **{name: values.astype(np.float16) for name, values in network.as_arrays().items()})


def main() -> None:
    """Train, and print the errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--hold-out", action="store_true")
    parser.add_argument("--start", type=Path, help="weights to go on from")
    options = parser.parse_args()
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    begin = time.perf_counter()
    records = [record for record in read_records() if record.number % 2 == 0]
    held = [r for r in records if options.hold_out and r.number // 2 % 4 == 0]
    groups = [g for r in records if r not in held for g in groups_of(r)]
    held_groups = [g for r in held for g in groups_of(r)]
    network = Network()
    if options.start:
        network.load(dict(np.load(options.start)))
    optimiser = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, 8e-3, total_steps=options.epochs * (len(groups) // 12 + 1)
    )
    for epoch in range(options.epochs):
        order = rng.permutation(len(groups))
        for part in np.array_split(order, len(groups) // 12 + 1):
            batch = [example(groups[i], rng) for i in part]
            inputs, position, presence = (
                torch.as_tensor(np.concatenate([each[k] for each in batch]), dtype=torch.float32) for k in range(3)
            )
            optimiser.zero_grad()
            loss = loss_of(network, inputs, position, presence)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
        if epoch % 10 == 9:
            save(network, options.weights)
            state = {"epoch": epoch + 1, "loss": round(loss.item(), 3), "seconds": round(time.perf_counter() - begin)}
            print(json.dumps(state | (validate(network, held_groups) if held else {})), flush=True)
    save(network, options.weights)
    print(
        json.dumps(
            {
                "groups": len(groups),
                "training": validate(network, groups),
                "held_out": validate(network, held_groups) if held else None,
            }
        )
    )


if __name__ == "__main__":
    main()
