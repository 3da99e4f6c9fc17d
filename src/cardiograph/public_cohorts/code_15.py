"""CODE-15%: recordings in HDF5 with findings and follow-up, or a list of WFDB records without findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cardiograph.errors import CohortError
from cardiograph.public_cohorts.adapter import Adapter, Imported, Row, Source
from cardiograph.public_cohorts.files import SEX, existing, number, plain, read_rows, sex_of, whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONTENTS = (
    "the release of CODE-15% on Zenodo (4916206), unpacked: exams.csv and exams_part0.hdf5 to exams_part17.hdf5; or "
    "records.csv (record, age, sex) with WFDB records"
)
FINDINGS = ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF")
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
RATE = 400.0
"""Sampling rate in Hz; the tracings are in mV, as the PhysioNet Challenge 2025 reads them."""

SLAB = 64
"""Number of recordings read at once."""

TRUTH = {"true": "1", "false": "0", "1": "1", "0": "0", "": ""}


def read(source: Source) -> Imported:
    """Read exams.csv with its HDF5 files if it is there, otherwise the list of records."""
    if (source.folder / "exams.csv").is_file():
        return _exams(source, source.folder / "exams.csv")
    if (source.folder / "records.csv").is_file():
        return _listed(source, source.folder / "records.csv")
    message = f"{source.folder}: has no exams.csv or records.csv; give the folder with {CONTENTS}"
    raise CohortError(message)


def _listed(source: Source, path: Path) -> Imported:
    records = read_rows(path, ["record", "age", "sex"], CONTENTS)
    traps: Counter[str] = Counter()
    records, ecgs = existing(records, [source.folder / record["record"] for record in records], traps, path, CONTENTS)
    rows = [
        {"record_id": f"code-15-{Path(ecg).stem}", "ecg": ecg, "age": record["age"], "sex": record["sex"]}
        for record, ecg in zip(records, ecgs, strict=True)
    ]
    traps["no patient numbers in this form: two recordings may be of one patient (records)"] = len(rows)
    traps["no findings and no follow-up in this form (records)"] = len(rows)
    return Imported(rows, {}, [dict(SEX)], traps)


def _exams(source: Source, path: Path) -> Imported:
    columns = ["exam_id", "age", "is_male", *FINDINGS, "patient_id", "death", "timey", "normal_ecg", "trace_file"]
    exams = {whole(exam["exam_id"]): exam for exam in read_rows(path, columns, CONTENTS)}
    traps: Counter[str] = Counter()
    written = _convert(source, exams, traps)
    if not written:
        message = (
            f"{source.folder}: none of the exams in exams.csv is in an HDF5 file of the folder; needed: {CONTENTS}"
        )
        raise CohortError(message)
    kept = [exams[name] for name in written]
    traps["the HDF5 files state no rate, unit or leads; read as 400 Hz and mV in the owners' order (exams)"] = len(kept)
    traps["listed in exams.csv, but not in an HDF5 file of the folder; left out (exams)"] = len(exams) - len(kept)
    rows = [_row(exam, ecg, traps) for exam, ecg in zip(kept, written.values(), strict=True)]
    patients = Counter(row["patient_id"] for row in rows)
    traps["patients with several exams, kept together by patient_id (patients)"] = sum(n > 1 for n in patients.values())
    normal = [_truth(path, exam, "normal_ecg") for exam in kept]
    outcomes = {"abnormal": ["" if not value else str(1 - int(value)) for value in normal]}
    outcomes |= {name: [_truth(path, exam, name) for exam in kept] for name in FINDINGS}
    imported = Imported(rows, outcomes, [dict(SEX)], traps)
    _follow_up(path, kept, imported, source.horizon)
    return imported


def _row(exam: Row, ecg: str, traps: Counter[str]) -> Row:
    name = whole(exam["exam_id"])
    sex = sex_of(TRUTH.get(exam["is_male"].lower(), ""), {"1": "male", "0": "female"}, traps)
    return {
        "record_id": f"code-15-{name}",
        "patient_id": whole(exam["patient_id"]),
        "ecg": ecg,
        "age": exam["age"],
        "sex": sex,
    }


def _truth(path: Path, exam: Row, column: str) -> str:
    value = TRUTH.get(exam[column].lower())
    if value is None:
        message = f"{path}: exam {exam['exam_id']}: {column} is {exam[column]!r}; the owners' file has True or False"
        raise CohortError(message)
    return value


def _follow_up(path: Path, exams: list[Row], imported: Imported, horizon: float) -> None:
    """Add death within the horizon, and the time in days."""
    years = [number(exam["timey"]) for exam in exams]
    died = [_truth(path, exam, "death") for exam in exams]
    known = [time is not None and time > 0 and dead != "" for time, dead in zip(years, died, strict=True)]
    times = [365.25 * (time or 0.0) for time in years]
    labels = [
        "" if not followed else "1" if dead == "1" and time <= horizon else "0" if time >= horizon else ""
        for followed, dead, time in zip(known, died, times, strict=True)
    ]
    imported.outcomes["death"] = labels
    imported.extra["time"] = [plain(round(t, 1)) if followed else "" for followed, t in zip(known, times, strict=True)]
    imported.extra["event_death"] = [dead if followed else "" for followed, dead in zip(known, died, strict=True)]
    imported.traps[
        "follow-up is known for one exam of each patient at most; without it, death is unlabelled (exams)"
    ] = known.count(False)
    imported.traps[f"censored before {plain(horizon)} days, so unlabelled for death (exams)"] = sum(
        followed and not label for followed, label in zip(known, labels, strict=True)
    )


def _convert(source: Source, exams: dict[str, Row], traps: Counter[str]) -> dict[str, str]:
    """Write the recordings of the HDF5 files as WFDB records, and return exam -> header."""
    import numpy as np

    from cardiograph.artifacts.files import write_bytes
    from cardiograph.ecg.ecg import Ecg
    from cardiograph.ecg.writers.wfdb import wfdb_files

    written: dict[str, str] = {}
    folder = source.out / "records"
    for name, tracing in _tracings(source):
        samples = np.flatnonzero(tracing.any(axis=1))
        if name not in exams:
            traps["in an HDF5 file, but not in exams.csv (such as the empty last row); left out"] += 1
        elif not len(samples):
            traps["every sample is zero; left out (exams)"] += 1
        else:
            cut = tracing[samples[0] : samples[-1] + 1]
            traps["padded with zeros before and after; cut off (exams)"] += len(cut) < len(tracing)
            try:
                ecg = Ecg.from_leads(LEADS, cut.T, RATE, source="HDF5")
            except ValueError:
                traps["samples that no ECG has, such as more than the largest voltage; left out (exams)"] += 1
                continue
            for file, content in wfdb_files(ecg, name).items():
                write_bytes(folder / file, content)
            written[name] = str(folder / f"{name}.hea")
    return written


def _tracings(source: Source) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield exam and [samples, leads] tracing in mV of each recording."""
    h5py = _h5py()
    files = sorted(source.folder.glob("*.hdf5"))
    if not files:
        message = f"{source.folder}: has no exams_part0.hdf5 or another HDF5 file; needed: {CONTENTS}"
        raise CohortError(message)
    for path in files:
        try:
            with h5py.File(path, "r") as file:
                names, tracings = file["exam_id"][:], file["tracings"]
                if tracings.ndim != 3 or tracings.shape[2] != len(LEADS) or len(names) != len(tracings):
                    message = f"{path}: tracings has the shape {tracings.shape}; needed: exams, samples, 12 leads"
                    raise CohortError(message)
                source.progress.start(f"converting {path.name}", len(names), unit="ECGs")
                for first in range(0, len(names), SLAB):
                    for name, tracing in zip(names[first : first + SLAB], tracings[first : first + SLAB], strict=True):
                        yield str(int(name)), tracing
                        source.progress.advance()
        except (OSError, KeyError) as error:
            message = f"{path}: cannot be read as a file of CODE-15% ({error}); download it again"
            raise CohortError(message) from error


