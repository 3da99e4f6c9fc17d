"""Forms are taken apart in memory."""

from contextlib import suppress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiograph.ecg.readers.record_zip import pack_record
from cardiograph.service.api.problems import ProblemError
from cardiograph.service.security.uploads import parts_of


def form(**files):
    request = httpx.Request("POST", "http://localhost", files=files)
    return request.read(), request.headers["Content-Type"]


@given(page=st.binary(min_size=1, max_size=3000), text=st.text(min_size=1))
def test_a_form_comes_back_as_it_was_sent(page, text):
    body, kind = form(page=("scan of Anna.jpg", page, "image/jpeg"), values=(None, text.encode("utf-8", "replace")))
    assert parts_of(body, kind) == {"page": page, "values": text.encode("utf-8", "replace")}


@pytest.mark.parametrize(
    ("filename", "found"),
    [(b'; filename=""', {}), (b'; filename="a.png"', {"page": b""}), (b"", {"page": b""})],
    ids=["a browser without a file", "an empty file", "an empty field"],
)
def test_only_a_file_that_was_not_chosen_is_not_there(filename, found):
    page = b'--b\r\nContent-Disposition: form-data; name="page"' + filename + b"\r\n\r\n\r\n"
    values = b'--b\r\nContent-Disposition: form-data; name="values"\r\n\r\n{}\r\n--b--\r\n'
    assert parts_of(page + values, "multipart/form-data; boundary=b") == {**found, "values": b"{}"}


def test_several_files_of_the_ecg_are_one_content():
    files = [("page", (name, name.encode())) for name in ("a.hea", "a.dat")]
    request = httpx.Request("POST", "http://localhost", files=files)
    found = parts_of(request.read(), request.headers["Content-Type"])
    assert found == {"page": pack_record([("a.hea", b"a.hea"), ("a.dat", b"a.dat")])}


@pytest.mark.parametrize("name", ["../" * 30_000 + "a.dat", "x" * 70_000 + ".dat", ".."])
def test_a_file_name_is_never_too_long(name):
    request = httpx.Request("POST", "http://localhost", files={"page": (name, b"x")})
    with suppress(ProblemError):
        assert len(parts_of(request.read(), request.headers["Content-Type"])["page"]) < 1000


@given(st.binary(max_size=300))
def test_any_other_body_is_refused_as_such(body):
    with pytest.raises(ProblemError) as caught:
        parts_of(body, "multipart/form-data; boundary=never-in-there-by-chance")
    assert caught.value.status == 400


def test_two_pictures_are_not_one_ecg():
    files = [("page", ("a.jpg", b"a")), ("page", ("b.jpg", b"b"))]
    request = httpx.Request("POST", "http://localhost", files=files)
    with pytest.raises(ProblemError) as caught:
        parts_of(request.read(), request.headers["Content-Type"])
    assert "send one file" in caught.value.detail


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_form_that_is_cut_is_refused(share):
    body, kind = form(page=("a.jpg", b"x" * 1000), values=(None, b"{}"))
    with pytest.raises(ProblemError):
        parts_of(body[: int(len(body) * share)], kind)


def test_a_field_that_is_there_twice_and_too_many_fields_are_refused():
    once, kind = form(values=(None, b"{}"))
    twice = once.replace(b"--\r\n", b"\r\n") + once
    with pytest.raises(ProblemError, match="bad_form"):
        parts_of(twice, kind)
    body, kind = form(**{f"f{number}": (None, b"1") for number in range(65)})
    with pytest.raises(ProblemError, match="bad_form"):
        parts_of(body, kind)
