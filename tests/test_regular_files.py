"""Only regular files are opened, because devices can be endless and FIFOs block."""

import os
import socket

import pytest

from cardiograph.regular_files import open_regular, read_regular


def test_a_file_is_read_also_through_a_link(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "link").symlink_to("a")
    assert read_regular(tmp_path / "link") == b"content"


@pytest.mark.parametrize("kind", ["device", "fifo", "folder", "socket"])
def test_anything_else_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "x"
    if kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.close()
    with pytest.raises(OSError, match="not a file"):
        open_regular(path)


def test_a_name_with_a_zero_byte_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError, match="null"):
        open_regular(tmp_path / "a\0b")


def test_a_missing_file_stays_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "gone")
