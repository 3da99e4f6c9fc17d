"""Sentences of a comparison: verdicts and notes."""

from __future__ import annotations

from collections.abc import Iterator

from cardiograph.evaluate.bootstrap import Interval
from cardiograph.registry import WITHOUT_GRAPH
from cardiograph.studies.compare.result import CompareFacts, GraphAnswer, GraphVerdict
from cardiograph.studies.report import DIFFERENCES_NOTE, RANDOM_WEIGHTS_NOTE, interval_text
from cardiograph.studies.shared_cohort import Modality

READS = {"image": "pages alone", "clinical": "clinical values alone", "both": "pages and clinical values"}
"""Modality -> inputs of a model in words."""

MIN_FITS = 10
"""With fewer folds times repeats, an interval is too wide to be useful."""


def judge(change: Interval, edges: Interval) -> GraphAnswer:
    """Return whether the graph helps; it does if both intervals are above 0.

    Args:
        change: Primary score of the default minus that of the best baseline.
        edges: Primary score of the default minus that of the same model with random edges.
    """
    if change.low > 0:
        return "yes" if edges.low > 0 else "not the edges"
    return "no" if change.high < 0 else "undecided"


def verdict_of(
    facts: CompareFacts, title: str, modality: Modality, change: Interval, control: tuple[Interval, Interval] | None
) -> GraphVerdict:
    """Return the verdict for a modality.

    Args:
        facts: Cohort and settings.
        title: Title of the default model.
        modality: Inputs of the models.
        change: Primary score of the default minus that of the best baseline.
        control: Primary score of the default minus that with random edges, and the latter minus that of the best
            baseline; None for a model without edges.
    """
    start = f"{READS[modality].capitalize()}: "
    difference = f"{title} minus the best baseline is {interval_text(change, sign=True)} in {facts.scores.called}"
    if facts.default in WITHOUT_GRAPH or control is None:
        sentence = f"{start}the default model has no edges, so there is no graph to judge; {difference}."
        return GraphVerdict(modality, "no graph", sentence, change)
    edges, rewired = control
    comparison = (
        f"the same model with random edges minus the best baseline is {interval_text(rewired, sign=True)}, so "
        f"the edges contribute {interval_text(edges, sign=True)}"
    )
    helps = judge(change, edges)
    answer = {
        "yes": "the graph helps here",
        "not the edges": "the default beats the best baseline, but not because of its edges: random edges do as well",
        "no": "the graph does not help here; it costs accuracy",
        "undecided": "no gain from the graph that can be distinguished from chance",
    }[helps]
    sentence = f"{start}{answer}. {difference}; {comparison}."
    return GraphVerdict(modality, helps, sentence, change, edges, rewired)


def loss_name(facts: CompareFacts) -> str:
    """Return the name of the validation loss by which settings and the best baseline are chosen."""
    if facts.kind == "survival":
        return "partial likelihood"
    return "mean log loss over the labels" if facts.kind == "multilabel" else "log loss"


def compare_notes(facts: CompareFacts, *, had_split: bool) -> tuple[str, ...]:
    """Return notes on the method and its limits."""
    return tuple(_notes(facts, had_split=had_split))


def _notes(facts: CompareFacts, *, had_split: bool) -> Iterator[str]:
    if facts.kind == "multiclass":
        yield (
            f"The label has {len(facts.classes)} classes. AUROC is the mean over the classes of the AUROC of each against "
            "the rest, and the Brier score is summed over the classes (0 to 2). --positive CLASS,... makes the outcome "
            "binary."
        )
    if facts.kind == "multilabel":
        yield (
            f"There are {len(facts.classes)} labels, which networks predict with a head for each; other models are fitted "
            "to each label alone. A score is the mean over the labels, each over the records for which it is known, and "
            "folds are stratified by the rarest label of a record."
        )
    if facts.kind == "survival":
        yield (
            f"The outcome is the time to an event. Risks are those of the event by {facts.horizon:g} {facts.unit}, the same "
            "time in every fold. Harrell's C is the share of comparable pairs in which the record with the earlier event "
            "has the higher risk; Uno's C weights the pairs before that time against censoring. A record with a competing "
            "event counts as free of the event ever after."
        )
    if facts.own_split:
        yield (
            "The split of the table was used, with one test part and one record per group. Differences in AUROC have "
            "DeLong's interval, which does not include the variation between splits and between trainings."
        )
    else:
        yield (
            f"Each score is a mean over {facts.folds * facts.repeats} folds ({facts.repeats} times {facts.folds}) of "
            f"whole groups; differences are paired by fold. The {facts.confidence * 100:g} % intervals correct for "
            "overlapping training sets (Nadeau and Bengio, 2003). They describe the variation between folds of this "
            "cohort, not the scores of patients of another hospital."
        )
        if facts.folds * facts.repeats < MIN_FITS:
            yield "Few folds: intervals are imprecise; use --repeats 5 before you cite a number."
        if had_split:
            yield "The table brings its own split; it is not used here, because folds are drawn. --own-split uses it."
    if facts.tuned:
        yield (
            "The default has the settings of the configuration. The other models choose their settings, and "
            f"the best baseline is chosen, inside each fold by the {loss_name(facts)} of its validation records. No choice "
            "uses test records."
        )
    else:
        yield "No settings were chosen (--no-tuning): all models have those of the configuration."
    if facts.weights == "random":
        yield RANDOM_WEIGHTS_NOTE
    yield DIFFERENCES_NOTE
