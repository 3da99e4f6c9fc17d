"""Options of ``cardiograph run``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from cardiograph.cli.options import AuditOptions, LabelColumns, Preset, Setting, Weights
from cardiograph.registry import MODELS


@dataclass(frozen=True, kw_only=True)
class RunOptions(AuditOptions):
    """Options of ``cardiograph run``."""

    preset: Preset = None
    label: LabelColumns = None
    model: Annotated[
        str | None,
        typer.Option(help=f"Model to keep and serve: {', '.join(MODELS)}."),
        Setting("model", "name"),
    ] = None
    balance: Annotated[
        str | None,
        typer.Option(
            help="Handling of a rare class: none, weights (of the loss) or augment (more pages by augmentation)."
        ),
        Setting("balance", "mode"),
    ] = None
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Encoder: ecg (default; reads the leads), resnet18-ecg (reads the picture, trained on drawn ECGs), "
            "resnet18 or resnet50 (read the picture; the former is the default if --weights is given), an entry point of "
            "another package, or module:factory."
        ),
        Setting("encoder", "name"),
    ] = None
    weights: Weights = None
    engine: Annotated[
        str | None, typer.Option(help="What runs the encoder: openvino or torch."), Setting("encoder", "engine")
    ] = None
    precision: Annotated[
        str | None, typer.Option(help="Precision of the encoder: auto, f32 or bf16."), Setting("encoder", "precision")
    ] = None
    ecgs: Annotated[
        str | None,
        typer.Option(
            help="ECGs of the training records that the bundle stores for the service to show: none (the default) or traces "
            "(2.5 s of each lead). An ECG can identify a person."
        ),
        Setting("bundle", "ecgs"),
    ] = None
