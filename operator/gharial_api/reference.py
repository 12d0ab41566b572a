"""Writes the reference pages of the custom resources: `python -m gharial_api.reference docs/reference`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gharial_api.base import JsonObject
from gharial_api.capacity import DEFAULTS
from gharial_api.conditions import ConditionType, Reason
from gharial_api.crd import KINDS, Kind, manifest

_NOTE = "<!-- Made from operator/gharial_api by `make crds`. Do not edit. -->\n"


def files() -> dict[str, str]:
    """File name -> text of every page."""
    return {"resources.md": resources(), "conditions.md": conditions()}


def resources() -> str:
    """Every field of every kind, with type, default and meaning, and the capacity table."""
    parts = [
        "# Custom resources\n",
        _NOTE,
        "Group `asr.gharial.dev`, version `v1alpha1`, category `gharial` (`kubectl get gharial -A`). The API server "
        "fills in the defaults and refuses bad objects with a sentence that names field and remedy. `kubectl explain` "
        "shows the same text as this page.\n",
    ]
    for kind in KINDS:
        parts += list(_kind(kind))
    return "\n".join([*parts, *_capacity()])


def _kind(kind: Kind) -> Iterator[str]:
    definition = manifest(kind)
    names = definition["spec"]["names"]
    version = definition["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    yield f"## {kind.name}\n"
    yield f"{schema['description']}\n"
    scope = "cluster-scoped" if kind.scope == "Cluster" else "in a namespace"
    yield f"`kubectl get {names['plural']}` (short: `{', '.join(names['shortNames'])}`), {scope}.\n"
    for part in ("spec", "status"):
        yield f"### {kind.name} {part}\n"
        yield "| field | type | default | meaning |\n|---|---|---|---|"
        yield "\n".join(_rows(schema["properties"][part], "")) + "\n"
    rules = list(_rules(schema, ""))
    if rules:
        yield f"### What {kind.name} refuses\n"
        yield "\n".join(f"- {message}" for message in rules) + "\n"


def _rows(schema: JsonObject, prefix: str) -> Iterator[str]:
    """One row for each field below a schema, depth first."""
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        default = "required" if name in required else _default(field)
        meaning = " ".join(field["description"].split()).replace("|", "\\|")
        yield f"| `{path}` | {_type(field)} | {default} | {meaning} |"
        if path.endswith("conditions"):
            continue
        yield from _rows(field, f"{path}.")
        yield from _rows(field.get("items", {}), f"{path}[].")


def _type(field: JsonObject) -> str:
    if "enum" in field:
        return " \\| ".join(str(word) for word in field["enum"])
    if field.get("x-kubernetes-int-or-string"):
        return "number or percentage"
    if field.get("format") == "date-time":
        return "time"
    kind = str(field.get("type", "object"))
    if kind == "array":
        return f"list of {_type(field['items'])}s"
    return "map" if "additionalProperties" in field else kind


def _default(field: JsonObject) -> str:
    value: Any = field.get("default")
    if value is None or isinstance(value, dict | list):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _rules(schema: JsonObject, path: str) -> Iterator[str]:
    """The sentences of the CEL rules, with the field in front where the sentence does not name it."""
    for rule in schema.get("x-kubernetes-validations", []):
        message = rule["message"]
        named = message.startswith(("spec.", "metadata."))
        yield message if named else f"`{path}` {message}"
    for name, field in schema.get("properties", {}).items():
        yield from _rules(field, f"{path}.{name}".lstrip("."))
    if "items" in schema:
        yield from _rules(schema["items"], f"{path}[]")


def _capacity() -> Iterator[str]:
    yield "## Streams per card\n"
    yield (
        "What a pool's `spec.capacity` overrides. The achronix figures are those published for CAIMAN-ASR; the others "
        "are cautious starting values: measure yours. Driver cpu counts per core.\n"
    )
    yield "| driver | architecture | greedy | beam | greedy, resets | beam, resets |\n|---|---|---|---|---|---|"
    rows = [
        f"| {driver} | {architecture} | {f.greedy} | {f.beam} | {f.greedy_resets} | {f.beam_resets} |"
        for driver, table in DEFAULTS.items()
        for architecture, f in table.items()
    ]
    yield "\n".join(rows) + "\n"


def conditions() -> str:
    """Every condition type and every reason."""
    return "\n".join(
        [
            "# Conditions and reasons\n",
            _NOTE,
            "Every condition carries `observedGeneration` and a sentence that says what is so and what to do about it. "
            "Each transition is told by one event with the same reason.\n",
            "## Conditions\n",
            "| condition | meaning |\n|---|---|",
            *(f"| {kind.value} | {kind.meaning} |" for kind in ConditionType),
            "\n## Reasons\n",
            "| reason | meaning |\n|---|---|",
            *(f"| {reason.value} | {reason.meaning} |" for reason in Reason),
            "",
        ]
    )


def main(folder: str) -> None:
    """Writes every page into a folder."""
    for name, text in files().items():
        (Path(folder) / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docs/reference")
