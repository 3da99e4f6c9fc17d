"""Several processes train the SIGN that one process trains; a lost process ends the training, which can be continued."""

import multiprocessing
import os
import shutil

import numpy as np
import pytest
import torch

from cardiograph.artifacts.training_folder import (
    CHECKPOINT,
    TrainingTask,
    read_task,
    read_trained,
    write_task,
    write_trained,
)
from cardiograph.config import ModelConfig
from cardiograph.containers import NearestNeighbours
from cardiograph.errors import ConfigError, RunError
from cardiograph.graph.exact import nearest
from cardiograph.models.examples import Examples
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.models.ranks import Meeting, Ranks, process_group
from cardiograph.models.training import train
from cardiograph.train.distributed import train_distributed

CONFIG = ModelConfig(width=32, batch=64, epochs=25, patience=4, learning_rate=0.01, modality_dropout=0.2, votes=True)
TIMEOUT_S = 60


def task(seed=0, records=301, **settings):
    """A training of ``records`` records with two blocks, of which a third are unlabelled, and 101 for validation."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(records + 101, 4)).astype(np.float32)
    labels = (np.abs(values[:, 0]) > 0.67).astype(np.int64)
    labels[:records:3] = -1
    reference, queries = values[:records], values[records:]
    own = [np.array([row]) for row in range(records)]
    tables = [nearest(reference, reference, k=4, forbidden=own), nearest(reference, queries, k=4)]
    degree = NeighbourTable.of(tables[0]).degree
    sets = []
    for found, rows in zip(tables, (slice(records), slice(records, None)), strict=True):
        votes = rng.normal(size=len(found)).astype(np.float32)
        table = NeighbourTable.of(NearestNeighbours(found.index, found.distance), degree, votes)
        weights = rng.uniform(0.5, 2, len(found))
        sets.append(Examples.of(values[rows], table, labels[rows], weights, blocks=((0, 2), (2, 4))))
    return TrainingTask("sign", *sets, config=CONFIG.model_copy(update=settings), seed=seed)


def train_alone(one, **options):
    sets = one.train_set, one.val_set
    return train(one.name, *sets, config=one.config, seed=one.seed, classes=one.classes, **options)


def take_part(folders, rank, world, meeting, dies):
    """Train as one process of several, and write what this process got; ``dies`` ends process 1 after three epochs."""

    def progress(epoch):
        if dies and rank == 1 and epoch == 3:
            os._exit(9)

    folder = folders[rank % len(folders)]
    given = [each for each in folder.iterdir() if each.is_file() and each.name != CHECKPOINT]
    torch.set_num_threads(1)
    try:
        meeting = Meeting(rank, world, f"file://{meeting}", TIMEOUT_S)
        network, history = train_distributed(folder, meeting, every=2, progress=progress)
        result = folder / f"of-{rank}"
        result.mkdir()
        for each in given:  # not the files that process 0 is writing
            shutil.copy(each, result)
        write_trained(result, network, history)
    except RunError as error:
        (folder / f"error-{rank}").write_text(str(error))


def start(folders, world, meeting, dies=False):
    """Run ``world`` processes to their end and return their exit codes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.train.test_distributed"])
    arguments = [(folders, rank, world, meeting, dies) for rank in range(world)]
    processes = [context.Process(target=take_part, args=each) for each in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join(TIMEOUT_S)
    return [process.exitcode for process in processes]


def largest_difference(first, second):
    states = first.state_dict(), second.state_dict()
    return max(float((states[0][name] - states[1][name]).abs().max()) for name in states[0])


@pytest.mark.parametrize(("world", "settings"), [(2, {}), (3, {"full_batch_up_to": 0, "learning_rate": 0.1})])
def test_several_processes_train_what_one_trains(world, settings, tmp_path):
    folder = tmp_path / "training"
    write_task(folder, task(**settings))
    assert start([folder], world, tmp_path / "meeting") == [0] * world
    expected, curves = train_alone(task(**settings))
    found, history = read_trained(folder)
    assert len(curves.val_loss) > 7 and curves.best > 0
    assert history.best == curves.best and len(history.val_loss) == len(curves.val_loss)
    np.testing.assert_allclose(history.val_loss, curves.val_loss, atol=1e-5)
    np.testing.assert_allclose(history.train_loss, curves.train_loss, atol=1e-5)
    assert largest_difference(found, expected) < 1e-5
    for rank in range(world):
        of_rank, of_rank_history = read_trained(folder / f"of-{rank}")
        assert largest_difference(found, of_rank) == 0 and of_rank_history == history
    assert not (folder / CHECKPOINT).exists()


def test_a_training_that_lost_a_process_ends_with_an_error_and_continues_with_the_same_bits(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        write_task(folder, task())
    assert start([killed], 2, tmp_path / "first", dies=True) == [0, 9]
    assert "training process 0 of 2 lost contact with the others" in (killed / "error-0").read_text()
    assert (killed / CHECKPOINT).exists() and not (killed / "weights.safetensors").exists()
    assert start([killed], 2, tmp_path / "second") == start([whole], 2, tmp_path / "third") == [0, 0]
    (found, history), (expected, curves) = read_trained(killed), read_trained(whole)
    assert largest_difference(found, expected) == 0 and history == curves


def test_processes_with_other_records_are_refused(tmp_path):
    for seed, name in enumerate(("one", "other")):
        write_task(tmp_path / name, task(seed))
    start([tmp_path / "one", tmp_path / "other"], 2, tmp_path / "meeting")
    message = (tmp_path / "one" / "error-0").read_text()
    assert message.startswith("training process 1 of 2 has other records or settings than process 0")


def test_a_process_that_waits_for_others_in_vain_gives_up(tmp_path):
    with (
        pytest.raises(RunError, match=r"cannot meet at file://.*start them with torchrun"),
        process_group(Meeting(0, 2, f"file://{tmp_path / 'meeting'}", timeout_s=1)),
    ):
        pass
    assert Ranks.current() == Ranks()


@pytest.mark.parametrize("name", ["gcn", "logistic"])
def test_other_models_are_refused_by_name(name, monkeypatch):
    one = task()
    monkeypatch.setattr(Ranks, "current", lambda: Ranks(1, 2))
    with pytest.raises(ConfigError, match=f"'{name}' is trained by one process, not by 2; only sign"):
        train(name, one.train_set, one.val_set, config=one.config, seed=0)


def test_a_training_in_a_folder_is_what_was_written(tmp_path):
    one = task(votes=False)
    write_task(tmp_path, one)
    again = read_task(tmp_path)
    assert (again.name, again.config, again.seed, again.classes) == (one.name, one.config, one.seed, one.classes)
    (found, history), (expected, curves) = train_alone(again), train_alone(one)
    assert largest_difference(found, expected) == 0 and history == curves
    with pytest.raises(RunError, match="this training is not finished; start its processes again"):
        read_trained(tmp_path)
    with pytest.raises(RunError, match="holds no training that processes could share"):
        read_task(tmp_path / "other")
