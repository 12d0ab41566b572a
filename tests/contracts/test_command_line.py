"""The command line: every verb in the table exists and explains itself."""

import subprocess
import sys

import pytest
from gharial_cli.verbs import VERBS


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_a_help(verb: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "gharial_cli", *verb.split(), "--help"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith(f"usage: gharial {verb}")


def test_an_unknown_verb_is_named_with_the_list_of_verbs() -> None:
    shown = subprocess.run([sys.executable, "-m", "gharial_cli", "flsah"], capture_output=True, text=True, timeout=60)
    assert shown.returncode == 2
    assert "no verb 'flsah'" in shown.stderr
    assert "serve" in shown.stderr


def test_the_overview_loads_no_heavy_package() -> None:
    script = (
        "import sys, gharial_cli.main as m; m.main(['--help']);"
        "print(sorted({'torch', 'kopf', 'aiohttp', 'kubernetes'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert shown.stdout.strip().endswith("[]")
