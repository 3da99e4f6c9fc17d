"""Training of SIGN by several processes, started by torchrun or another launcher.

usage: torchrun --nproc-per-node 2 -m cardiograph.train.distributed FOLDER
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from cardiograph.artifacts.training_folder import (
    CHECKPOINT,
    EPOCHS_BETWEEN_CHECKPOINTS,
    FileCheckpoint,
    TrainingTask,
    read_task,
    write_task,
    write_trained,
)
from cardiograph.config import RunConfig
from cardiograph.errors import CardiographError
from cardiograph.models.build import Model
from cardiograph.models.examples import History
from cardiograph.models.ranks import TIMEOUT_S, Meeting, process_group
from cardiograph.models.training import train
from cardiograph.train.fit import PreparedGraph

ENVIRONMENT = Meeting()
"""The processes find each other by the environment variables that torchrun sets."""


def write_training(folder: Path, name: str, prepared: PreparedGraph, config: RunConfig) -> None:
    """Write a training into a folder, for processes that call :func:`train_distributed`.

    Args:
        folder: Folder that all processes can read.
        name: Name of the model; several processes can train ``sign`` only.
        prepared: Training and validation examples.
        config: Model settings and seed.
    """
    task = TrainingTask(name, prepared.train_set, prepared.val_set, config.model, config.seed, classes=prepared.classes)
    write_task(folder, task)


def train_distributed(
    folder: Path,
    meeting: Meeting = ENVIRONMENT,
    *,
    every: int = EPOCHS_BETWEEN_CHECKPOINTS,
    progress: Callable[[int], None] | None = None,
) -> tuple[Model, History]:
    """Train the model of a folder as one of several processes; the first of them writes the result into the folder.

    A process group that is already initialised is used. Otherwise the process joins one as :func:`process_group` says.
    The first process keeps a checkpoint in the folder: a training that was killed continues from it and ends with the
    same weights. :func:`cardiograph.artifacts.training_folder.read_trained` returns the result.

    Args:
        folder: Folder of :func:`write_training`.
        meeting: How the processes find each other; by default as torchrun's environment says.
        every: Number of epochs between two checkpoints.
        progress: Callback that receives the number of each finished epoch.

    Returns:
        The model and its learning curves, the same in every process.

    Raises:
        ConfigError: The training diverged, or several processes were to train another model than SIGN.
        RunError: Another process was lost, or a file of the folder is missing, damaged or of another training.
    """
    with process_group(meeting) as ranks:
        task, checkpoint = read_task(folder), FileCheckpoint(folder / CHECKPOINT, every)
        network, history = train(
            task.name,
            task.train_set,
            task.val_set,
            config=task.config,
            seed=task.seed,
            classes=task.classes,
            progress=progress,
            checkpoint=checkpoint,
        )
        if ranks.rank == 0:
            write_trained(folder, network, history)
            checkpoint.path.unlink(missing_ok=True)
    return network, history


def main(arguments: Sequence[str] | None = None) -> int:
    """Run :func:`train_distributed` in a process that torchrun started, and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="cardiograph.train.distributed", description="Train the model of a folder as one of several processes."
    )
    parser.add_argument("folder", type=Path, help="Folder of write_training.")
    parser.add_argument("--timeout", type=float, default=TIMEOUT_S, help="Seconds to wait for the other processes.")
    options = parser.parse_args(arguments)
    try:
        train_distributed(options.folder, Meeting(timeout_s=options.timeout))
    except CardiographError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
