"""crds/ is what the API models say."""

from pathlib import Path

import yaml
from gharial_api import reference
from gharial_api.crd import files

ROOT = Path(__file__).parents[2]
CRDS = ROOT / "crds"


def test_the_files_in_crds_equal_the_code():
    written = {path.name: path.read_text(encoding="utf-8") for path in CRDS.glob("*.yaml")}
    assert written == files(), "run `make crds`"


def test_the_reference_pages_equal_the_code():
    for name, text in reference.files().items():
        assert (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8") == text, "run `make crds`"


def test_every_field_has_a_description():
    """`kubectl explain` shows a sentence for whatever a user can write."""

    def undescribed(schema, path):
        for name, part in schema.get("properties", {}).items():
            here = f"{path}.{name}"
            if name != "metadata" and not part.get("description"):
                yield here
            yield from undescribed(part, here)
            yield from undescribed(part.get("items", {}), here)

    for text in files().values():
        definition = yaml.safe_load(text)
        schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        assert not list(undescribed(schema, definition["spec"]["names"]["kind"]))
