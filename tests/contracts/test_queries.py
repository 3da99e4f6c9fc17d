"""A query is scored as if it were alone, and leaves the reference as it was; a saved model is the same model."""

import dataclasses
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tests.contracts.conftest import learn, make_problem, with_copies

from cardiograph.config import load_config
from cardiograph.imaging.hashing import HASH_BYTES
from cardiograph.inference import Predictor


def score(predictor, dataset, rows):
    return predictor.score(dataset.queries(np.asarray(rows)))


def test_a_score_ignores_the_other_queries_their_number_and_order(dataset, fitted):
    predictor, rows = fitted[2], dataset.rows("test")
    together = score(predictor, dataset, rows)
    for position, row in enumerate(rows):
        alone = score(predictor, dataset, [row])
        np.testing.assert_allclose(alone.by_class[0], together.by_class[position], atol=1e-5)
        np.testing.assert_array_equal(alone.neighbours.index[0], together.neighbours.index[position])
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(len(rows)), 3))
    crowd = score(predictor, dataset, rows[order])
    np.testing.assert_allclose(crowd.by_class, together.by_class[order], atol=1e-5)


def test_an_outrageous_query_changes_nobody_else(dataset, fitted):
    predictor, rows = fitted[2], dataset.rows("test")
    queries = dataset.queries(rows)
    image, clinical = queries.image.copy(), queries.clinical.copy()
    image[0], clinical[0] = 1e6, 1e6
    wild = predictor.score(dataclasses.replace(queries, image=image, clinical=clinical))
    np.testing.assert_allclose(wild.by_class[1:], predictor.score(queries).by_class[1:], atol=1e-5)


def test_queries_leave_the_reference_as_it_was(dataset, fitted):
    predictor = fitted[2]
    reference = predictor.bundle.reference
    before = [array.copy() for array in (reference.features, reference.degree, *reference.states)]
    weights = [weight.clone() for weight in predictor.bundle.network.state_dict().values()]
    training = score(predictor, dataset, dataset.rows("train")).by_class
    score(predictor, dataset, np.tile(dataset.rows("test"), 5))
    after = (reference.features, reference.degree, *reference.states)
    assert all(np.array_equal(old, new) for old, new in zip(before, after, strict=True))
    now = predictor.bundle.network.state_dict().values()
    assert all(torch.equal(old, new) for old, new in zip(weights, now, strict=True))
    np.testing.assert_array_equal(score(predictor, dataset, dataset.rows("train")).by_class, training)


def test_a_query_of_a_reference_group_is_scored_without_it(dataset, fitted):
    """By patient id: the answer does not move with anything that is known of this patient."""
    predictor, index = fitted[2], dataset.split.groups.index
    row = int(dataset.rows("train")[0])
    found = score(predictor, dataset, [row])
    neighbours = predictor.bundle.reference.groups[found.neighbours.index[0]]
    assert index[row] not in neighbours
    assert found.excluded_reasons == (("this patient",),)


def test_an_ecg_is_known_by_its_leads_or_its_picture(dataset):
    """Also by a model of an earlier version, which keeps one hash of each ECG: of its leads, or else of its picture."""
    predictor, rng = learn(dataset, "logistic")[2], np.random.default_rng(4)
    leads, pictures = rng.integers(0, 256, (2, len(predictor.bundle.reference), HASH_BYTES), dtype=np.uint8)
    leads[5] = 0
    both = np.hstack([leads, pictures])
    other = np.zeros(HASH_BYTES, np.uint8)
    asked = [
        np.hstack(each) for each in ((leads[3], other), (other, pictures[4]), (leads[6], pictures[5]), (other, other))
    ]
    queries = dataclasses.replace(
        dataset.queries(dataset.rows("train")[:4]), patient_ids=[None] * 4, perceptual_hashes=asked
    )
    near, none = ("a near-copy of this page",), ()
    for hashes, expected in (
        (both, [near, near, near, none]),
        (np.where(leads.any(1)[:, None], leads, pictures), [near, none, near, none]),
    ):
        reference = dataclasses.replace(
            predictor.bundle.reference,
            perceptual_hashes=hashes,
            pixel_hashes=tuple(f"page {row}" for row in range(len(hashes))),
        )
        known = Predictor(dataclasses.replace(predictor.bundle, reference=reference))
        assert [*known.score(queries).excluded_reasons] == expected


