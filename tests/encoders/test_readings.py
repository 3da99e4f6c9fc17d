import dataclasses

import numpy as np
import pytest

from cardiograph.encoders.engine import EncoderFacts
from cardiograph.encoders.readings import GROUPS, ReadingHeads, load_heads, reading_heads, shipped_heads
from cardiograph.errors import WeightsError
from cardiograph.synthesis.clinical_heart import STATEMENTS

FACTS = EncoderFacts("0" * 64, "shipped", "openvino", "f32", "leads", architecture="ecg", reads="leads")


def heads(width=3):
    """Heads whose first statement follows the first value of the embedding, and whose axis is 90 degrees."""
    count = len(STATEMENTS)
    weight = np.zeros((count, width))
    weight[0, 0] = 1.0
    values = {"values.weight": np.zeros((6, width)), "values.bias": np.array([np.log(60), 160, 90, 410, 0, 1.0])}
    statements = {"statements.weight": weight, "statements.bias": np.full(count, -3.0)}
    calibration = {"statements.scale": np.ones(count), "statements.offset": np.zeros(count)}
    return ReadingHeads(
        {**values, **statements, **calibration, "values.error": np.arange(1.0, 6)}, STATEMENTS, np.array([0.5, -1.0])
    )


def test_every_statement_of_the_training_belongs_to_one_group():
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(STATEMENTS)


def test_readings_have_probabilities_and_values_with_errors_in_their_units():
    found = heads().read(np.array([5.0, 0, 0], np.float32))
    of = {each.name: each.probability for each in found.statements}
    assert of[STATEMENTS[0]] == pytest.approx(1 / (1 + np.exp(-2)))
    assert of[STATEMENTS[1]] == pytest.approx(1 / (1 + np.exp(3)))
    assert [each.name for each in found.likely] == [STATEMENTS[0]]
    assert [(each.value, each.unit) for each in found.values] == [
        (pytest.approx(60), "1/min"), (160, "ms"), (90, "ms"), (410, "ms"), (pytest.approx(90), "°")
    ]  # fmt: skip
    assert [each.error for each in found.values] == [1, 2, 3, 4, 5]


def test_an_ecg_that_was_not_read_has_no_readings():
    assert heads().read(np.full(3, np.nan, np.float32)) is None


def test_heads_are_used_for_their_own_encoder_alone():
    probe = shipped_heads().probe
    assert reading_heads(FACTS, [*probe.tolist(), 7.0, 8.0]) is not None
    assert reading_heads(FACTS, (probe + 1).tolist()) is None
    assert reading_heads(FACTS, []) is None
    assert reading_heads(dataclasses.replace(FACTS, architecture="resnet18"), probe.tolist()) is None
    assert reading_heads(None, ()) is None


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "heads.safetensors").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match=r"heads\.safetensors: cannot be read"):
        load_heads(tmp_path / "heads.safetensors")
    with pytest.raises(WeightsError, match=r"missing\.safetensors"):
        load_heads(tmp_path / "missing.safetensors")
