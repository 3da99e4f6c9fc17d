"""Items of a list of outcomes: their schema, and what is allowed for a prediction."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cardiograph.errors import Issue
from cardiograph.service.api.kinds import LABELS, SURVIVAL, kind_of_answer

MAX_ITEMS = 1000
"""Maximum number of outcomes in a request."""

FIELDS = ("id", "outcome", "time", "event")

_ID = re.compile(r"[0-9a-f]{32}")

MAX_TIME, MAX_EVENT = 100_000, 99

_EVENT_RULE = f"event is 0 (censored), 1 (the event), or a whole number up to {MAX_EVENT} (a competing event)"

SCHEMA: dict[str, Any] = {
    "type": "array",
    "minItems": 1,
    "maxItems": MAX_ITEMS,
    "description": "Outcomes: `outcome` of a binary outcome, of several classes or of several labels; `time` and `event` of "
    "a time-to-event outcome.",
    "items": {
        "type": "object",
        "required": ["id"],
        "additionalProperties": False,
        "properties": {
            "id": {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "id of the prediction"},
            "outcome": {
                "description": "0 or 1; the name of the class; or label -> 0 or 1",
                "anyOf": [
                    {"type": "integer", "minimum": 0, "maximum": 1},
                    {"type": "string"},
                    {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0, "maximum": 1}},
                ],
            },
            "time": {
                "type": "number",
                "minimum": 0,
                "maximum": MAX_TIME,
                "description": "in the unit of the prediction",
            },
            "event": {
                "type": "integer",
                "minimum": 0,
                "maximum": MAX_EVENT,
                "description": "0 censored, 1 the event, 2 and above competing",
            },
        },
    },
}
"""JSON schema of a request."""


@dataclass(frozen=True)
class Item:
    """An item of the list.

    Args:
        where: Place of the item, such as ``item 3``.
        id: Id of the prediction, 32 hex digits.
        given: All other fields, as they were sent.
    """

    where: str
    id: str
    given: Mapping[str, Any]


def items_of(content: Any) -> tuple[list[Item], list[Issue]]:  # noqa: ANN401 - any JSON
    """Return the items of a request and the issues that do not depend on the predictions."""
    if not isinstance(content, list) or not 1 <= len(content) <= MAX_ITEMS:
        shown = f"{len(content):,} items" if isinstance(content, list) else type(content).__name__
        rule = f"the body is a list of 1 to {MAX_ITEMS:,} outcomes"
        return [], [Issue("request", "", shown, rule, "send the outcomes in parts", "bad_list")]
    items: list[Item] = []
    issues: list[Issue] = []
    for number, each in enumerate(content, 1):
        where = f"item {number}"
        if not isinstance(each, dict):
            rule = "an item is an object with id and outcome"
            issues.append(Issue(where, "", _shown(each), rule, "correct it", "wrong_type"))
            continue
        unknown = [name for name in each if name not in FIELDS]
        rule = f"fields are {', '.join(FIELDS)}"
        issues += [
            Issue(where, name[:40], _shown(each[name]), rule, "leave it out", "unknown_field") for name in unknown
        ]
        id_ = each.get("id")
        if not isinstance(id_, str) or not _ID.fullmatch(id_):
            rule = "id is that of a prediction: 32 hexadecimal digits in lower case"
            issues.append(Issue(where, "id", _shown(id_), rule, "copy it from the answer", "bad_id"))
            continue
        items.append(Item(where, id_, {name: value for name, value in each.items() if name != "id"}))
    return items, issues


def content_of(item: Item, answer: Mapping[str, Any]) -> tuple[dict[str, Any], list[Issue]]:
    """Check an item against its prediction.

    Args:
        item: The item.
        answer: The prediction, as of ``Prediction.as_dict()``, of the current or an earlier model.

    Returns:
        The outcome to be stored, and the issues of the item.
    """
    kind, given = kind_of_answer(answer), dict(item.given)
    names = ("time", "event") if kind is SURVIVAL else ("outcome",)
    what = f"the prediction is of {answer['outcome']!r}" if "outcome" in answer else "the prediction has several labels"
    rule = f"{what}, whose outcome has the field{'s' if len(names) > 1 else ''} {' and '.join(names)}"
    issues = [
        Issue(item.where, name, _shown(given[name]), rule, "leave it out", "wrong_field")
        for name in given
        if name not in names
    ]
    issues += [
        Issue(item.where, name, "absent", rule, "add it", "absent_field") for name in names if given.get(name) is None
    ]
    if issues:
        return given, issues
    if kind is SURVIVAL:
        return given, _survival_issues(item, str(answer["unit"]))
    if kind is LABELS:
        return given, _label_issues(item, answer["labels"])
    value, classes = given["outcome"], answer.get("classes") or {}
    if classes:
        right, rule = isinstance(value, str) and value in classes, f"outcome is one of {', '.join(classes)}"
    else:
        right, rule = _is_label(value), "outcome is 0 or 1"
    return given, [] if right else [_value_issue(item, "outcome", value, rule)]


def _survival_issues(item: Item, unit: str) -> list[Issue]:
    """Return the issues of a time and an event."""
    time, event = item.given["time"], item.given["event"]
    issues = []
    if isinstance(time, bool) or not isinstance(time, int | float) or not 0 <= time <= MAX_TIME:
        issues.append(_value_issue(item, "time", time, f"time is a number of {unit} from 0 to {MAX_TIME:,}"))
    if isinstance(event, bool) or not isinstance(event, int) or not 0 <= event <= MAX_EVENT:
        issues.append(_value_issue(item, "event", event, _EVENT_RULE))
    return issues


def _label_issues(item: Item, labels: Mapping[str, Any]) -> list[Issue]:
    """Return the issues of the outcomes of labels; those that are not known are left out."""
    value = item.given["outcome"]
    rule = f"outcome is an object with 0 or 1 for each known label of {', '.join(labels)}"
    if not isinstance(value, dict) or not value:
        return [_value_issue(item, "outcome", value, rule)]
    return [
        _value_issue(item, f"outcome.{name[:40]}", each, rule)
        for name, each in value.items()
        if name not in labels or not _is_label(each)
    ]


def _is_label(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value in (0, 1)


def _value_issue(item: Item, column: str, value: object, rule: str) -> Issue:
    return Issue(item.where, column, _shown(value), rule, "correct it, or leave the item out", "bad_outcome")


def _shown(value: object) -> str:
    """Return a value for a message: JSON of at most 40 characters."""
    return "absent" if value is None else json.dumps(value)[:40]
