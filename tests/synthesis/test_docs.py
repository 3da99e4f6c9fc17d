from pathlib import Path

from cardiograph.synthesis.states import PHENOTYPES, components, conditions

PAGE = Path(__file__).parents[2] / "docs/concepts/synthetic-cohort.md"


def condition_rows():
    quiet = ("normal", "left axis")
    for condition in conditions():
        values = condition.clinical
        shows = (
            sum(share for name, share in condition.patterns.items() if name not in quiet) if condition.severity else 0
        )
        yield (
            f"| {condition.phenotype} | {condition.severity} | {condition.weight:.3f} | {shows:.2f} "
            f"| {condition.fibrillation:.2f} | {values['ef']:.2f} | {values['bnp']:.0f} | {values['sbp']:.0f} "
            f"| {values['age']:.0f} |"
        )


def nyha_line():
    by_severity = {condition.severity: condition.nyha for condition in conditions()}
    return "; ".join(f"severity {key}: {', '.join(f'{p:.2f}' for p in row)}" for key, row in by_severity.items())


def test_the_tables_of_the_page_are_those_of_the_code():
    text = PAGE.read_text(encoding="utf-8")
    assert "\n".join(condition_rows()) in text
    assert nyha_line() in " ".join(text.split())
    assert f"the {len(components().weight)} states" in text
    assert all(phenotype in text for phenotype in PHENOTYPES)


def test_pictures_of_the_page_exist_and_are_small():
    text = PAGE.read_text(encoding="utf-8")
    for picture in (PAGE.parent / "images").glob("synthetic-*.jpg"):
        assert f"images/{picture.name}" in text
        assert picture.stat().st_size < 150_000