def _h5py() -> Any:  # noqa: ANN401 - a module
    try:
        import h5py
    except ImportError as error:
        message = "HDF5 files need the package h5py: pip install 'cardiograph[ecg]'"
        raise CohortError(message) from error
    return h5py


ADAPTER = Adapter(
    name="code-15",
    title="CODE-15%: 345,779 recordings of 233,770 patients with six findings and follow-up",
    licence="Creative Commons Attribution 4.0 International (CC BY 4.0)",
    citation=(
        "Ribeiro AH, Paixao GMM, Lima EM, et al. CODE-15%: a large scale annotated dataset of 12-lead ECGs. Zenodo, 2021. "
        "https://doi.org/10.5281/zenodo.4916206\n"
        "Ribeiro AH, Ribeiro MH, Paixão GMM, et al. Automatic diagnosis of the 12-lead ECG using a deep neural network. "
        "Nature Communications 2020;11:1760."
    ),
    contents=CONTENTS,
    outcomes={
        "abnormal": "not a normal ECG",
        "1dAVb": "first-degree AV block",
        "RBBB": "right bundle branch block",
        "LBBB": "left bundle branch block",
        "SB": "sinus bradycardia",
        "ST": "sinus tachycardia",
        "AF": "atrial fibrillation",
        "death": "death within the horizon",
    },
    read=read,
    horizon=1096.0,
)
