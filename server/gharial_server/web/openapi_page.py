"""A page of an OpenAPI description that needs nothing from anywhere: no script, no font, no other server."""

from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; } body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto;
padding: 0 1rem; } h2 { margin-top: 2.5rem; } code { font-size: 0.95em; } table { border-collapse: collapse; }
td, th { text-align: left; vertical-align: top; padding: 0.25rem 1rem 0.25rem 0; border-bottom: 1px solid #8884; }
"""


def openapi_page(description: dict[str, Any]) -> str:
    """HTML of every operation with its fields and answers."""
    info = description["info"]
    operations = (
        _operation(path, method, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    )
    title = escape(info["title"])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<main><h1>{title}</h1><p>{escape(info.get('description', ''))} "
        f'For programs: <a href="openapi.json">openapi.json</a>.</p>{"".join(operations)}</main></html>'
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    fields = [(each["name"], each.get("schema", {})) for each in operation.get("parameters", ())]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        fields += content.get("schema", {}).get("properties", {}).items()
    answers = [(status, {"description": each["description"]}) for status, each in operation["responses"].items()]
    return (
        f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation.get('summary', ''))}</p>"
        f"{_table('field', fields)}{_table('answer', answers)}"
    )


def _table(head: str, rows: list[tuple[str, dict[str, Any]]]) -> str:
    if not rows:
        return ""
    lines = (f"<tr><td><code>{escape(name)}</code></td><td>{escape(_told(schema))}</td></tr>" for name, schema in rows)
    return f"<table><thead><tr><th>{head}</th><th></th></tr></thead>{''.join(lines)}</table>"


def _told(schema: dict[str, Any]) -> str:
    """A schema in words."""
    allowed = schema.get("enum") or schema.get("items", {}).get("enum")
    told = [schema.get("description", ""), f"one of {', '.join(allowed)}" if allowed else ""]
    if "default" in schema:
        told.append(f"default {schema['default']}".lower())
    return "; ".join(filter(None, told)) or schema.get("type", "")
