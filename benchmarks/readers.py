"""Readers of ECG files: damaged copies of a file of each format, and the time to read one.

Prints JSON. Each format gets 300 damaged copies (cut, flipped bytes, wrong counts, absurd sizes, entity bombs) of a real
file where the shared data hold one ($CARDIOGRAPH_SHARED, default ../shared), else of a written one. The copies
of a format are read in a process of limited memory, so that a crash or a lack of memory is counted and not hidden.
The samples of SCP, aECG and Sierra files are compared with the package ecgdatakit where it is installed. Usage:

    python benchmarks/readers.py [--copies 300] [--formats scp pdf]
"""

from __future__ import annotations

import argparse
import binascii
import json
import multiprocessing
import os
import resource
import statistics
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.readers import ReadOptions, read_ecg
from cardiograph.errors import EcgError
from ecg_files.damage import damaged
from ecg_files.formats import FORMATS, drawn_ecg, pdf

SHARED = Path(os.environ.get("CARDIOGRAPH_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"
REAL = {
    "wfdb": SHARED / "ludb" / "data" / "1.hea",
    "wfdb-mat": SHARED / "formats" / "wfdb-mat" / "E00001.hea",
    "dicom": SHARED / "formats" / "dicom" / "ecg-1000hz.dcm",
    "aecg": SHARED / "formats" / "aecg" / "fda-subject1.xml",
    "sierra": SHARED / "formats" / "sierra" / "sierra-1.04.xml",
    "scp": SHARED / "formats" / "scp" / "example.scp",
    "hdf5": SHARED / "formats" / "sph" / "SPH00001.h5",
    "pdf": SHARED / "formats" / "dicom" / "ecg-1000hz-printed.pdf",
}
OPTIONS = {"hdf5": ReadOptions(rate=500, unit="mV", leads=LEADS)}
MEMORY_LIMIT = 4 * 2**30
SECONDS_LIMIT = 60


def cpu_seconds() -> float:
    """CPU time of this process and of the ones that it ran, in seconds."""
    return sum(os.times()[:4])


def files_of(name: str) -> tuple[dict[str, bytes], bool]:
    """The files of a record, the one to read first, and whether they are real ones."""
    path = REAL.get(name)
    if path is not None and path.exists():
        others = [path.with_suffix(end) for end in (".dat", ".mat") if path.suffix == ".hea"]
        others = [each for each in others if each.exists()]
        return {each.name: each.read_bytes() for each in [path, *others]}, True
    write = {**FORMATS, "pdf": pdf, "wfdb-mat": FORMATS["wfdb"]}[name]
    return write(drawn_ecg(10.0, 500.0)), False


def read_copies(name: str, files: dict[str, bytes], copies: int, out: object) -> None:
    """Read damaged copies one after the other and send the outcome of each."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    first, *others = files
    # the header and the samples of a record are damaged in turn
    sources = [damaged(files[each], copies, seed=7) for each in [first, *others[:1]]]
    file_format = name.partition("-")[0]
    with tempfile.TemporaryDirectory() as folder:
        for number in range(copies):
            for file, content in files.items():
                (Path(folder) / file).write_bytes(content)
            target = number % len(sources)
            kind, content = next(sources[target])
            if file_format == "scp":  # a right checksum, so that the damage gets behind its check
                content = binascii.crc_hqx(content[2:], 0xFFFF).to_bytes(2, "little") + content[2:]
            (Path(folder) / [first, *others][target]).write_bytes(content)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            begin = cpu_seconds()
            try:
                read_ecg(Path(folder) / first, file_format=file_format, options=OPTIONS.get(name))
                answer = "read"
            except EcgError as error:
                answer = error.issues[0].code
            except BaseException as error:  # noqa: BLE001 - what the benchmark looks for
                answer = f"FAULT {type(error).__name__}: {error}"[:200]
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            out.send((kind, answer, cpu_seconds() - begin, (peak - before) / 1024))  # type: ignore[attr-defined]
    out.send(None)  # type: ignore[attr-defined]


def endure(name: str, copies: int) -> dict[str, object]:
    """Damaged copies of one format: answers, the longest time and the largest growth of memory."""
    files, real = files_of(name)
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=read_copies, args=(name, files, copies, sender))
    process.start()
    sender.close()
    answers: list[tuple[str, str, float, float]] = []
    try:
        while receiver.poll(SECONDS_LIMIT) and (answer := receiver.recv()) is not None:
            answers.append(answer)
        end = "" if len(answers) == copies else "stopped answering"
    except EOFError:
        end = "crashed"
    process.kill()
    process.join()
    codes = Counter("error" if not answer.startswith(("read", "FAULT")) else answer for _, answer, _, _ in answers)
    return {
        "real_file": real,
        "copies": len(answers),
        "errors_with_a_code": codes.pop("error", 0),
        "read": codes.pop("read", 0),
        "other_errors": dict(codes) | ({end: 1} if end else {}),
        "codes": dict(Counter(answer for _, answer, _, _ in answers).most_common()),
        "longest_cpu_seconds": round(max(seconds for _, _, seconds, _ in answers), 3),
        "largest_growth_mib": round(max(growth for _, _, _, growth in answers), 1),
    }


def seconds_to_read(name: str, repeats: int = 15) -> dict[str, object]:
    """Median CPU time to read a file of one format that was read before."""
    files, _ = files_of(name)
    with tempfile.TemporaryDirectory() as folder:
        for file, content in files.items():
            (Path(folder) / file).write_bytes(content)
        path, times = Path(folder) / next(iter(files)), []
        for _ in range(repeats + 1):
            begin = cpu_seconds()
            ecg = read_ecg(path, options=OPTIONS.get(name))
            times.append(cpu_seconds() - begin)
    return {
        "first_ms": round(1000 * times[0], 1),
        "median_ms": round(1000 * statistics.median(times[1:]), 1),
        "samples": ecg.signal.shape[1],
    }


def compared_with_ecgdatakit() -> dict[str, object]:
    """Largest difference in mV from another package, over all leads of the real files."""
    try:
        from ecgdatakit.parsing import FileParser
    except ImportError as error:
        return {"skipped": str(error)}
    differences: dict[str, object] = {}
    for name in ("scp", "aecg", "sierra"):
        if not REAL[name].exists():
            continue
        ecg, record = read_ecg(REAL[name]), FileParser().parse(str(REAL[name]))
        largest = 0.0
        for lead in record.leads:
            unit, step = (lead.resolution_unit, lead.resolution) if lead.is_raw else (lead.units, 1.0)
            values = np.asarray(lead.samples, dtype=float) * step * {"uv": 1e-3, "nv": 1e-6, "mv": 1.0}[unit.lower()]
            largest = max(largest, float(np.abs(values - ecg.lead(lead.label)).max()))
        differences[name] = largest
    return differences


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=300)
    names = [*FORMATS, "wfdb-mat", "pdf"]
    parser.add_argument("--formats", nargs="*", default=names, choices=names)
    options = parser.parse_args()
    figures: dict[str, object] = {
        "time": {name: seconds_to_read(name) for name in options.formats},
        "ecgdatakit_difference_mv": compared_with_ecgdatakit(),
        "damaged": {name: endure(name, options.copies) for name in options.formats},
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
