"""Outcomes are stored once, all of a list or none, and what is wrong with an item is named."""

import json

import pytest
from sqlalchemy import text
from tests.service.conftest import transport_to

from cardiograph.client import ServiceClient
from cardiograph.errors import ConfigError, InputError
from cardiograph.service.api.outcome_items import MAX_ITEMS, Item, content_of

PATH = "/v1/outcomes"


def sent(served, content, **more):
    return served.client.post(PATH, json=content, **more)


def scored(served, values):
    return served.client.post("/v1/predictions", json={"values": values}).json()["id"]


def test_an_outcome_is_stored_once_and_another_one_is_a_conflict(served, values):
    first, second = scored(served, values), scored(served, {**values, "age": 71})
    both = [{"id": first, "outcome": 1}, {"id": second, "outcome": 0}]
    assert sent(served, both).json() == {"stored": 2, "unchanged": 0}
    assert sent(served, both).json() == {"stored": 0, "unchanged": 2}
    assert len(served.log_entries("outcome")) == 2

    third = scored(served, {**values, "age": 72})
    refused = sent(served, [{"id": third, "outcome": 1}, {"id": first, "outcome": 0}])
    assert (refused.status_code, refused.json()["code"]) == (409, "other_outcome")
    (issue,) = refused.json()["issues"]
    assert (issue["where"], issue["column"], issue["value"]) == ("item 2", "outcome", '{"outcome": 0}')
    assert issue["rule"] == 'the stored outcome is {"outcome": 1}'
    assert served.records.outcomes.get(third) is None

    replaced = sent(served, [{"id": first, "outcome": 0}], params={"replace": "true"})
    assert replaced.json() == {"stored": 1, "unchanged": 0}
    assert served.records.outcomes.get(first) == {"outcome": 0}
    assert served.records.log.verify().ok


def test_all_faults_of_a_list_are_named(served, values):
    id_ = scored(served, values)
    faulty = [
        {"id": id_, "outcome": 2},
        {"id": id_, "outcome": True},
        {"id": id_, "time": 3.5},
        {"id": id_, "outcome": 1},
        {"id": id_, "outcome": 0},
    ]
    refused = sent(served, faulty)
    assert refused.status_code == 422
    found = [(each["where"], each["column"], each["value"], each["code"]) for each in refused.json()["issues"]]
    assert found == [
        ("item 1", "outcome", "2", "bad_outcome"),
        ("item 2", "outcome", "true", "bad_outcome"),
        ("item 3", "time", "3.5", "wrong_field"),
        ("item 3", "outcome", "absent", "absent_field"),
        ("item 5", "id", id_, "outcome_twice"),
    ]
    refused = sent(served, ["x", {"id": "P17", "outcome": 1}, {"id": id_, "outcome": 1, "name": "A"}])
    codes = [(each["where"], each["code"]) for each in refused.json()["issues"]]
    assert codes == [("item 1", "wrong_type"), ("item 2", "bad_id"), ("item 3", "unknown_field")]
    absent = sent(served, [{"id": id_, "outcome": 1}, {"id": "0" * 32, "outcome": 1}])
    assert (absent.status_code, absent.json()["issues"][0]["where"]) == (404, "item 2")
    for content in ({}, [], [{"id": id_, "outcome": 1}] * (MAX_ITEMS + 1)):
        assert sent(served, content).json()["issues"][0]["code"] == "bad_list"
    assert sent(served, [], params={"replace": "yes"}).status_code == 422
    assert served.client.post(PATH, content=b"[", headers={"Content-Type": "application/json"}).status_code == 400
    assert served.records.outcomes.get(id_) is None


@pytest.mark.parametrize(
    ("answer", "given", "column"),
    [
        ({"outcome": "rhythm", "classes": {"AF": 0.4, "SR": 0.6}}, {"outcome": "AF"}, None),
        ({"outcome": "rhythm", "classes": {"AF": 0.4, "SR": 0.6}}, {"outcome": 1}, "outcome"),
        ({"labels": {"MI": {}, "AF": {}}}, {"outcome": {"MI": 1}}, None),
        ({"labels": {"MI": {}, "AF": {}}}, {"outcome": {"LBBB": 1}}, "outcome.LBBB"),
        ({"labels": {"MI": {}, "AF": {}}}, {"outcome": {}}, "outcome"),
        ({"outcome": "death", "curve": [], "unit": "years"}, {"time": 2.5, "event": 0}, None),
        ({"outcome": "death", "curve": [], "unit": "years"}, {"time": -1, "event": 0}, "time"),
        ({"outcome": "death", "curve": [], "unit": "years"}, {"time": 1, "event": 0.5}, "event"),
        ({"outcome": "death", "curve": [], "unit": "years"}, {"outcome": 1, "time": 1, "event": 1}, "outcome"),
    ],
)
def test_an_outcome_is_of_the_kind_of_its_prediction(answer, given, column):
    content, issues = content_of(Item("item 1", "0" * 32, given), answer)
    assert [each.column for each in issues] == ([] if column is None else [column])
    assert content == given


def test_only_a_key_for_outcomes_may_send_them_whoever_made_the_prediction(serve, values):
    served = serve(require_key=True)
    ward, team = served.key("predict", "read"), served.key("outcomes")
    made = served.client.post(
        "/v1/predictions", json={"values": values}, headers={"Authorization": f"Bearer {ward}"}
    ).json()
    item = [{"id": made["id"], "outcome": 1}]
    with ServiceClient("http://localhost", ward, transport=transport_to(served)) as client, pytest.raises(ConfigError):
        client.send_outcomes(item)
    with ServiceClient("http://localhost", team, transport=transport_to(served)) as client:
        assert client.send_outcomes(item) == {"stored": 1, "unchanged": 0}
        with pytest.raises(InputError, match="Other outcomes are stored") as raised:
            client.send_outcomes([{"id": made["id"], "outcome": 0}])
    assert raised.value.issues[0].where == "item 1"
    assert served.client.get(made["links"]["self"], headers={"Authorization": f"Bearer {team}"}).status_code == 403


def test_a_changed_or_removed_outcome_is_found_by_verification(served, values):
    id_ = scored(served, values)
    sent(served, [{"id": id_, "outcome": 1}])
    with served.records._database.writing() as session:
        session.execute(
            text("UPDATE cardiograph_outcomes SET content = :content"), {"content": json.dumps({"outcome": 0})}
        )
    assert "outcome that was changed" in served.records.log.verify().reason
    with served.records._database.writing() as session:
        session.execute(text("DELETE FROM cardiograph_outcomes"))
    assert "outcome that was changed or removed" in served.records.log.verify().reason


def test_outcomes_are_deleted_with_their_predictions(served, values):
    from datetime import UTC, datetime

    id_ = scored(served, values)
    sent(served, [{"id": id_, "outcome": 1}])
    served.records.prune(datetime.now(UTC))
    assert served.records.outcomes.get(id_) is None
    assert served.records.log.verify().ok
