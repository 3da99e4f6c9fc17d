"""Weights file of a pretrained encoder: half precision, with the recipe and everything that it has seen."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

import torch

from cardiograph.encoders.leads_input import PREPARATION
from cardiograph.pretrain.records import Records
from cardiograph.pretrain.training import PageRecipe, Recipe, Trained

FILE: Final = "ecg.safetensors"


def write_weights(
    trained: Trained,
    recipe: Recipe | PageRecipe,
    records: Records | None,
    path: Path,
    *,
    data: str = "",
    preparation: str = PREPARATION,
) -> str:
    """Write the network to a safetensors file.

    Matrices are in half precision; vectors, such as those of batch normalisation, in single precision.

    Args:
        trained: Finished pretraining.
        recipe: Its settings.
        records: Real recordings that it has seen; the file holds their content hashes.
        path: File to write.
        data: Description of the real recordings.
        preparation: Version of the preparation of the network's input.

    Returns:
        SHA-256 of the file, as 64 hexadecimal digits.
    """
    from safetensors.torch import save

    tensors = {
        name: (tensor.half() if tensor.ndim > 1 else tensor.float()).contiguous()
        for name, tensor in trained.network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    facts = {
        "recipe": asdict(recipe),
        "preparation": preparation,
        "hours": round(trained.seconds / 3600, 3),
        "torch": torch.__version__,
        "data": data,
        "records": list(records.hashes) if records else [],
        "loss": trained.curves[-1] if trained.curves else {},
    }
    content = save(tensors, {name: json.dumps(value) for name, value in facts.items()})
    partial = path.with_suffix(".partial")
    partial.write_bytes(content)
    partial.replace(path)
    return hashlib.sha256(content).hexdigest()
