"""Write a synthetic cohort: table, ECGs, ground truth, and the best possible AUROC."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from cardiograph.ecg.writers import ecg_files
from cardiograph.errors import ConfigError
from cardiograph.synthesis.patients import Record, draw_record, patient_records, record_signal
from cardiograph.synthesis.truth import cohort_table, truth_table

if TYPE_CHECKING:
    import pandas as pd

GENERATOR_VERSION: Final = 1
"""Version of the generator; another version gives other patients for the same seed."""

CEILING_PATIENTS: Final = 50_000
"""Number of patients drawn to estimate the best possible AUROC."""

EcgFiles = Literal["pages", "signals", "none"]
"""Form of the ECGs: pictures of printed pages, recordings in WFDB format, or none for a table of clinical values."""

_NAMES: Final[dict[EcgFiles, str]] = {"pages": "pages/{}.jpg", "signals": "signals/{}.hea", "none": ""}

_UNFINISHED = "unfinished.json"
_FINISHED = "synthetic.json"
_BATCH_PAGES = 8
_BATCH_PATIENTS = 20_000


def write_cohort(
    out: Path,
    *,
    patients: int,
    seed: int,
    files: EcgFiles = "pages",
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write ``cohort.csv``, the ECGs, ``truth.parquet`` and, last, ``synthetic.json``.

    The ECGs are ``pages/*.jpg``, or ``signals/*.hea`` with their ``*.dat``; both forms show the same recordings. Without
    ECGs the table has no column ``ecg``, and everything else is the same.

    The same seed gives the same files for any number of workers; patient i is the same in every cohort of a seed. A
    call with the same arguments resumes an unfinished folder.

    Args:
        out: New or empty folder.
        patients: Number of patients; about 12 % of them have two ECGs.
        seed: Seed of all random numbers.
        files: Form of the ECGs.
        workers: Number of processes that write ECGs.
        progress: Callback that receives the number of finished ECGs and of all ECGs; of patients if there are no ECGs.

    Returns:
        The path of ``cohort.csv``.

    Raises:
        ConfigError: If a number is out of range, or the folder has other content or cannot be written.
    """
    for name, value, low in (("patients", patients, 1), ("seed", seed, 0), ("workers", workers, 1)):
        if value < low:
            message = f"{name} is {value}; allowed: {low} or more"
            raise ConfigError(message)
    import pandas as pd

    try:
        form: dict[str, str] = {} if files == "pages" else {"files": files}
        _claim(out, {"generator_version": GENERATOR_VERSION, "patients": patients, "seed": seed, **form}, files)
        tables, truths = [], []
        step = _BATCH_PATIENTS if files == "none" else patients  # the records of a million patients would take 4 GB
        for first in range(0, patients, step):
            numbers = range(first, min(first + step, patients))
            records = [record for number in numbers for record in patient_records(seed, number)]
            if files != "none":
                _write_ecgs(out, records, files, workers, progress)
            tables.append(cohort_table(records, _NAMES[files].format))
            truths.append(truth_table(records))
            if files == "none" and progress is not None:
                progress(numbers.stop, patients)
        table = pd.concat(tables, ignore_index=True)
        table = table.drop(columns="ecg") if files == "none" else table
        content = table.to_csv(index=False, lineterminator="\n").encode()
        _write(out / "cohort.csv", content)
        _write_truth(out / "truth.parquet", pd.concat(truths, ignore_index=True))
        _write(out / _FINISHED, _describe(patients, seed, table, content, form))
        (out / _UNFINISHED).unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or error
        message = f"{error.filename or out}: cannot be written ({reason}); free space or choose another folder"
        raise ConfigError(message) from error
    return out / "cohort.csv"


def _claim(out: Path, identity: dict[str, int | str], files: EcgFiles) -> None:
    """Mark a new or empty folder, or accept one that the same call left unfinished."""
    marker = out / _UNFINISHED
    out.mkdir(parents=True, exist_ok=True)
    if any(path.suffix != ".partial" for path in out.iterdir()):
        if not marker.is_file() or marker.read_bytes() != json.dumps(identity).encode():
            message = f"{out} is not empty; give a new folder, or remove this one"
            raise ConfigError(message)
    else:
        _write(marker, json.dumps(identity).encode())
    if files != "none":
        (out / files).mkdir(exist_ok=True)


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _write_truth(path: Path, truth: pd.DataFrame) -> None:
    partial = path.with_name(f".{path.name}.partial")
    truth.to_parquet(partial, index=False)
    partial.replace(path)


def _describe(patients: int, seed: int, table: pd.DataFrame, content: bytes, form: dict[str, str]) -> bytes:
    from cardiograph.synthesis.ceiling import measure_ceilings

    ceilings = asdict(measure_ceilings(CEILING_PATIENTS, np.random.default_rng(0)))
    description = {
        "synthetic": True,
        "generator_version": GENERATOR_VERSION,
        "patients": patients,
        "records": len(table),
        "seed": seed,
        **form,
        "prevalence": round(float(table["label"].mean()), 6),
        "cohort_sha256": hashlib.sha256(content).hexdigest(),
        "ceilings": ceilings,
        "note": "Ceilings: AUROC of the exact posterior of the label on separate draws, independent of the seed.",
    }
    return (json.dumps(description, indent=2) + "\n").encode()


def _write_ecgs(
    out: Path,
    records: list[Record],
    files: EcgFiles,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    named = [(out / _NAMES[files].format(record.record_id), record) for record in records]
    tasks = [(path, record) for path, record in named if not path.exists()]
    done = len(records) - len(tasks)
    for _ in _each(tasks, min(workers, max(len(tasks) // _BATCH_PAGES, 1))):
        done += 1
        if progress is not None:
            progress(done, len(records))


def _each(tasks: list[tuple[Path, Record]], workers: int) -> Iterator[None]:
    if workers == 1:
        yield from map(_write_ecg, tasks)
        return
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker) as pool:
        yield from pool.map(_write_ecg, tasks, chunksize=_BATCH_PAGES)


def _start_worker() -> None:
    """Set up a worker: one thread, and exit with the parent, so that a killed parent leaves no worker running.

    Ctrl-C, which reaches every process of a terminal, is for the parent; a worker ends after the patient that it draws.
    """
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _write_ecg(task: tuple[Path, Record]) -> None:
    path, record = task
    if path.suffix == ".jpg":
        contents = {path.name: draw_record(record)}
    else:
        contents = ecg_files(record_signal(record), "wfdb", record.record_id)
    for name, content in reversed(contents.items()):  # the file that names a finished record comes last
        partial = path.with_name(f".{name}.partial")
        partial.write_bytes(content)
        partial.replace(path.with_name(name))
