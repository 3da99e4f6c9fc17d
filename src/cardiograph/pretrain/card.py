"""Card of a pretrained encoder: what it learned from, how, and how well it does its own tasks."""

from __future__ import annotations

from typing import Final

from cardiograph.encoders.ecg_network import WIDTH
from cardiograph.encoders.leads_input import PREPARATION
from cardiograph.pretrain.records import Records
from cardiograph.pretrain.training import REAL_SHARE, PageRecipe, Recipe, Trained

_TASKS: Final = {
    "parameters": "parameters of the heart, Huber loss in standard deviations",
    "measurements": "measurements of the ECG, Huber loss in half ranges",
    "statements": "statements, cross-entropy",
    "views": "recognition of the other view of a recording, cross-entropy",
    "age": "age, Huber loss in units of 20 years",
    "sex": "sex, cross-entropy",
    "teacher": "values of the ECG network, squared error in standard deviations plus one minus their cosine",
}


def card(trained: Trained, recipe: Recipe | PageRecipe, records: Records | None, digest: str, *, data: str) -> str:
    """Write the card as Markdown.

    Args:
        trained: Finished pretraining.
        recipe: Its settings.
        records: Real recordings that it has seen.
        digest: SHA-256 of the weights file.
        data: Description of the real recordings.
    """
    seen = f"{len(records.hashes):,} recordings without diagnoses ({data})" if records else "none"
    last = trained.curves[-1] if trained.curves else {}
    count = sum(each.numel() for each in trained.network.parameters())
    pages = isinstance(recipe, PageRecipe)
    real = 0 if not records else round(REAL_SHARE * recipe.batch) if isinstance(recipe, PageRecipe) else recipe.pairs
    lines = [
        "# Card of a pretrained ECG encoder",
        "",
        "| | |",
        "|---|---|",
        f"| weights | SHA-256 `{digest}` |",
        f"| network | {count:,} parameters, {WIDTH} values; "
        f"{'pages prepared as for `resnet18`' if pages else f'preparation `{PREPARATION}`'} |",
        f"| drawn hearts | {recipe.hearts:,}, each {'on one page' if pages else 'in four views'}; seed {recipe.seed} |",
        f"| real recordings | {seen} |",
        f"| training | {recipe.steps:,} steps of {recipe.batch} hearts and {real} recordings; "
        f"AdamW, rate {recipe.rate:g}, decay {recipe.decay:g} |",
        f"| time | {trained.seconds / 3600:.2f} hours |",
        "",
        *(["Means over the last 25 steps:", "", "| task | loss |", "|---|---|"] if last else []),
        *(f"| {text} | {last[name]:.4f} |" for name, text in _TASKS.items() if name in last),
        *([""] if last else []),
        "The weights file holds the content hash of each real recording. A cohort that contains one of them",
        "must not be used to test a model on these embeddings.",
        "",
    ]
    return "\n".join(lines)
