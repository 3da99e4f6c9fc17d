"""What a comparison says, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from cardiograph.evaluate.bootstrap import Interval
from cardiograph.registry import WITHOUT_GRAPH
from cardiograph.studies.compare.result import CompareFacts, Helps, Verdict
from cardiograph.studies.ladder.wording import span
from cardiograph.studies.shared_cohort import Modality

READS = {"image": "pages alone", "clinical": "clinical values alone", "both": "pages and clinical values"}
"""Modality -> what it is."""

FEW_FOLDS = 10
"""Below this many, an interval is so wide that it hardly says anything."""


def judge(change: Interval, edges: Interval) -> Helps:
    """Whether the graph helps: only where both intervals lie above 0.

    Args:
        change: AUROC of the default less the best baseline.
        edges: Edges of the default less the same model with random edges.
    """
    if change.low > 0:
        return "yes" if edges.low > 0 else "not the edges"
    return "no" if change.high < 0 else "undecided"


def verdict_of(
    facts: CompareFacts, title: str, modality: Modality, change: Interval, control: tuple[Interval, Interval] | None
) -> Verdict:
    """The verdict of a modality.

    Args:
        facts: What was compared on what.
        title: Title of the default.
        modality: What the models read.
        change: AUROC of the default less the best baseline.
        control: The default less itself with random edges, and that less the best baseline; None where it has no edges.
    """
    start = f"{READS[modality].capitalize()}: "
    told = f"{title} less the best baseline is {span(change, sign=True)} AUROC"
    if facts.default in WITHOUT_GRAPH or control is None:
        return Verdict(modality, "no graph", f"{start}the default hears nobody, so no graph is judged; {told}.", change)
    edges, rewired = control
    baselines = (
        f"with random edges instead of the nearest records the same model is at {span(rewired, sign=True)} to it, "
        f"and the right edges are worth {span(edges, sign=True)}"
    )
    helps = judge(change, edges)
    said = {
        "yes": "the graph helps here",
        "not the edges": "the default beats the best baseline, but not by who hears whom: random edges do as well",
        "no": "the graph does not help here, it costs accuracy",
        "undecided": "no gain from the graph that could be told from chance",
    }[helps]
    return Verdict(modality, helps, f"{start}{said}. {told}; {baselines}.", change, edges, rewired)


def notes(facts: CompareFacts, *, had_split: bool) -> tuple[str, ...]:
    """What a reader has to know before the first figure."""
    return tuple(_notes(facts, had_split=had_split))


def _notes(facts: CompareFacts, *, had_split: bool) -> Iterator[str]:
    if facts.own_split:
        yield (
            "The table's own split was used: one test part, one record of each group. Differences in AUROC have DeLong's "
            "interval; nothing here tells how much another split, or training again, would change."
        )
    else:
        yield (
            f"Each score is a mean over {facts.folds * facts.repeats} folds ({facts.repeats} times {facts.folds}) of whole "
            f"groups; differences are paired, fold by fold. The {facts.confidence * 100:g} % intervals are corrected for "
            "training sets that overlap (Nadeau and Bengio, 2003); they tell how far other folds of this cohort could "
            "fall, not how another hospital's patients would score."
        )
        if facts.folds * facts.repeats < FEW_FOLDS:
            yield "Few folds, so that intervals are rough: take --repeats 5 before you cite a figure."
        if had_split:
            yield "The table brings its own split; it is not used here, since folds are drawn. --own-split uses it."
    if facts.tuned:
        yield (
            "The default has the settings of the configuration. A model with a choice made it inside each fold, by the log "
            "loss of that fold's validation records; so was the best baseline chosen. Nothing that chooses looks at "
            "test records."
        )
    else:
        yield "No settings were chosen (--no-tuning): every model has those of the configuration."
    if facts.weights == "random":
        yield "The encoder has random weights: a real baseline, not a medical network."
    yield "Among so many differences about one in twenty excludes 0 by chance alone."
