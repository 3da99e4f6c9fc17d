"""Compares the delineation of ECGs with the boundaries that cardiologists drew (LUDB), and with NeuroKit2.

Marks are compared inside the annotated span of each lead; a wave is found if one of its kind is within 150 ms. Errors are
those of each lead, and those of the median over the leads of each beat, which is what the CSE tolerances refer to. The
network was trained on the records with even numbers; odd ones are for the final figure. NeuroKit2 gets each lead
(`ecg_clean`, `ecg_peaks`, `ecg_delineate` by wavelets). Prints JSON. Usage:

    python benchmarks/delineation.py [--neurokit]
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections import defaultdict
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.measure.delineate import delineate
from cardiograph.ecg.measure.measure import measure
from ludb_data.records import Record, read_records

RATE = 500
TOLERANCE = round(0.150 * RATE)
CSE_MS = {"p_onset": 10.2, "p_end": 12.7, "qrs_onset": 6.5, "qrs_end": 11.6, "t_end": 30.6}
"""Source: CSE Working Party, Eur. Heart J. 6 (1985) 815."""

KINDS = ("p", "qrs", "t")
Waves = dict[str, NDArray[np.float64]]
"""Kind -> [waves, 3] onset, peak and end in samples."""

Method = Callable[[Record], list[Waves]]


def ours(record: Record) -> list[Waves]:
    """Waves of each lead by cardiograph."""
    found = delineate(record.ecg)
    assert found is not None
    result = []
    for lead in LEADS:
        at = found.boundaries(lead) * RATE
        waves = {
            kind: np.stack([at[:, 2 * i], at[:, 2 * i : 2 * i + 2].mean(axis=1), at[:, 2 * i + 1]], 1)
            for i, kind in enumerate(KINDS)
        }
        result.append({kind: rows[np.isfinite(rows[:, 1])] for kind, rows in waves.items()})
    return result


def neurokit(record: Record) -> list[Waves]:
    """Waves of each lead by NeuroKit2; none where it fails."""
    import neurokit2 as nk

    result = []
    for row in record.ecg.signal:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                clean = nk.ecg_clean(row.astype(float), sampling_rate=RATE)
                peaks = nk.ecg_peaks(clean, sampling_rate=RATE)[1]["ECG_R_Peaks"]
                found = nk.ecg_delineate(clean, peaks, sampling_rate=RATE, method="dwt")[1]
        except (ValueError, IndexError, ZeroDivisionError, KeyError):
            result.append({kind: np.empty((0, 3)) for kind in KINDS})
            continue
        result.append(neurokit_waves(np.asarray(peaks, float), found))
    return result


def neurokit_waves(peaks: NDArray[np.float64], found: dict[str, list[float]]) -> Waves:
    """The result of `ecg_delineate` as waves."""
    waves = {}
    for kind, name in zip(KINDS, "PRT", strict=True):
        middle = peaks if kind == "qrs" else np.array(found[f"ECG_{name}_Peaks"], float)
        rows = [np.array(found[f"ECG_{name}_Onsets"], float), middle, np.array(found[f"ECG_{name}_Offsets"], float)]
        length = min(map(len, rows))
        stacked = np.stack([each[:length] for each in rows], 1)
        waves[kind] = stacked[np.isfinite(stacked[:, 1])]
    return waves


def matched(found: NDArray[np.float64], drawn: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pairs of found and drawn waves, nearest first, each used once."""
    if not len(found) or not len(drawn):
        return []
    distance = np.abs(found[:, None, 1] - drawn[None, :, 1])
    pairs = []
    for flat in np.argsort(distance, axis=None):
        i, j = np.unravel_index(flat, distance.shape)
        if distance[i, j] > TOLERANCE:
            break
        if np.isfinite(distance[i, j]):
            pairs.append((int(i), int(j)))
            distance[i, :] = distance[:, j] = np.inf
    return pairs


def score(records: list[Record], method: Method) -> dict[str, object]:
    """Counts and errors of a method."""
    counts = {kind: np.zeros(3, int) for kind in KINDS}
    errors: dict[str, list[float]] = defaultdict(list)
    beats: dict[str, list[float]] = defaultdict(list)
    for record in records:
        found = method(record)
        for kind in KINDS:
            both: dict[int, list[NDArray[np.float64]]] = defaultdict(list)
            reference = record.waves[1].qrs[:, 1]
            for waves, drawn_waves in zip(found, record.waves, strict=True):
                drawn, rows = getattr(drawn_waves, kind), waves[kind]
                pairs = matched(rows, drawn)
                used = {i for i, _ in pairs}
                first, last = drawn_waves.span
                false = sum(i not in used and first <= row[1] <= last for i, row in enumerate(rows))
                counts[kind] += (len(pairs), len(drawn) - len(pairs), false)
                for i, j in pairs:
                    difference = rows[i][[0, 2]] - drawn[j][[0, 2]]
                    for side, value in zip(("onset", "end"), difference, strict=True):
                        if np.isfinite(value):
                            errors[f"{kind}_{side}"].append(value * 1e3 / RATE)
                    order = (
                        int(np.searchsorted(reference + 100, drawn[j][1]))
                        if kind != "t"
                        else int(np.searchsorted(reference, drawn[j][1]))
                    )
                    both[order].append(np.concatenate([rows[i][[0, 2]], drawn[j][[0, 2]]]))
            for each in both.values():
                if len(each) >= 6:
                    values = np.nanmedian(np.array(each), axis=0)
                    beats[f"{kind}_onset"].append((values[0] - values[2]) * 1e3 / RATE)
                    beats[f"{kind}_end"].append((values[1] - values[3]) * 1e3 / RATE)
    return {
        "waves": {
            kind: {
                "drawn": int(hit + miss),
                "sensitivity": round(hit / max(hit + miss, 1), 4),
                "ppv": round(hit / max(hit + false, 1), 4),
            }
            for kind, (hit, miss, false) in counts.items()
        },
        "error_ms_each_lead": _moments(errors),
        "error_ms_median_of_leads": _moments(beats),
    }


def _moments(errors: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "mean": round(float(np.nanmean(values)), 1),
            "sd": round(float(np.nanstd(values)), 1),
            "within_cse_2sd": round(float(np.mean(np.abs(values) <= 2 * CSE_MS[name])), 3)
            if name in CSE_MS
            else float("nan"),
            "n": len(values),
        }
        for name, values in errors.items()
    }


def speed(records: list[Record]) -> dict[str, float]:
    """CPU time of `measure` on recordings of 10 s at 500 Hz, in ms."""
    measure(records[0].ecg)
    spent = []
    for record in records[:40]:
        begin = time.process_time()
        measure(record.ecg)
        spent.append(1e3 * (time.process_time() - begin))
    return {"median": round(float(np.median(spent)), 1), "largest": round(max(spent), 1)}


def main() -> None:
    """Print the figures of both halves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--neurokit", action="store_true")
    options = parser.parse_args()
    records = list(read_records())
    methods: dict[str, Method] = {"cardiograph": ours, **({"neurokit2": neurokit} if options.neurokit else {})}
    halves = {"even": [r for r in records if r.number % 2 == 0], "odd": [r for r in records if r.number % 2]}
    report: dict[str, object] = {"cse_tolerance_ms": CSE_MS, "measure_cpu_ms": speed(records)}
    for half, chosen in halves.items():
        report[half] = {"records": len(chosen)} | {name: score(chosen, method) for name, method in methods.items()}
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
