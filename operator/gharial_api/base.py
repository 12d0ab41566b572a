"""Common ground of the API models: camelCase on the wire, attribute docstrings as schema descriptions, CEL rules."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

JsonObject = dict[str, Any]


class ApiModel(BaseModel):
    """A part of a custom resource.

    Unknown fields are ignored when reading: the API server has already refused or pruned them, and an older agent
    must be able to read an object that a newer operator wrote.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
        frozen=True,
        extra="ignore",
    )

    def to_json(self) -> JsonObject:
        """The object as the API server reads it: camelCase, without unset optional fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class ObjectMeta(ApiModel):
    """The part of metadata that our processes read."""

    name: str = ""
    namespace: str | None = None
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: list[str] = Field(default_factory=list)
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None


class NamedRef(ApiModel):
    """Reference to an object by name."""

    name: str = Field(min_length=1, max_length=253)
    """Name of the object."""


def cel(rule: str, message: str, *, field_path: str | None = None) -> JsonObject:
    """One CEL rule of the API server; the message names the field and the remedy."""
    entry = {"rule": rule, "message": message}
    if field_path is not None:
        entry["fieldPath"] = field_path
    return entry


def rules(*entries: JsonObject) -> JsonObject:
    """`json_schema_extra` for a field or a model that the API server checks with these CEL rules."""
    return {"x-kubernetes-validations": list(entries)}
