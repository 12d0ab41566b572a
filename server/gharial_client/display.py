"""Words in the terminal as they come: finals stay, the partial behind them is dim and changes."""

from types import TracebackType

from gharial_wire.answers import Answer
from rich.console import Console
from rich.live import Live
from rich.text import Text


class LiveTranscript:
    """Shows one stream. Use it as a context; it leaves the last text standing.

    On a terminal that can redraw, the text grows in place. Anywhere else nothing is drawn.
    """

    def __init__(self, console: Console, partials: bool = True) -> None:
        self._finals = ""
        self._partial = ""
        self._partials = partials
        self._live = Live(console=console, refresh_per_second=12) if console.is_terminal else None

    def __enter__(self) -> "LiveTranscript":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._partial = ""
        self._draw()
        if self._live is not None:
            self._live.stop()

    def take(self, answer: Answer) -> None:
        """Shows one answer."""
        if answer.is_provisional:
            self._partial = answer.transcript if self._partials else ""
        else:
            self._finals += answer.transcript
            self._partial = ""
        if answer.is_provisional or answer.transcript:
            self._draw()

    def rewind(self, seconds: float, transcript: str) -> None:
        """Text was taken back: only `transcript` stands."""
        self._finals, self._partial = transcript, ""
        self._draw()

    def _draw(self) -> None:
        if self._live is not None:
            text = Text.assemble((self._finals.lstrip(), "bold"), (self._partial, "dim"))
            self._live.update(text)
