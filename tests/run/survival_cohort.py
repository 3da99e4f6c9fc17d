"""A small cohort with a time-to-event outcome, and a run on it up to the step that a test needs."""

import numpy as np

from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.artifacts.run import RunDirectory
from cardiograph.config import load_config
from cardiograph.ingest.context import RunContext
from cardiograph.progress import NoProgress
from cardiograph.run import pipeline
from cardiograph.run.survival import SurvivalState, horizons_of, score, train
from cardiograph.train.steps import DEFAULT_STEPS

SETTINGS = {
    "outcome": {"name": "death", "time": "time", "horizons": [200, 400], "refits": 2},
    "model": {"epochs": 4, "width": 16, "members": 4},
    "evaluation": {"bootstrap": 100},
}


def rows_of(seed=0, count=180):
    """Records in a given split; a low ejection fraction brings the event forward, and others compete."""
    rng = np.random.default_rng(seed)
    ef, age = rng.uniform(0.15, 0.65, count), rng.uniform(40, 85, count)
    event, other, end = rng.exponential(6000 * ef**3), rng.exponential(2500, count), rng.uniform(100, 900, count)
    time = np.ceil(np.minimum(np.minimum(event, other), end))
    code = np.where(end < np.minimum(event, other), 0, np.where(event < other, 1, 2))
    part = np.array(["train", "train", "train", "val", "test"])[np.arange(count) % 5]
    return [
        {"patient_id": f"p{row}", "ef": f"{ef[row]:.3f}", "age": f"{age[row]:.0f}", "time": f"{time[row]:.0f}"}
        | {"event": str(code[row]), "split": str(part[row])}
        for row in range(count)
    ]


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]))
    return path


def prepared_state(table, folder, settings=SETTINGS):
    """The state of a run before its training."""
    config = load_config(None, settings)
    directory = RunDirectory(folder)
    with PageCache(cache_folder()) as cache:
        context = RunContext(config, cache, NoProgress())
        cohort = pipeline.read(table, directory, config)
        state = SurvivalState(table, context, directory, cohort, DEFAULT_STEPS, "")
        for step in (pipeline.group, pipeline.split, pipeline.add_clinical_values):
            step(state)
        state.dataset = DEFAULT_STEPS.build_dataset(state.cohort, None, state.split, state.clinical, context)
        pipeline.build_graph(state)
    return state


def scored_state(table, folder, settings=SETTINGS):
    """The state of a run after its scores; its folder is that of a finished run without a report."""
    state = prepared_state(table, folder, settings)
    state.horizons = horizons_of(state)
    state.directory.begin(state.config, "0" * 64)
    train(state)
    score(state)
    state.directory.finish()
    return state
