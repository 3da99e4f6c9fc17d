"""Files are there whole or not at all."""

import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.parametrize(
    "write", ["write_bytes(target, b'x' * 5000)", "write_arrays(target, {'x': __import__('numpy').zeros(5000)})"]
)
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path, write):
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from cardiograph.artifacts.files import write_arrays, write_bytes; from cardiograph.errors import RunError\n"
        "target = Path(sys.argv[1])\n"
        f"try: {write}\n"
        "except RunError as error: print(error)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "big.bin"], capture_output=True, text=True, check=True
    )
    assert re.search(r"big\.bin: cannot be written \(.*File too large.*\); free disk space", result.stdout)
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


@pytest.mark.parametrize(
    "content", [b"", b"x" * 10, b"x" * 2048, b"\0" * 2080, "text", 7, 0.5, None, np.ones(512, np.float32).tobytes()]
)
def test_a_cache_entry_of_another_size_type_or_content_is_not_used(tmp_path, content):
    with PageCache(tmp_path) as cache:
        cache.keep_embedding("encoder", "pixels", np.ones(512, np.float32))
        cache.keep_facts("file", "view", {"pixel_hash": "abc"})
    with sqlite3.connect(tmp_path / "pages.sqlite") as connection:
        connection.execute("UPDATE embeddings SET content = ?", (content,))
        connection.execute("UPDATE facts SET content = ?", (content,))
    with PageCache(tmp_path) as cache:
        assert cache.embedding("encoder", "pixels") is None
        assert cache.facts("file", "view") is None
        cache.keep_embedding("encoder", "pixels", np.full(512, 2, np.float32))
        np.testing.assert_array_equal(cache.embedding("encoder", "pixels"), np.full(512, 2))


def test_a_cache_entry_with_one_bit_changed_or_under_another_key_is_not_used(tmp_path):
    with PageCache(tmp_path) as cache:
        cache.keep_embedding("encoder", "a", np.ones(512, np.float32))
        cache.keep_embedding("encoder", "b", np.zeros(512, np.float32))
    with sqlite3.connect(tmp_path / "pages.sqlite") as connection:
        ((content,),) = connection.execute("SELECT content FROM embeddings WHERE key = 'encoder:a'").fetchall()
        connection.execute("UPDATE embeddings SET content = ? WHERE key = 'encoder:b'", (content,))
        changed = content[:-1] + bytes([content[-1] ^ 1])
        connection.execute("UPDATE embeddings SET content = ? WHERE key = 'encoder:a'", (changed,))
    with PageCache(tmp_path) as cache:
        assert cache.embedding("encoder", "a") is None
        assert cache.embedding("encoder", "b") is None


def test_files_and_folders_are_for_their_owner_alone_whatever_the_umask(tmp_path):
    before = os.umask(0o022)
    try:
        files.write_bytes(tmp_path / "new" / "a.txt", b"")
        files.write_arrays(tmp_path / "new" / "a.safetensors", {"a": np.zeros(2)})
        files.append_line(tmp_path / "new" / "log.jsonl", "{}")
        files.write_output(tmp_path / "new" / "answers.csv", b"")
        PageCache(tmp_path / "cache").close()
        os.umask(0o277)
        files.write_bytes(tmp_path / "new" / "b.txt", b"")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes.pop("b.txt") == 0o400
    folders = {"new": 0o700, "cache": 0o700}
    assert modes == folders | dict.fromkeys(modes.keys() - folders.keys(), 0o600)
    assert len(modes) == 7


def test_a_file_that_is_replaced_hands_on_its_mode(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / "a.txt").chmod(0o640)
    files.write_bytes(tmp_path / "a.txt", b"new")
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_an_output_goes_through_a_link_and_into_a_device(tmp_path):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    (tmp_path / "dangling.csv").symlink_to("new.csv")
    files.write_output(tmp_path / "link.csv", b"answers")
    files.write_output(tmp_path / "dangling.csv", b"answers")
    assert (tmp_path / "link.csv").is_symlink() and (tmp_path / "dangling.csv").is_symlink()
    assert (tmp_path / "real.csv").read_bytes() == (tmp_path / "new.csv").read_bytes() == b"answers"
    files.write_output(Path("/dev/null"), b"answers")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(RunError, match=r"/dev/full: cannot be written .No space left on device"):
        files.write_output(Path("/dev/full"), b"answers")


@pytest.mark.parametrize("reader", ["a pipe", "a file"])
def test_an_output_may_be_stdout_and_what_stood_there_stays(tmp_path, reader):
    code = "from pathlib import Path; from cardiograph.artifacts.files import write_output\n"
    code += "print('before', flush=True); write_output(Path('/dev/stdout'), b'answers')"
    if reader == "a pipe":
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    else:
        with (tmp_path / "out.txt").open("ab") as out:
            subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
        found = (tmp_path / "out.txt").read_bytes()
    assert found == b"before\nanswers"


@pytest.mark.parametrize(
    "content", ['{"a":' * 100_000, '{"a": NaN}', '{"a": -Infinity}', '{"a": ' + "9" * 5000 + "}"], ids=range(4)
)
def test_json_that_is_too_deep_or_holds_what_is_no_number_is_named(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(RunError, match=r"x\.json: cannot be read"):
        files.read_json(tmp_path / "x.json")


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
