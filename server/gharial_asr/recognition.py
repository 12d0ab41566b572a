"""How streams are decoded: everything that can be set, in one value that a file, a socket or a test can carry."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from gharial_asr.decoding.settings import GREEDY, DecoderSettings
from gharial_asr.endpointing import CLASSIC, EndpointSettings
from gharial_asr.resets import ResetSettings


@dataclass(frozen=True)
class Recognition:
    """resets: state resets, None for none. endpointing: where streams end by themselves. decoder: how tokens are
    found."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    resets: ResetSettings | None = None
    endpointing: EndpointSettings = CLASSIC
    decoder: DecoderSettings = GREEDY

    def rows_per_stream(self, step_seconds: float) -> float:
        """Rows that a long stream takes of a step, on average. Raises ValueError."""
        return 1.0 if self.resets is None else self.resets.steps(step_seconds).rows_per_stream

    def to_json(self) -> str:
        """As text."""
        return _ADAPTER.dump_json(self).decode()

    @staticmethod
    def from_json(text: str) -> "Recognition":
        """From text. Raises ValueError when it says something that cannot be."""
        try:
            return _ADAPTER.validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the text"
            raise ValueError(
                f"recognition settings: {place}: {first['msg']}; use releases that fit together"
            ) from error


_ADAPTER = TypeAdapter(Recognition)
PLAIN = Recognition()
