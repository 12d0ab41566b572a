"""From pydantic's JSON schema to the structural schema that a CustomResourceDefinition takes (pure)."""

import inspect
from typing import Any

from gharial_api.base import ApiModel, JsonObject

# Keywords of JSON schema that a structural schema knows or needs not.
_DROPPED = {"title", "$defs", "discriminator"}


def structural_schema(model: type[ApiModel]) -> JsonObject:
    """Schema of one part of a custom resource: no references, no null, descriptions on one line each."""
    schema = model.model_json_schema(by_alias=True)
    result = _convert(schema, schema.get("$defs", {}))
    result["description"] = _prose(inspect.getdoc(model) or "")
    return result


def _convert(node: JsonObject, definitions: JsonObject) -> JsonObject:
    """One schema node, references followed and keywords rewritten."""
    node = _follow(_without_null(_follow(node, definitions)), definitions)
    result: JsonObject = {}
    for key, value in node.items():
        if key in _DROPPED:
            continue
        if key == "properties":
            result[key] = {name: _convert(part, definitions) for name, part in value.items()}
        elif key == "items" or (key == "additionalProperties" and isinstance(value, dict)):
            result[key] = _convert(value, definitions)
        elif key == "additionalProperties":
            continue  # the API server prunes unknown fields by itself
        elif key == "description":
            result[key] = _prose(value)
        elif key == "default":
            if value is not None:
                result[key] = _without_nulls(value)
        elif key == "const":
            result["enum"] = [value]
        else:
            result[key] = value
    return result


def _follow(node: JsonObject, definitions: JsonObject) -> JsonObject:
    """Replaces a reference by what it refers to; what stands beside the reference wins."""
    reference = node.get("$ref")
    if reference is None:
        return node
    target = definitions[reference.rsplit("/", 1)[1]]
    beside = {key: value for key, value in node.items() if key != "$ref"}
    return _follow({**target, **beside}, definitions)


def _without_null(node: JsonObject) -> JsonObject:
    """`X | None` becomes X: an absent field is the custom resource's way of saying null."""
    options = node.get("anyOf")
    if options is None:
        return node
    kept = [option for option in options if option.get("type") != "null"]
    if len(kept) != 1:
        raise ValueError(f"a custom resource field has one type, not {kept}: use IntOrPercent or two fields")
    beside = {key: value for key, value in node.items() if key != "anyOf"}
    return {**kept[0], **beside}


def _without_nulls(value: Any) -> Any:
    """A default without the fields that are unset."""
    if isinstance(value, dict):
        return {key: _without_nulls(part) for key, part in value.items() if part is not None}
    return value


def without_defaults(schema: JsonObject) -> JsonObject:
    """A schema whose fields stay absent until somebody writes them: right for status."""
    properties = schema.get("properties", {})
    return {
        **{key: value for key, value in schema.items() if key not in {"default", "properties", "items"}},
        **({"properties": {name: without_defaults(part) for name, part in properties.items()}} if properties else {}),
        **({"items": without_defaults(schema["items"])} if "items" in schema else {}),
    }


def _prose(text: str) -> str:
    """A docstring as prose: line breaks inside a paragraph are no line breaks."""
    paragraphs = text.strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
