"""Every finding of `gharial check` stands in its reference page, with the meaning that the code gives it."""

from pathlib import Path

from gharial_admin.findings import Code

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "check.md"


def test_the_page_lists_every_finding_and_no_other() -> None:
    rows = PAGE.read_text(encoding="utf-8").partition("## Findings")[2].splitlines()
    listed = [line for line in rows if line.startswith("| ") and not line.startswith("| code")]
    assert listed == [f"| {code.value} | {code.meaning} |" for code in Code]
