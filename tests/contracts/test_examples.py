"""The example manifests name the files that really are in the repository."""

import hashlib
from datetime import date
from pathlib import Path

import pytest
import yaml
from gharial_wire.bitstream import make_bitstream

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


@pytest.mark.parametrize("example", ["cpu", "cuda", "simulated"])
def test_the_model_example_has_the_digest_of_the_starter_artefact(example: str) -> None:
    *_, model = yaml.safe_load_all((EXAMPLES / example / "model.yaml").read_text())
    checkpoint = model["spec"]["model"]["checkpoint"]
    file = ROOT / "models" / "starter" / Path(checkpoint["uri"]).name
    assert checkpoint["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest(), f"mend it with: sha256sum {file}"


def test_the_pool_example_has_the_digest_of_its_bitstream() -> None:
    pool = yaml.safe_load((EXAMPLES / "simulated" / "pool.yaml").read_text())
    wanted = pool["spec"]["bitstream"]
    image = make_bitstream(wanted["version"], date(2026, 1, 1))
    assert wanted["sha256"] == hashlib.sha256(image).hexdigest()
