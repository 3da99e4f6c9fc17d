"""One drawn ECG as a file of each format; the modules that write and damage files are those of the benchmark."""

import importlib.util
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "benchmarks" / "ecg_files"


def module(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="session")
def formats():
    return module("formats")


@pytest.fixture(scope="session")
def damage():
    return module("damage")


@pytest.fixture(scope="session")
def drawn(formats):
    """Twelve leads of 4 s at 250 Hz, whole numbers of the step of the written files."""
    return formats.drawn_ecg()


@pytest.fixture(scope="session")
def written(formats, drawn, tmp_path_factory):
    """Format -> path of the drawn ECG in it."""
    paths = {}
    for name, write in {**formats.FORMATS, "pdf": formats.pdf}.items():
        folder = tmp_path_factory.mktemp(name)
        files = write(drawn)
        for file, content in files.items():
            (folder / file).write_bytes(content)
        paths[name] = folder / next(iter(files))
    return paths
