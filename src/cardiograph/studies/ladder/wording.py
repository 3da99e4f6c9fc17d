"""What the rows of a ladder say, in plain words and with their figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cardiograph.evaluate.bootstrap import Interval
from cardiograph.report.tables import number, signed
from cardiograph.studies.ladder.plan import OURS
from cardiograph.studies.ladder.result import LADDER_METRICS, SHOWN, Block, LadderFacts, LadderRow

FEW_SEEDS = 5
"""Below this many, a t interval is so wide that it says hardly anything (12.7 standard errors with two, 4.3 with three)."""

PHRASES: dict[str, str] = {
    "simulated_from_label": "Drawing the clinical values from the label",
    "duplicates_across_split": "Splitting copies and patients across the parts",
    "augment_before_split": "Augmenting before the split",
    "one_source_augmentation": "Making all copies from one page and dropping the others of its class",
    "mirrored_ecg": "Mirroring pages",
    "header_in_view": "Showing the encoder the printed header and footer",
    "unscaled_blocks": "Leaving features and blocks unscaled",
    "reversed_edges": "Reading the edges backwards",
    "separate_test_graph": "Making the test records a graph of their own",
    "patient_in_validation_graph": "Attaching patients to validation records",
    "silent_zero_image": "Turning unreadable pages into zeros",
    "positive_is_normal": "Taking label 0 as the positive class",
}


def modality(name: str, facts: LadderFacts) -> str:
    """What a model reads."""
    values = "clinical values simulated blind to the label" if facts.simulated else "the cohort's clinical values"
    return {"image": "Pages alone", "clinical": "Clinical values alone", "both": f"Pages and {values}"}[name]


def span(found: Interval, *, sign: bool = False) -> str:
    """``0.812 (0.741 to 0.874)``."""
    told = signed if sign else number
    return f"{told(found.value)} ({told(found.low)} to {told(found.high)})"


def of_step(row: LadderRow, before: LadderRow | None, facts: LadderFacts) -> str:
    """What taking a fault away did."""
    if row.why_not:
        return _not_run(row, before)
    if before is None:
        faults = "the faults tried here" if facts.quick else "every fault of the published protocol"
        return f"With {faults}, AUROC {span(row.scores['auroc'])}."
    change = row.changes["auroc"]
    way = f"{number(before.scores['auroc'].value)} becomes {number(row.scores['auroc'].value)}"
    if row.name == OURS:
        told = f"Our own settings in place of the published ones, no fault on either side: {way}, {span(change, sign=True)}"
        told += "." if _tells(change) else f"; {_untold(facts)}."
    elif change.high < 0:
        told = (
            f"{PHRASES[row.name]} was worth {span(_turned(change))} AUROC, which no new patient sees: without it {way}."
        )
    elif change.low > 0:
        told = f"{PHRASES[row.name]} cost {span(change)} AUROC: without it {way}."
    else:
        told = f"{PHRASES[row.name]}: without it {way}, {span(change, sign=True)}; {_untold(facts)}."
    return told + _others(row)


def of_fault_alone(row: LadderRow, before: LadderRow | None, facts: LadderFacts) -> str:
    """What a fault does to a sound path."""
    if row.why_not:
        return _not_run(row, before)
    if before is None:
        return f"Without any fault, with augmented copies of training records: AUROC {span(row.scores['auroc'])}."
    change, sound = row.changes["auroc"], number(before.scores["auroc"].value)
    if change.low > 0:
        told = f"{PHRASES[row.name]} adds {span(change)} AUROC to the sound {sound}."
    elif change.high < 0:
        told = f"{PHRASES[row.name]} takes {span(_turned(change))} AUROC from the sound {sound}."
    else:
        told = f"{PHRASES[row.name]} moves AUROC by {span(change, sign=True)}; {_untold(facts)}."
    return told + _others(row)


def of_control(row: LadderRow, before: LadderRow | None, facts: LadderFacts) -> str:
    """What a control says about the path it stands beside."""
    if row.why_not:
        return _not_run(row, before)
    score = row.scores["auroc"]
    if before is None:
        return f"The last step of the ladder: AUROC {span(score)}."
    if row.name == "permuted_labels":
        told = f"Where labels mean nothing the same path scores {span(score)}: "
        return told + (
            "0.5 lies within, as it must."
            if score.low <= 0.5 <= score.high
            else "0.5 lies outside. Something tells the label that should not: trust no score until it is found."
        )
    if row.name in ("header_by_row", "header_by_group"):
        split = "rows are split one by one" if row.name == "header_by_row" else "whole groups are split"
        return f"Without a single trace, the print around the grid scores {span(score)} where {split}; {_coin(score)}."
    if row.name == "clinical_only":
        values = "simulated blind to the label, score" if facts.simulated else "score"
        return f"The clinical values alone, {values} {span(score)}; {_coin(score)}."
    change = row.changes["auroc"]
    told = {
        "without_graph": "The same network hearing nobody",
        "logistic": "Logistic regression on the same features",
        "rewired_edges": "The same network hearing random records",
    }[row.name]
    told += f" scores {span(score)}, {span(change, sign=True)} against ours: "
    if change.low > 0:
        return told + "the graph costs accuracy here."
    return told + ("the graph helps here." if change.high < 0 else f"{_untold(facts)}.")


def notes(facts: LadderFacts, *, had_split: bool) -> tuple[str, ...]:
    """What a reader has to know before the first figure."""
    return tuple(_notes(facts, had_split=had_split))


def reading(ladders: Sequence[Block], alone: Sequence[Block], facts: LadderFacts) -> tuple[str, ...]:
    """What all rows together say."""
    return tuple(_reading(ladders, alone, facts))


def _notes(facts: LadderFacts, *, had_split: bool) -> Iterator[str]:
    if facts.seeds < FEW_SEEDS:
        yield (
            f"Only {facts.seeds} seeds: means are rough and intervals hardly mean anything. Look at the order of magnitude, "
            "and make the ladder with 10 seeds before you cite a figure."
        )
    yield (
        f"Each score is a mean over {facts.seeds} seeds, each with its own split, training and simulated values; every step "
        f"was made on the same seeds and differences are paired. The {facts.confidence * 100:g} % intervals allow for test "
        "sets that overlap (Nadeau and Bengio, 2003); they tell how far another split of this cohort could fall, not how "
        "another hospital's patients would score."
    )
    yield "Among so many differences about one in twenty excludes 0 by chance alone."
    if had_split:
        yield "The table brings its own split; it is not used here, since each seed draws one."
    if facts.weights == "random":
        yield (
            "The encoder has random weights: a real baseline, not a medical network. With trained weights steps may be "
            "worth more or less, and may change their sign."
        )
    if facts.quick:
        yield (
            "Made with --quick: of the faults, only values drawn from the label and copies across the split are tried, and "
            "augmented copies repeat after the first 64 or so of a class. The full ladder tries every fault."
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
            f"{span(overall, sign=True)}{'' if _tells(overall) else '; ' + _untold(facts)}."
        )
        lower = [row for row in steps if row.changes["auroc"].high < 0]
        higher = [row for row in steps if row.changes["auroc"].low > 0]
        for verb, found in (("lower", lower), ("raise", higher)):
            if found:
                named = ", ".join(f"{row.title} ({signed(row.changes['auroc'].value)})" for row in found)
                yield f"{block.title}, steps that {verb} AUROC beyond chance: {named}."
        unclear = sum(not _tells(row.changes["auroc"]) for row in steps)
        if unclear:
            yield f"{block.title}: {unclear} of {len(steps)} steps cannot be told from chance with {facts.seeds} seeds."
    for block in alone:
        telling = [row for row in block.rows if row.changes and _tells(row.changes["auroc"])]
        if telling:
            named = ", ".join(f"{row.title} ({span(row.changes['auroc'], sign=True)})" for row in telling)
            yield f"{block.title}, faults that move the AUROC of the sound path beyond chance by themselves: {named}."
    yield (
        "What a step is worth depends on what is still wrong when it is taken: a fault that destroys the score hides all "
        "that come after it. The table of faults added alone shows each without the others."
    )
    yield (
        "A fault that lowers the score is a fault, too: it was not put there to flatter, and the score it gives is not that "
        "of the model one would use."
    )


def _tells(change: Interval) -> bool:
    return change.low > 0 or change.high < 0


def _turned(change: Interval) -> Interval:
    return Interval(-change.value, -change.high, -change.low)


def _untold(facts: LadderFacts) -> str:
    return f"{facts.seeds} seeds cannot tell that from chance"


def _coin(score: Interval) -> str:
    return "a coin's 0.5 lies within" if score.low <= 0.5 <= score.high else "that is not a coin's 0.5"


def _others(row: LadderRow) -> str:
    told = [
        f"{LADDER_METRICS[metric].lower()} {span(row.changes[metric], sign=True)}"
        for metric in SHOWN[1:]
        if metric in row.changes
    ]
    return f" {', '.join(told).capitalize()}." if told else ""


def _not_run(row: LadderRow, before: LadderRow | None) -> str:
    told = f"Not applicable: {row.why_not}."
    if row.name == "positive_is_normal" and before is not None:
        sensitivity, specificity = (number(before.scores[name].value, 2) for name in ("sensitivity", "specificity"))
        told += f" Here {sensitivity} and {specificity} would be told as {specificity} and {sensitivity}."
    return told
