"""Blocks share the variance as configured; only training rows are used for fitting."""

import numpy as np
import pytest

from cardiograph.config import FusionConfig, load_config
from cardiograph.containers.readings import LinearReadings
from cardiograph.errors import CohortError, ConfigError
from cardiograph.features.fusion import Fusion

CLINICAL = ("ef", "bnp", "nyha", "sbp", "age")


@pytest.fixture
def blocks():
    rng = np.random.default_rng(0)
    image = (rng.normal(size=(60, 512)) * rng.uniform(0.5, 20, 512) + 7).astype(np.float32)
    clinical = rng.normal(size=(60, 5))
    rows = np.arange(40)
    return image, (clinical - clinical[rows].mean(0)) / clinical[rows].std(0), rows


def test_the_five_variables_complete_make_517_features(blocks):
    image, clinical, rows = blocks
    features = Fusion.fit(image, (clinical, CLINICAL), rows, FusionConfig()).transform(image, clinical)
    assert features.values.shape == (60, 517)
    assert features.blocks == {"image": (0, 512), "clinical": (512, 517)}


@pytest.mark.parametrize("weights", [(1, 1), (3, 1), (0.2, 2)])
def test_a_block_has_its_share_of_the_variance(blocks, weights):
    image, clinical, rows = blocks
    fusion = Fusion.fit(image, (clinical, CLINICAL), rows, FusionConfig(image=weights[0], clinical=weights[1]))
    variance = fusion.transform(image, clinical).values[rows].var(0)
    assert variance[:512].sum() / variance.sum() == pytest.approx(weights[0] / sum(weights), rel=1e-4)
    assert variance.mean() == pytest.approx(1, rel=1e-4)
    assert fusion.facts()["shares"]["image"] == pytest.approx(weights[0] / sum(weights))


def test_a_column_of_little_variance_does_not_take_the_share_of_others(blocks):
    image, clinical, rows = blocks
    gaps = np.zeros((60, 1))
    gaps[:2] = 1  # an indicator keeps its unit
    both = np.hstack([clinical, gaps])
    values = Fusion.fit(image, (both, (*CLINICAL, "bnp_missing")), rows, FusionConfig()).transform(image, both).values
    variance = values[rows].var(0)
    assert variance[512:].sum() / variance.sum() == pytest.approx(0.5, rel=1e-4)
    assert np.ptp(values[rows, 517]) < np.ptp(values[rows, 512])


def test_dead_features_are_dropped_and_recorded(blocks):
    image, clinical, rows = blocks
    image[:, 17] = 3
    image[:, 40] = 3 + 1e-4 * image[:, 41]
    fusion = Fusion.fit(image, (clinical, CLINICAL), rows, FusionConfig())
    assert fusion.facts()["dead_image_features"] == [17, 40]
    assert "image_17" not in fusion.transform(image, clinical).names


def test_rows_outside_training_move_nothing(blocks):
    image, clinical, rows = blocks
    before = Fusion.fit(image, (clinical, CLINICAL), rows, FusionConfig()).transform(image, clinical).values[rows]
    image[40:] = 1e6
    after = Fusion.fit(image, (clinical, CLINICAL), rows, FusionConfig()).transform(image, clinical).values[rows]
    np.testing.assert_array_equal(before, after)


def test_one_block_alone(blocks):
    image, clinical, rows = blocks
    assert Fusion.fit(None, (clinical, CLINICAL), rows, FusionConfig()).transform(None, clinical).names == CLINICAL
    assert Fusion.fit(image, None, rows, FusionConfig()).transform(image, None).values.shape == (60, 512)
    only = Fusion.fit(image, (clinical, CLINICAL), rows, FusionConfig(image=0)).transform(image, clinical)
    assert only.names == CLINICAL


def test_no_block_at_all_is_an_error(blocks):
    with pytest.raises(ConfigError, match="no block to use"):
        Fusion.fit(blocks[0], None, blocks[2], FusionConfig(image=0))


