"""Simulated hearts next to real recordings: distributions of their measurements, and how well trees tell them apart.

    python benchmarks/drawn_and_real.py > drawn_and_real.json
    python benchmarks/drawn_and_real.py --figure docs/images/drawn_and_real.svg

Real: the 508 recordings of CODE-15. Simulated: as many hearts of the pretraining stream. Both are brought to 100 Hz and
through the same filter (0.67 to 25 Hz), then measured. Trees get the measurements and the shares of power in bands of
the spectrum, five folds. An AUROC of 0.5 would mean that no difference was found; the hearts of the stream are drawn to
cover what exists, not with the prevalence of a population, so some difference is intended.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import butter, sosfiltfilt
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.measure.reference import MEASUREMENTS
from cardiograph.pretrain.records import read_records
from cardiograph.synthesis.clinical_findings import draw_heart
from cardiograph.synthesis.clinical_recording import record_hearts

SHARED = Path(__file__).resolve().parents[2] / "shared"
RATE_HZ = 100.0
BANDS_HZ = ((0.67, 2), (2, 5), (5, 10), (10, 15), (15, 20), (20, 25))
SHOWN = ("heart_rate", "pr", "p_duration", "qrs_duration", "qtc_fridericia", "p_axis", "qrs_axis", "t_axis",
         "sokolow_lyon", "cornell", "limb_voltage", "chest_voltage")  # fmt: skip
FOLDS = 5


def filtered(signal: np.ndarray) -> np.ndarray:
    """[12, samples] with NaN at the end of short recordings -> the recorded part between 0.67 and 25 Hz."""
    there = np.isfinite(signal).all(0)
    bands = butter(2, (0.67, 25), "bandpass", fs=RATE_HZ, output="sos")
    return np.asarray(sosfiltfilt(bands, signal[:, there], axis=1))


def features(signal: np.ndarray) -> np.ndarray:
    """Measurements and shares of power of one recording."""
    signal = filtered(signal)
    values = Ecg(signal=signal.astype(np.float32), rate=RATE_HZ, source="memory").measure().vector()
    power = (np.abs(np.fft.rfft(signal - signal.mean(1, keepdims=True), axis=1)) ** 2).sum(0)
    hertz = np.fft.rfftfreq(signal.shape[1], 1 / RATE_HZ)
    shares = [power[(hertz >= low) & (hertz < high)].sum() / power.sum() for low, high in BANDS_HZ]
    return np.concatenate([values, np.log(np.array(shares) + 1e-9)])


def drawn(count: int, seed: int) -> np.ndarray:
    """[count, 12, 1000] simulated recordings."""
    rng = np.random.default_rng(seed)
    return np.asarray(record_hearts([draw_heart(rng) for _ in range(count)], rng).signal)


def told_apart(real: np.ndarray, made: np.ndarray) -> tuple[float, np.ndarray]:
    """AUROC of trees out of fold, and the importance of each feature."""
    values = np.concatenate([real, made])
    missing = np.isnan(values)
    filled = np.concatenate([np.where(missing, np.nanmedian(values, 0), values), missing], axis=1)
    labels = np.repeat([0, 1], [len(real), len(made)])
    chance, weight = np.zeros(len(labels)), np.zeros(filled.shape[1])
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(filled, labels):
        trees = ExtraTreesClassifier(300, min_samples_leaf=3, random_state=0).fit(filled[train], labels[train])
        chance[test] = trees.predict_proba(filled[test])[:, 1]
        weight += trees.feature_importances_ / FOLDS
    return float(roc_auc_score(labels, chance)), weight[: values.shape[1]] + weight[values.shape[1] :]


def draw(real: np.ndarray, made: np.ndarray, names: list[str], path: Path) -> None:
    """Histograms of the shown measurements."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7), layout="constrained")
    for axes, name in zip(figure.subplots(3, 4).flat, SHOWN, strict=True):
        one, two = real[:, names.index(name)], made[:, names.index(name)]
        edges = np.linspace(*np.nanpercentile(np.concatenate([one, two]), (0.5, 99.5)), 31)
        axes.hist(one, edges, density=True, alpha=0.6, color="#3b6ea5", label="CODE-15")
        axes.hist(two, edges, density=True, histtype="step", color="#b8432f", label="simulated")
        axes.set_xlabel(f"{MEASUREMENTS[name].title.split(' (')[0]}, {MEASUREMENTS[name].unit}")
        axes.set_yticks([])
    figure.axes[0].legend(frameon=False)
    figure.savefig(path)


def main() -> None:
    """Compare and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of shared data")
    parser.add_argument("--figure", type=Path, help="file of the histograms")
    arguments = parser.parse_args()
    signals = read_records(arguments.shared / "data" / "code-15").signal
    real = np.stack([features(signal) for signal in signals])
    made = np.stack([features(signal) for signal in drawn(len(signals), seed=1)])
    names = [*MEASUREMENTS, *(f"power {low} to {high} Hz" for low, high in BANDS_HZ)]
    auroc, weight = told_apart(real, made)
    found: dict[str, Any] = {"auroc": round(auroc, 3), "quantiles_5_25_50_75_95": {}}
    found["uses_most"] = {names[at]: round(float(weight[at]), 3) for at in np.argsort(-weight)[:15]}
    for at in [*(names.index(name) for name in SHOWN), *np.argsort(-weight)[:15]]:
        found["quantiles_5_25_50_75_95"][names[at]] = {
            kind: [round(float(q), 2) for q in np.nanpercentile(values[:, at], (5, 25, 50, 75, 95))]
            + [round(float(np.isnan(values[:, at]).mean()), 3)]
            for kind, values in (("real", real), ("simulated", made))
        }
    if arguments.figure:
        draw(real, made, names, arguments.figure)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
