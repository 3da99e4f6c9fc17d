"""A key opens what it was made for, until it ends or is revoked; the database does not give it away."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from cardiograph.errors import ConfigError
from cardiograph.service.records import keys as module

READ = frozenset({"read"})


def test_a_key_is_found_by_its_token(records):
    token, key = records.keys.create("ward 3", frozenset({"read", "predict"}), None)
    assert records.keys.find(token) == key
    assert (key.name, key.scopes, key.expires_at, key.revoked_at) == ("ward 3", {"read", "predict"}, None, None)
    mark, id_, secret = token.split("_", 2)
    assert (mark, id_) == ("cg", key.id)
    assert len(secret) == 43  # 32 bytes in base64


def test_only_a_hash_of_the_secret_is_at_rest(records, tamper):
    token, key = records.keys.create("ward 3", READ, None)
    secret = token.split("_", 2)[2]
    (row,) = tamper("SELECT * FROM cardiograph_keys")
    assert row.secret_sha256 == hashlib.sha256(secret.encode()).hexdigest()
    everything = [*row, *(cell for line in tamper("SELECT * FROM cardiograph_audit_log") for cell in line)]
    assert not [cell for cell in everything if secret in str(cell)]
    assert secret not in repr(key)


def test_another_token_finds_nothing(records):
    token, key = records.keys.create("ward 3", READ, None)
    other, _ = records.keys.create("ward 4", READ, None)
    secret, others = token.split("_", 2)[2], other.split("_", 2)[2]
    wrong = [
        "",
        "cg",
        "cg_",
        token[:-1],
        token + "A",
        token.upper(),
        f"xx_{key.id}_{secret}",
        f"cg_{key.id}_{others}",
        f"cg_{key.id}_",
        f"cg_{'0' * 12}_{secret}",
        f"cg_{key.id}\x00_{secret}",
        "cg_é_\udcff",
        f"cg_{key.id}_\ud800",
    ]
    assert [each for each in wrong if records.keys.find(each) is not None] == []


def test_a_secret_is_compared_in_constant_time_whether_or_not_the_key_exists(records, monkeypatch):
    token, _ = records.keys.create("ward 3", READ, None)
    compared = []

    def compare(left, right):
        compared.append((len(left), len(right)))
        return left == right

    monkeypatch.setattr(module.hmac, "compare_digest", compare)
    records.keys.find(token)
    records.keys.find(f"cg_{'0' * 12}_{'a' * 43}")
    assert compared == [(64, 64), (64, 64)]


def test_an_expired_key_is_void(records, tamper):
    end = datetime.now(UTC) + timedelta(days=1)
    token, key = records.keys.create("ward 3", READ, end)
    assert records.keys.find(token).expires_at == end
    assert key.usable(end - timedelta(seconds=1))
    assert not key.usable(end)
    tamper("UPDATE cardiograph_keys SET expires_at = '2020-01-01 00:00:00.000000'")
    assert records.keys.find(token) is None


def test_a_revoked_key_is_void_at_once_and_stays_in_the_list(records):
    token, key = records.keys.create("ward 3", READ, None)
    revoked = records.keys.revoke(key.id)
    assert records.keys.find(token) is None
    assert records.keys.list() == (revoked,)
    assert records.keys.revoke(key.id) == revoked
    assert records.log.verify().entries == 2  # made, revoked; once


def test_keys_are_listed_in_the_order_they_were_made(records):
    made = [records.keys.create(name, READ, None)[1] for name in ("c", "a", "b")]
    assert records.keys.list() == tuple(made)


@pytest.mark.parametrize(
    ("name", "scopes", "days", "message"),
    [
        ("", READ, None, "a name has 1 to 80 printable characters"),
        ("x" * 81, READ, None, "a name has 1 to 80 printable characters"),
        ("a\x1b[2J", READ, None, "a name has 1 to 80 printable characters"),
        (
            "a",
            frozenset({"read", "write"}),
            None,
            "scope 'write' is unknown; choose from predict, read, outcomes, metrics",
        ),
        ("a", frozenset(), None, "it has no scope; choose from predict, read, outcomes, metrics"),
        ("a", READ, -1, "its expiry is in the past"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(records, name, scopes, days, message):
    end = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with pytest.raises(ConfigError, match=message):
        records.keys.create(name, scopes, end)
    assert records.keys.list() == ()


def test_a_key_that_is_not_there_cannot_be_revoked(records):
    for id_ in ("nobody", "0" * 12, "\x00\ud800"):
        with pytest.raises(ConfigError, match="does not exist; `cardiograph keys list` shows all keys"):
            records.keys.revoke(id_)