def test_clinical_columns_that_do_not_vary_are_named():
    values = np.zeros((20, 3))
    with pytest.raises(CohortError, match=r"no clinical column varies in the training records \(ef, bnp\)"):
        Fusion.fit(None, (values, ("ef", "bnp", "bnp_missing")), np.arange(20), FusionConfig())


def test_allconst(shared, settings, tmp_path):
    from cardiograph.run.pipeline import run

    with pytest.raises(CohortError, match=r"no clinical column varies .*\(ef, bnp, nyha, sbp, age\)"):
        run(shared / "cases" / "allconst.csv", tmp_path / "run", load_config(None, settings))


def linear_readings(rng, width=512):
    weight = rng.normal(size=(3, width))
    weight[2] = 0  # a reading that never varies
    return LinearReadings(weight, rng.normal(size=3), ("normal", "PR interval", "constant"))


@pytest.mark.parametrize("weight", [0, 2])
def test_readings_are_columns_of_the_image_block_with_a_share_of_their_own(blocks, weight):
    image, clinical, rows = blocks
    image[50] = np.nan
    readings = linear_readings(np.random.default_rng(1))
    config = FusionConfig(image=weight, readings=1)
    fusion = Fusion.fit(image, (clinical, CLINICAL), rows, config, readings=readings)
    features = fusion.transform(image, clinical)
    width = 512 if weight else 0
    assert features.blocks == {"image": (0, width + 3), "clinical": (width + 3, width + 8)}
    assert features.names[width : width + 3] == ("reading: normal", "reading: PR interval", "reading: constant")
    variance = features.values[rows].var(0)
    assert variance[width : width + 3].sum() / variance.sum() == pytest.approx(1 / (weight + 2), rel=1e-4)
    own = features.values[:50, width]
    raw = image[:50].astype(np.float64) @ readings.weight[0] + readings.bias[0]
    assert np.corrcoef(own, raw)[0, 1] == pytest.approx(1, abs=1e-6)
    assert not features.values[:, width + 2].any()
    assert not features.values[50, : width + 3].any()
    assert features.present[50].tolist() == [False, True]


@pytest.mark.parametrize("readings", [None, linear_readings(np.random.default_rng(1))])
def test_restored_fusion_gives_the_same_features(blocks, readings):
    image, clinical, rows = blocks
    fusion = Fusion.fit(image, (clinical, CLINICAL), rows, FusionConfig(readings=1), readings=readings)
    again = Fusion.restore(fusion.arrays(), fusion.recorded())
    np.testing.assert_array_equal(again.transform(image, clinical).values, fusion.transform(image, clinical).values)


@pytest.mark.parametrize(
    ("settings", "readings"),
    [
        ({}, None),
        ({"image_components": 6}, None),
        ({"image_components": 6, "readings": 1}, linear_readings(np.random.default_rng(1))),
        ({"image": 0, "readings": 1}, linear_readings(np.random.default_rng(1))),
    ],
)
def test_the_gradient_by_the_embedding_is_that_of_the_features(blocks, settings, readings):
    image, clinical, rows = blocks
    image[:, 17] = 3
    config = FusionConfig(**settings)
    fusion = Fusion.fit(image, (clinical, CLINICAL), rows, config, readings=readings)
    features = fusion.transform(image[:1], clinical[:1]).values.astype(np.float64)
    by_feature = np.random.default_rng(1).normal(size=features.shape[1])
    found = fusion.embedding_gradient(by_feature)
    assert found.shape == (512,)
    assert readings is not None or found[17] == 0
    step = np.random.default_rng(2).normal(size=512) * fusion_step(image)
    moved = fusion.transform((image[:1] + step).astype(np.float32), clinical[:1]).values.astype(np.float64)
    assert (moved - features)[0] @ by_feature == pytest.approx(found @ step, rel=1e-3)


def fusion_step(image):
    return np.where(image.std(0) > 1e-3, image.std(0), 0)
