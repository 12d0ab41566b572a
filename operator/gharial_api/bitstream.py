"""What a card runs: bitstream, licences, and which cards are meant. Pools and their nodes share it."""

from typing import Annotated

from pydantic import ConfigDict, Field

from gharial_api.base import ApiModel, NamedRef, cel, rules
from gharial_api.values import Sha256


class ConfigMapKey(ApiModel):
    """A key of a ConfigMap in the operator's namespace."""

    name: str = Field(min_length=1, max_length=253)
    """Name of the ConfigMap."""
    key: str = Field(min_length=1, max_length=253)
    """Key whose binaryData or data is the file."""


class Bitstream(ApiModel):
    """The bitstream that the cards shall run. Its file comes from url or from configMap, never from both."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "has(self.url) != has(self.configMap)",
                "spec.bitstream needs exactly one source: set either url or configMap",
            ),
        )
    )

    version: str = Field(
        max_length=64,
        json_schema_extra=rules(
            cel(
                r"self.matches('^(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)$')",
                "spec.bitstream.version must have three numbers, such as 1.14.0: licences and claims compare it",
            )
        ),
    )
    """Version of the bitstream, as three numbers. Licences cap it and pods select it."""
    url: str | None = Field(
        default=None,
        max_length=2048,
        json_schema_extra=rules(
            cel(
                "self.matches('^(https?|file)://.+')",
                "spec.bitstream.url must start with https://, http:// or file:// (a path on each node)",
            )
        ),
    )
    """Where the agents fetch the file: https://, http:// or file:// (a path on each node)."""
    config_map: ConfigMapKey | None = None
    """A ConfigMap of the operator's namespace that holds the file, for files under 1 MiB."""
    sha256: Sha256
    """Digest of the file; nothing else is ever written to a card."""


class LicenceRef(ApiModel):
    """Where licences lie."""

    secret_ref: NamedRef
    """A Secret of the operator's namespace. Each of its keys is one licence file; a file names the card it is for."""


class CardSelector(ApiModel):
    """Which cards of a node belong to the pool. Empty means all; with both lists, a card in either one is taken."""

    unique_ids: list[Annotated[str, Field(max_length=64)]] = Field(default=[], max_length=64)
    """Unique ids (16 hex digits) of the cards to take."""
    pci_addresses: list[Annotated[str, Field(max_length=64)]] = Field(default=[], max_length=64)
    """PCI addresses of the cards to take, such as 0000:3b:00.0."""


class BitstreamVersions(ApiModel):
    """Bitstream versions of the cards."""

    current: str = ""
    """Version that the cards run; several are joined by commas."""
    target: str = ""
    """Version that the spec asks for."""
