"""Sentences of a ladder: interpretation of each row, notes and overall reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cardiograph.evaluate.bootstrap import Interval
from cardiograph.report.tables import number, signed
from cardiograph.studies.ladder.plan import OWN_STEP
from cardiograph.studies.ladder.result import LADDER_METRICS, SHOWN_METRICS, Block, LadderFacts, LadderRow
from cardiograph.studies.report import DIFFERENCES_NOTE, RANDOM_WEIGHTS_NOTE, excludes_zero, interval_text

MIN_SEEDS = 5
"""With fewer seeds, a t interval is too wide to be useful (12.7 standard errors with two seeds, 4.3 with three)."""

PHRASES: dict[str, str] = {
    "simulated_from_label": "Drawing the clinical values from the label",
    "duplicates_across_split": "Splitting copies and patients across the parts",
    "augment_before_split": "Augmenting before the split",
    "one_source_augmentation": "Making all copies from one page and dropping the others of its class",
    "mirrored_ecg": "Mirroring pages",
    "header_in_view": "Showing the encoder the printed header and footer",
    "unscaled_blocks": "Leaving features and blocks unscaled",
    "reversed_edges": "Reversing the edges",
    "separate_test_graph": "Building a separate graph of the test records",
    "patient_in_validation_graph": "Attaching patients to validation records",
    "silent_zero_image": "Turning unreadable pages into zeros",
    "positive_is_normal": "Taking label 0 as the positive class",
}
"""Fault -> beginning of a sentence about it."""


def modality_title(name: str, facts: LadderFacts) -> str:
    """Return a description of the inputs of a model."""
    values = "clinical values simulated blind to the label" if facts.simulated else "the cohort's clinical values"
    return {"image": "Pages alone", "clinical": "Clinical values alone", "both": f"Pages and {values}"}[name]


def of_step(row: LadderRow, before: LadderRow | None, facts: LadderFacts) -> str:
    """Describe the effect of removing a fault."""
    if row.why_not:
        return _not_run(row, before)
    if before is None:
        faults = "the faults tried here" if facts.quick else "every fault of the published protocol"
        return f"With {faults}, AUROC {interval_text(row.scores['auroc'])}."
    change = row.changes["auroc"]
    way = f"{number(before.scores['auroc'].value)} becomes {number(row.scores['auroc'].value)}"
    if row.name == OWN_STEP:
        text = f"Our own settings instead of the published ones, both without faults: {way}, "
        text += interval_text(change, sign=True)
        text += "." if excludes_zero(change) else f"; {_inconclusive(facts)}."
    elif change.high < 0:
        text = (
            f"{PHRASES[row.name]} was worth {interval_text(_negated(change))} AUROC, "
            f"which does not carry over to new patients: without it {way}."
        )
    elif change.low > 0:
        text = f"{PHRASES[row.name]} cost {interval_text(change)} AUROC: without it {way}."
    else:
        text = f"{PHRASES[row.name]}: without it {way}, {interval_text(change, sign=True)}; {_inconclusive(facts)}."
    return text + _others(row)


def of_fault_alone(row: LadderRow, before: LadderRow | None, facts: LadderFacts) -> str:
    """Describe the effect of a fault that is added alone."""
    if row.why_not:
        return _not_run(row, before)
    if before is None:
        return f"Without faults, with augmented copies of training records: AUROC {interval_text(row.scores['auroc'])}."
    change, baseline = row.changes["auroc"], number(before.scores["auroc"].value)
    if change.low > 0:
        text = f"{PHRASES[row.name]} adds {interval_text(change)} AUROC to {baseline} without faults."
    elif change.high < 0:
        text = f"{PHRASES[row.name]} takes {interval_text(_negated(change))} AUROC from {baseline} without faults."
    else:
        text = f"{PHRASES[row.name]} changes AUROC by {interval_text(change, sign=True)}; {_inconclusive(facts)}."
    return text + _others(row)


def of_control(row: LadderRow, before: LadderRow | None, facts: LadderFacts) -> str:
    """Describe a control, compared with our own settings."""
    if row.why_not:
        return _not_run(row, before)
    score = row.scores["auroc"]
    if before is None:
        return f"The last step of the ladder: AUROC {interval_text(score)}."
    if row.name == "permuted_labels":
        text = f"With meaningless labels, the same settings score {interval_text(score)}: "
        return text + (
            "0.5 is inside the interval, as it must be."
            if score.low <= 0.5 <= score.high
            else "0.5 is outside the interval. Something leaks the label: trust no score until the leak is found."
        )
    if row.name in ("header_by_row", "header_by_group"):
        split = "rows are split one by one" if row.name == "header_by_row" else "whole groups are split"
        text = f"Without any ECG trace, the print around the grid scores {interval_text(score)} if {split}"
        return f"{text}; {_chance(score)}."
    if row.name == "clinical_only":
        values = "simulated blind to the label, score" if facts.simulated else "score"
        return f"The clinical values alone, {values} {interval_text(score)}; {_chance(score)}."
    change = row.changes["auroc"]
    text = {
        "without_graph": "The same network without a graph",
        "logistic": "Logistic regression on the same features",
        "rewired_edges": "The same network with random neighbours",
    }[row.name]
    text += f" scores {interval_text(score)}, {interval_text(change, sign=True)} against ours: "
    if change.low > 0:
        return text + "the graph costs accuracy here."
    return text + ("the graph helps here." if change.high < 0 else f"{_inconclusive(facts)}.")


def ladder_notes(facts: LadderFacts, *, had_split: bool) -> tuple[str, ...]:
    """Return notes on the method and its limits."""
    return tuple(_notes(facts, had_split=had_split))


def ladder_reading(ladders: Sequence[Block], alone: Sequence[Block], facts: LadderFacts) -> tuple[str, ...]:
    """Return the overall interpretation."""
    return tuple(_reading(ladders, alone, facts))


def _notes(facts: LadderFacts, *, had_split: bool) -> Iterator[str]:
    if facts.seeds < MIN_SEEDS:
        yield (
            f"Only {facts.seeds} seeds: means are imprecise and intervals hardly mean anything. Look at the order of "
            "magnitude, and run the ladder with 10 seeds before you cite a number."
        )
    yield (
        f"Each score is a mean over {facts.seeds} seeds, each with its own split, training and simulated values; all "
        f"steps use the same seeds and differences are paired. The {facts.confidence * 100:g} % intervals correct for "
        "overlapping test sets (Nadeau and Bengio, 2003). They describe the variation between splits of this cohort, "
        "not the scores of patients of another hospital."
    )
    yield DIFFERENCES_NOTE
    if had_split:
        yield "The table brings its own split; it is not used here, because each seed draws one."
    if facts.weights == "random":
        yield f"{RANDOM_WEIGHTS_NOTE} With trained weights, effects may be larger, smaller or of the opposite sign."
    if facts.quick:
        yield (
            "Run with --quick: only two faults are tried (values drawn from the label, copies across the split), and "
            "augmented copies repeat after about 64 per class. The full ladder tries every fault."
        )


def _reading(ladders: Sequence[Block], alone: Sequence[Block], facts: LadderFacts) -> Iterator[str]:
    for block in ladders:
        steps = [row for row in block.rows if row.changes]
        overall = block.overall
        if overall is None or not steps:
            continue
        first, last = (block.rows[place].scores["auroc"].value for place in (0, -1))
        tried = "the faults tried" if facts.quick else "all faults"
        yield (
            f"{block.title}: from {number(first)} with {tried} to {number(last)} with none, "
            f"{interval_text(overall, sign=True)}{'' if excludes_zero(overall) else '; ' + _inconclusive(facts)}."
        )
        lower = [row for row in steps if row.changes["auroc"].high < 0]
        higher = [row for row in steps if row.changes["auroc"].low > 0]
        for verb, found in (("lower", lower), ("raise", higher)):
            if found:
                named = ", ".join(f"{row.title} ({signed(row.changes['auroc'].value)})" for row in found)
                yield f"{block.title}, steps that {verb} AUROC beyond chance: {named}."
        unclear = sum(not excludes_zero(row.changes["auroc"]) for row in steps)
        if unclear:
            text = f"{block.title}: {unclear} of {len(steps)} steps cannot be distinguished from chance"
            yield f"{text} with {facts.seeds} seeds."
    for block in alone:
        effective = [row for row in block.rows if row.changes and excludes_zero(row.changes["auroc"])]
        if effective:
            named = ", ".join(f"{row.title} ({interval_text(row.changes['auroc'], sign=True)})" for row in effective)
            yield f"{block.title}, faults that change AUROC beyond chance when added alone: {named}."
    yield (
        "The effect of a step depends on the remaining faults: a fault that destroys the score hides all that come "
        "after it. The table of single faults shows each without the others."
    )
    yield (
        "A fault that lowers the score is a fault as well: it was not introduced to flatter, and the score is not that "
        "of the model in use."
    )


def _negated(change: Interval) -> Interval:
    return Interval(-change.value, -change.high, -change.low)


def _inconclusive(facts: LadderFacts) -> str:
    return f"{facts.seeds} seeds cannot distinguish this from chance"


def _chance(score: Interval) -> str:
    return "0.5 (chance) is inside the interval" if score.low <= 0.5 <= score.high else "this is not the 0.5 of chance"


def _others(row: LadderRow) -> str:
    text = [
        f"{LADDER_METRICS[metric].lower()} {interval_text(row.changes[metric], sign=True)}"
        for metric in SHOWN_METRICS[1:]
        if metric in row.changes
    ]
    return f" {', '.join(text).capitalize()}." if text else ""


def _not_run(row: LadderRow, before: LadderRow | None) -> str:
    text = f"Not applicable: {row.why_not}."
    if row.name == "positive_is_normal" and before is not None:
        sensitivity, specificity = (number(before.scores[name].value, 2) for name in ("sensitivity", "specificity"))
        text += f" Here {sensitivity} and {specificity} would become {specificity} and {sensitivity}."
    return text
