"""Death in chronic heart failure: models with and without a graph next to MAGGIC, on 695 patients of MUSIC.

usage: python benchmarks/music.py [--shared ../shared] [--repeats 20] [--folder FOLDER] [--figure FILE.svg]

All-cause death at 1, 3 and 4 years, and cardiac death (codes 3, 6 and 7; other deaths compete) at 4. Folds are of whole
patients; a quarter of the training patients of each fold choose penalties and epochs. Scores are means over the repeats
of the scores of all held-out predictions, with intervals from resampled patients; differences are paired. A transplant
(10 patients) and loss of contact (7) censor. Each repeat is kept in FOLDER and not computed again. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cardiograph.config import ModelConfig
from cardiograph.graph.exact import nearest
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.public_cohorts.files import number, read_cells
from cardiograph.public_cohorts.music import EVENTS
from cardiograph.survival.cox import absolute_risk, choose_cox
from cardiograph.survival.curves import all_once, cumulative_incidence, numbers_at_risk, resample
from cardiograph.survival.heads import SurvivalExamples, train_survival
from cardiograph.survival.maggic import MaggicValues, maggic_risk, maggic_score
from cardiograph.survival.outcome import SurvivalOutcome, survival_outcome
from cardiograph.survival.scores import auroc_at, brier_at, calibration_at, harrell_c, uno_c
from cardiograph.threads import set_threads

HORIZONS = {"all_cause": (365.0, 1096.0, 1461.0), "cardiac": (1461.0,)}
DAYS = np.unique(np.r_[np.linspace(122, 1461, 12), 365.0, 1096.0, 1461.0])
FIVE = (51, 39, 10, 12, 5)
CLINICAL = (*range(5, 24), *range(25, 58), *range(90, 103))
ECG = (*range(59, 69), *range(71, 80), *range(81, 90))
"""Columns of the file: intervals and rhythm of the ECG, and Holter, without the damaged column of beats an hour."""
CODED = {13, 19, 53, 59, 68, 71, 83, 85}
SKEWED = {27, 28, 29, 31, 32, 33, 39, 43, 44, 45, 76, 77, 82}
ABSENT = {61: 999.0, 82: 999.0}
CARDIAC = [float(code) for code in EVENTS["cardiac-death"]]
K, FOLDS, RESAMPLES, SEED = 10, 5, 500, 17
CONFIG = ModelConfig(width=32, members=4, epochs=100, patience=15, learning_rate=3e-3)


def cells(shared: Path) -> tuple[list[str], np.ndarray]:
    """Return the names of the columns and [patients, columns] values, NaN where empty or coded as absent."""
    names, *rows = read_cells(shared / "data/music/subject-info.csv", separator=";", encoding="latin-1")
    values = np.full((len(rows), len(names)), np.nan)
    for i, row in enumerate(rows):
        for j in {1, 3, 4, *FIVE, *CLINICAL, *ECG}:
            found = number(row[j].lstrip(">"))
            values[i, j] = np.nan if found is None else found
    for column, code in ABSENT.items():
        values[values[:, column] == code, column] = np.nan
    return names, values


def outcomes(values: np.ndarray) -> dict[str, SurvivalOutcome]:
    """All-cause and cardiac death; an empty or 0 cause is a survivor, a transplant or a patient lost to follow-up."""
    cause = np.nan_to_num(values[:, 4])
    codes = {"all_cause": cause > 0, "cardiac": np.where(np.isin(cause, CARDIAC), 1, 2 * (cause > 0))}
    return {name: survival_outcome(values[:, 1], code.astype(float)) for name, code in codes.items()}


def maggic(values: np.ndarray, *, extreme: float) -> np.ndarray:
    """Score with COPD and a known duration of 18 months absent (0) or present (1) in all.

    The three patients without ejection fraction or creatinine get the median of the cohort. Smoking: with 0, the
    patients who smoke cigarettes and have no smoke-free year; with 1, all who ever smoked.
    """
    smoked = values[:, 22] > 0
    smoker = smoked if extreme else smoked & (values[:, 23] == 0)
    fixed = np.full(len(values), extreme)
    raas = np.maximum(values[:, 93], values[:, 101])
    measured = values[:, [51, 5, 12, 9, 31, 10, 6]]
    columns = np.where(np.isnan(measured), np.nanmedian(measured, axis=0), measured).T
    others = smoker.astype(float), values[:, 14], fixed, fixed, values[:, 95], raas
    return maggic_score(MaggicValues(*[*columns, *others]))


def matrix(values: np.ndarray, columns: tuple[int, ...], train: np.ndarray) -> np.ndarray:
    """Return standardised features, filled with medians and marked where absent; all from the training patients."""
    parts = []
    for column in columns:
        x = np.log1p(values[:, column].clip(0)) if column in SKEWED else values[:, column]
        if column in CODED:
            parts += [x == code for code in np.unique(x[train][~np.isnan(x[train])])[1:]]
        else:
            parts.append(np.where(np.isnan(x), np.nanmedian(x[train]), x))
        if np.isnan(x[train]).mean() > 0.02:
            parts.append(np.isnan(x))
    features = np.stack(parts, axis=1).astype(float)
    features = features[:, features[train].std(0) > 0.05]
    return ((features - features[train].mean(0)) / features[train].std(0)).clip(-5, 5)


def neighbours(x: np.ndarray, rows: np.ndarray, train: np.ndarray) -> NeighbourTable:
    """Return the nearest training patients of some patients; no patient is its own neighbour."""
    own = [np.array([row]) for row in range(len(rows))] if rows is train else None
    single = x.astype(np.float32)
    found = nearest(single[train], single[rows], k=K, forbidden=own)
    return NeighbourTable.of(found, torch.full((len(train),), K + 1.0))


def fold_risks(values: np.ndarray, outcome: SurvivalOutcome, parts: list[np.ndarray], seed: int) -> dict[str, Any]:
    """Return [test, days] risks of each model, fitted on training and validation patients."""
    train, val, test = parts
    rng = np.random.default_rng(seed)
    inputs = {
        name: matrix(values, c, train)
        for name, c in {"five": FIVE, "clinical": CLINICAL, "clinical_ecg": CLINICAL + ECG}.items()
    }
    shuffled = {id(rows): outcome.at(rng.permutation(rows)) for rows in (train, val)}
    risks, widths = {}, {}
    for name, x in {**inputs, "shuffled": inputs["clinical"]}.items():
        known = [shuffled[id(r)] if name == "shuffled" else outcome.at(r) for r in (train, val)]
        beta = choose_cox((x[train], known[0]), (x[val], known[1])).coefficients
        risks[f"cox_{name}"] = absolute_risk(x[train] @ beta, known[0], x[test] @ beta, horizons=DAYS)
        widths[f"cox_{name}"] = x.shape[1]
    x = inputs["clinical"]
    for graph in (False, True):
        sets = [
            SurvivalExamples.timed(x[rows], outcome.at(rows), neighbours(x, rows, train) if graph else None)
            for rows in (train, val, test)
        ]
        for head in ("cox", "discrete"):
            name = f"{'sign' if graph else 'mlp'}_{head}"
            fitted = train_survival(sets[0], sets[1], head=head, config=CONFIG, seed=seed)
            risks[name], widths[name] = fitted.risk(sets[2], horizons=DAYS), x.shape[1]
    return {"risks": risks, "widths": widths}


def repeat(values: np.ndarray, outcome: SurvivalOutcome, number: int, file: Path) -> dict[str, np.ndarray]:
    """Return [patients, days] held-out risks of each model in one repeat, and the widths of their features."""
    if not file.exists():
        rng = np.random.default_rng(SEED + number)
        folds = np.array_split(rng.permutation(len(outcome)), FOLDS)
        found: dict[str, np.ndarray] = {}
        for at, test in enumerate(folds):
            rest = np.concatenate([fold for other, fold in enumerate(folds) if other != at])
            val, train = np.split(rest, [len(rest) // 4])
            fold = fold_risks(values, outcome, [train, val, test], SEED + 100 * number + at)
            for name, risk in fold["risks"].items():
                found.setdefault(name, np.zeros((len(outcome), len(DAYS))))[test] = risk
                found[f"width {name}"] = np.array(fold["widths"][name])
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, **found)  # type: ignore[arg-type]  # names of arrays, none of which is allow_pickle
    with np.load(file) as stored:
        return dict(stored)


def scores(outcome: SurvivalOutcome, runs: list[np.ndarray], weights: np.ndarray, days: tuple[float, ...]) -> dict:
    """Return [1 + resamples] means over repeats of each score; the first is of the cohort itself."""
    weights = np.concatenate([all_once(outcome), weights])
    last = int(np.flatnonzero(DAYS == 1461.0)[0]) if runs[0].ndim > 1 else None
    order = [run if last is None else run[:, last] for run in runs]

    def mean(score: Callable[..., np.ndarray], given: list[np.ndarray]) -> np.ndarray:
        return np.mean([score(outcome, each, weights) for each in given], axis=0)

    found = {
        "harrell_c": mean(harrell_c, order),
        "uno_c": mean(lambda o, r, w: uno_c(o, r, w, tau=1461.0), order),
    }
    for day in days:
        at = [run if last is None else run[:, int(np.flatnonzero(day == DAYS)[0])] for run in runs]
        found[f"auroc_{day:.0f}"] = mean(lambda o, r, w, day=day: auroc_at(o, r, w, horizon=day), at)
        if last is not None:
            found[f"brier_{day:.0f}"] = mean(lambda o, r, w, day=day: brier_at(o, r, w, horizon=day), at)
    if last is not None:
        each = [
            mean(lambda o, r, w, d=d: brier_at(o, r, w, horizon=d), [run[:, i] for run in runs])
            for i, d in enumerate(DAYS)
        ]
        found["integrated_brier"] = np.trapezoid(np.stack(each), DAYS, axis=0) / (DAYS[-1] - DAYS[0])
    return found


def bounds(values: np.ndarray) -> list[float]:
    """Value, low and high end of the interval."""
    return [round(float(v), 4) for v in (values[0], *np.nanquantile(values[1:], [0.025, 0.975]))]


def calibration(outcome: SurvivalOutcome, risk: np.ndarray, weights: np.ndarray, day: float) -> dict[str, Any]:
    """Fifths of predicted risk against observed risk, and the ratio of observed to expected events."""
    groups = calibration_at(outcome, risk, weights, horizon=day)
    observed = float(cumulative_incidence(outcome).at(np.array([day]))[0, 0])
    fifths = [
        {
            "predicted": round(g.predicted, 3),
            "observed": [round(v, 3) for v in (g.observed.value, g.observed.low, g.observed.high)],
        }
        for g in groups
    ]
    return {"observed_to_expected": round(observed / float(risk.mean()), 3), "fifths": fifths}


def summary(outcome: SurvivalOutcome, name: str, values: np.ndarray, folder: Path, repeats: int) -> dict[str, Any]:
    """Scores, calibration and differences of all models for one outcome."""
    stored = [repeat(values, outcome, number, folder / f"{name}_{number}.npz") for number in range(repeats)]
    weights = resample(outcome, resamples=RESAMPLES, rng=np.random.default_rng(SEED))
    models = [key for key in stored[0] if not key.startswith("width ")]
    runs = {model: [each[model] for each in stored] for model in models}
    tables = {model: scores(outcome, runs[model], weights, HORIZONS[name]) for model in models}
    extremes = {"maggic_absent": maggic(values, extreme=0), "maggic_present": maggic(values, extreme=1)}
    for model, points in extremes.items():
        tables[model] = scores(outcome, [points.astype(float)], weights, HORIZONS[name])
    events = int((outcome.event == 1).sum())
    width = {model: int(stored[0][f"width {model}"]) for model in models}
    calibrations = {
        model: {
            f"{day:.0f}": calibration(outcome, np.mean(runs[model], 0)[:, np.flatnonzero(day == DAYS)[0]], weights, day)
            for day in HORIZONS[name]
        }
        for model in models
    }
    if name == "all_cause":
        for model, points in extremes.items():
            calibrations[model] = {
                f"{day:.0f}": calibration(outcome, maggic_risk(points, years=y), weights, day)
                for day, y in ((365.0, 1), (1096.0, 3))
            }
    pairs = [(m, r) for r in ("maggic_absent", "maggic_present", "cox_clinical") for m in models if m != r]
    pairs += [("sign_cox", "mlp_cox"), ("sign_discrete", "mlp_discrete")]
    return {
        "events": events,
        "competing": int((outcome.event > 1).sum()),
        "events_by_horizon": {
            f"{d:.0f}": int(((outcome.event == 1) & (outcome.time <= d)).sum()) for d in HORIZONS[name]
        },
        "features": width,
        "events_per_variable": {m: round(events / w, 2) for m, w in width.items()},
        "scores": {m: {s: bounds(v) for s, v in t.items()} for m, t in tables.items()},
        "differences": {
            f"{m} - {r}": {s: bounds(tables[m][s] - tables[r][s]) for s in tables[m] if s in tables[r]}
            for m, r in pairs
        },
        "calibration": calibrations,
    }


def draw(outcome: SurvivalOutcome, points: np.ndarray, risk: np.ndarray, file: Path) -> None:
    """Draw survival in thirds of MAGGIC and of the held-out risk of Cox regression, with numbers at risk."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.6), layout="constrained")
    weights = np.concatenate([all_once(outcome), resample(outcome, resamples=300, rng=np.random.default_rng(SEED))])
    days, ticks = np.linspace(0, 1461, 200), np.array([0, 365, 730, 1096, 1461.0])
    for axes, order, title in zip(
        figure.subplots(1, 2, sharey=True), (points, risk), ("MAGGIC score", "Cox regression, held out"), strict=True
    ):
        for rows, name, colour in zip(
            np.array_split(np.argsort(order, kind="stable"), 3),
            ("low", "middle", "high"),
            ("#1b7837", "#e08214", "#b2182b"),
            strict=True,
        ):
            curves = 1 - cumulative_incidence(outcome.at(rows), weights[:, rows]).at(days)
            axes.plot(days / 365.25, curves[0], color=colour, label=f"{name} third")
            axes.fill_between(days / 365.25, *np.quantile(curves[1:], [0.025, 0.975], axis=0), color=colour, alpha=0.15)
            at = -0.24 - 0.06 * ("low", "middle", "high").index(name)
            for tick, count in zip(ticks, numbers_at_risk(outcome.at(rows), ticks), strict=True):
                axes.text(tick / 365.25, at, count, color=colour, ha="center", transform=axes.get_xaxis_transform())
        axes.set(title=title, xlabel="years\n\n\n\n", xticks=range(5), ylim=(0.4, 1.0), xlim=(0, 4))
        axes.text(-0.02, -0.18, "at risk", transform=axes.transAxes, fontsize=9)
        axes.legend(loc="lower left")
    figure.axes[0].set_ylabel("alive")
    figure.savefig(file, metadata={"Date": None})


def main() -> None:
    """Run the benchmark and print its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/results/music"))
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--only-fit", type=int, help="fit this repeat alone and print nothing")
    options = parser.parse_args()
    set_threads(1)
    torch.set_num_threads(1)
    _, values = cells(options.shared)
    named = outcomes(values)
    if options.only_fit is not None:
        for name, outcome in named.items():
            repeat(values, outcome, options.only_fit, options.folder / f"{name}_{options.only_fit}.npz")
        return
    result = {name: summary(o, name, values, options.folder, options.repeats) for name, o in named.items()}
    if options.figure is not None:
        runs = [
            repeat(values, named["all_cause"], n, options.folder / f"all_cause_{n}.npz")["cox_clinical"][:, -1]
            for n in range(options.repeats)
        ]
        draw(named["all_cause"], maggic(values, extreme=0), np.mean(runs, 0), options.figure)
    about = {"patients": len(values), "repeats": options.repeats, "folds": FOLDS, "resamples": RESAMPLES}
    print(json.dumps({"cohort": about, **result}, indent=1))


if __name__ == "__main__":
    main()
