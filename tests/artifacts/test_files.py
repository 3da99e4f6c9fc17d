"""Files are there whole or not at all."""

import json
import subprocess
import sys

import numpy as np
import pytest

from cardiograph.artifacts import files
from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.errors import RunError


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "a.txt"
    files.write_bytes(target, b"old")
    with pytest.raises(RuntimeError), files.written_whole(target) as temporary:
        temporary.write_bytes(b"half of the ne")
        raise RuntimeError
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path):
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from cardiograph.artifacts.files import write_bytes; from cardiograph.errors import RunError\n"
        "try: write_bytes(Path(sys.argv[1]), b'x' * 5000)\n"
        "except RunError as error: print(error)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "big.bin"], capture_output=True, text=True, check=True
    )
    assert "big.bin: cannot be written (File too large); make room" in told.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot be written \(.*(Not a directory|File exists)"):
        files.write_bytes(tmp_path / "file" / "a.txt", b"")


def test_arrays_come_back_as_they_were(tmp_path):
    arrays = {"a": np.arange(6, dtype=np.int64).reshape(2, 3).T, "b": np.array([np.inf, 1], np.float32)}
    files.write_arrays(tmp_path / "x.safetensors", arrays)
    found = files.read_arrays(tmp_path / "x.safetensors")
    for name, values in arrays.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype


def test_json_refuses_nan(tmp_path):
    with pytest.raises(ValueError, match="Out of range"):
        files.write_json(tmp_path / "x.json", {"auroc": float("nan")})


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff\xfe"])
def test_damaged_json_is_named(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(RunError, match=r"x\.json"):
        files.read_json(tmp_path / "x.json")


def test_damaged_arrays_are_named(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"no tensors")
    with pytest.raises(RunError, match=r"x\.safetensors"):
        files.read_arrays(tmp_path / "x.safetensors")


def test_the_cache_keeps_embeddings_bit_for_bit(tmp_path):
    embedding = np.random.default_rng(0).normal(size=512).astype(np.float32)
    with PageCache(tmp_path) as cache:
        assert cache.embedding("encoder", "pixels") is None
        cache.keep_embedding("encoder", "pixels", embedding)
        cache.keep_facts("file", "view", {"pixel_hash": "abc", "box": [1, 2, 3, 4]})
    with PageCache(tmp_path) as cache:
        np.testing.assert_array_equal(cache.embedding("encoder", "pixels"), embedding)
        assert cache.embedding("other encoder", "pixels") is None
        assert cache.facts("file", "view") == {"pixel_hash": "abc", "box": [1, 2, 3, 4]}
        assert cache.facts("file", "other view") is None


def test_a_damaged_cache_is_named_with_the_way_out(tmp_path):
    (tmp_path / "pages.sqlite").write_bytes(b"not a database at all, but long enough to be read as one" * 40)
    with pytest.raises(RunError, match="delete the file if it is damaged"):
        PageCache(tmp_path)


def test_the_cache_folder_can_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("CARDIOGRAPH_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    monkeypatch.delenv("CARDIOGRAPH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "cardiograph"


def test_written_json_is_utf8_and_ends_with_a_newline(tmp_path):
    files.write_json(tmp_path / "x.json", {"outcome": "Herzschwäche"})
    assert (tmp_path / "x.json").read_bytes().endswith(b"\n")
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == {"outcome": "Herzschwäche"}
