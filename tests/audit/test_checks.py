"""The whole audit: nothing is lost in JSON, and unusual cohorts do not break it."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cardiograph.audit.checks import run_checks
from cardiograph.audit.findings import Audit, Finding, check_codes
from cardiograph.containers import PARTS, Groups
from cardiograph.errors import AuditError, ConfigError


def test_findings_come_most_severe_first(audited, pages):
    audit = run_checks(audited([0, 1] * 10, pages=pages("aabb" * 5)))
    severities = [finding.severity for finding in audit.findings]
    assert severities == sorted(severities, key=("block", "warn", "note").index)
    assert severities[0] == "block"


def test_an_audit_survives_json(audited, pages, rng):
    audit = run_checks(audited(np.arange(40) % 2, pages=pages(range(40)), values=rng.normal(1, 0.1, (40, 5))))
    assert audit.probes
    assert audit.findings
    assert Audit.from_dict(json.loads(json.dumps(audit.as_dict(), allow_nan=False))) == audit


def test_a_block_stops_until_it_is_accepted():
    finding = Finding("late_column", "block", "Column 'time' is late.", "leave it out", column="time")
    blocked = Audit("cohort.csv", 1, 0, 0, {}, "none", (finding,))
    with pytest.raises(AuditError, match="--accept late_column") as caught:
        blocked.require_sound()
    assert caught.value.issues[0].code == "late_column"
    accepted = Audit("cohort.csv", 1, 0, 0, {}, "none", (finding,), accepted=("late_column",))
    accepted.require_sound()
    assert accepted.overruled == (finding,)


def test_only_blocking_codes_can_be_accepted():
    check_codes(["late_column", "split_parts_groups"])
    with pytest.raises(ConfigError, match="truncated"):
        check_codes(["late_column", "truncated"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_cohort_breaks_it(audited, pages, traits, data):
    count = data.draw(st.integers(1, 24))
    labels = data.draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=count, max_size=count))
    number = st.one_of(st.just(float("nan")), st.floats(0.05, 0.9), st.just(0.5))
    values = data.draw(st.lists(st.tuples(number, number, number), min_size=count, max_size=count))
    cell = st.one_of(st.just(""), st.text(max_size=5), st.integers(-5, 5), st.just("2024-01-01"))
    unread = {name: data.draw(st.lists(cell, min_size=count, max_size=count)) for name in ("time_days", "x")}
    hashes = data.draw(st.lists(st.sampled_from("abcdef"), min_size=count, max_size=count))
    looks = data.draw(
        st.lists(
            st.builds(traits, width=st.integers(1, 3000), grid=st.sampled_from([None, (1, 2, 90, 80)]),
                      margins=st.sampled_from(["", "00" * 1536]), quantisation=st.sampled_from([None, 3.0])),
            min_size=count, max_size=count)
    )  # fmt: skip
    keys = data.draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))
    audit = run_checks(
        audited(
            labels,
            values=values if data.draw(st.booleans()) else None,
            names=("ef", "nyha", "age"),
            pages=pages(hashes, looks) if data.draw(st.booleans()) else None,
            groups=Groups(np.unique(keys, return_inverse=True)[1]),
            part=np.array(data.draw(st.lists(st.sampled_from([*PARTS, "excluded"]), min_size=count, max_size=count))),
            unread=unread,
            columns={"site": [None, *"ab"][:1] * count, "acquired_at": unread["x"]},
            label_definition=("ef", "nothing"),
        )
    )
    json.dumps(audit.as_dict(), allow_nan=False)
    assert audit.records == count