def test_a_saved_model_is_the_same_model(dataset, fitted, tmp_path):
    predictor, rows = fitted[2], dataset.rows("test")
    predictor.bundle.save(tmp_path, None)
    loaded = Predictor.load(tmp_path)
    first, second = score(predictor, dataset, rows), score(loaded, dataset, rows)
    np.testing.assert_array_equal(first.by_class, second.by_class)
    np.testing.assert_array_equal(first.neighbours.index, second.neighbours.index)
    assert first.excluded_reasons == second.excluded_reasons


@pytest.mark.parametrize("seed", range(6))
def test_copies_come_from_training_records_and_hear_none_of_their_group(seed):
    dataset = with_copies(make_problem(seed))
    prepared = learn(dataset)[0]
    source, index = dataset.inputs.copies.source, dataset.split.groups.index
    assert set(source) <= set(dataset.split.rows("train"))
    reference = prepared.graph.rows
    neighbours = prepared.train_set.neighbour_table
    copies = slice(len(reference), None)
    assert len(neighbours.index) == len(reference) + len(source)
    apart = index[reference][neighbours.index[copies].numpy()] != index[source][:, None]
    assert (apart | ~neighbours.valid[copies].numpy()).all()
    assert prepared.train_set.labels[copies].tolist() == dataset.inputs.labels[source].tolist()
    assert len(prepared.graph.rows) == len(dataset.split.rows("train"))  # a copy is never a neighbour


@pytest.mark.slow
def test_augmentation_of_a_run_never_crosses_its_split(cohort_table, settings, tmp_path, monkeypatch):
    """What the augmentation stage hands on is made of training records alone."""
    from cardiograph.run import pipeline
    from cardiograph.train import data

    seen = []
    plain = data.augment_pages

    def watched(source, *arguments, **options):
        seen.append(plain(source, *arguments, **options))
        return seen[-1]

    class EmbeddedError(Exception):
        """Ends the run after the pages and their copies are embedded."""

    def stop(state):
        raise EmbeddedError(state)

    monkeypatch.setattr(data, "augment_pages", watched)
    monkeypatch.setattr(pipeline, "RECORDED_STEPS", (pipeline.embed, stop))
    config = load_config(None, {**settings, "balance": {"mode": "augment"}, "seed": 11})
    with pytest.raises(EmbeddedError) as ended:
        pipeline.run(cohort_table, tmp_path / "run", config)
    (augmented,), split = seen, ended.value.args[0].split
    assert len(augmented.copies.source) > 0
    assert set(split.part[augmented.copies.source]) == {"train"}
    groups = split.groups.index
    assert not set(groups[augmented.copies.source]) & set(groups[np.isin(split.part, ["val", "test"])])


def test_serving_loads_no_training_code(finished_run):
    run_metadata = json.loads((finished_run / "bundle" / "bundle.json").read_text())
    values = {"ef": 0.4, "bnp": 300.0}
    page = pd.read_parquet(finished_run / "cohort.parquet")["ecg"][0]
    program = (
        "import sys; from cardiograph.inference import Predictor;"
        f"Predictor.load({str(finished_run)!r}).predict({page!r}, {values!r});"
        "print('\\n'.join(name for name in sys.modules if name.startswith('cardiograph')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert run_metadata["encoder"] is not None
    assert "cardiograph.graph.attach" in loaded
    assert not {name for name in loaded if name.startswith(training_only())}


def training_only():
    """What the import contract forbids to serving."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    (serving,) = [each for each in contracts if each["type"] == "forbidden"]
    return tuple(serving["forbidden_modules"])


def test_the_import_contract_names_all_training_only_code():
    stems = "imaging.augment features.simulate models.training train run external studies audit"
    assert set(training_only()) >= {f"cardiograph.{stem}" for stem in stems.split()}
