"""What stands in the terminal."""

import io

from gharial_client.display import LiveTranscript
from gharial_wire.answers import Alternative, Answer, Word
from rich.console import Console


def shown(*answers: Answer, width: int = 60, height: int = 8) -> str:
    """What a terminal was sent, escape sequences and all; every answer is drawn."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, color_system="standard", width=width, height=height)
    with LiveTranscript(console, status=lambda: "0 s") as live:
        for answer in answers:
            live._drawn_at = 0.0
            live.take(answer)
    return screen.getvalue()


def final(text: str, confidence: float, *words: Word) -> Answer:
    return Answer(0.0, 0.06, False, (Alternative(text, confidence, words),))


def test_the_text_that_is_left_standing_is_all_finals_without_the_partial() -> None:
    partial = Answer(0.0, 0.12, True, (Alternative(" fou", 0.9),))
    left = shown(final(" three", 0.95), partial).rpartition("\x1b[2K")[2]
    assert left == "\x1b[1mthree\x1b[0m\n"


def test_what_a_server_is_less_sure_of_is_yellow_and_the_least_sure_red_and_underlined() -> None:
    left = shown(final(" sure", 0.95), final(" hardly", 0.6), final(" guessed", 0.2)).rpartition("\x1b[2K")[2]
    assert "\x1b[33mhardly" in left
    assert "\x1b[4;31mguessed" in left


def test_a_word_told_later_takes_its_own_colour() -> None:
    told = final("", 1.0, Word("five", 0.0, 0.3, 0.3), Word("six", 0.3, 0.6, 0.99))
    left = shown(final(" five", 0.9), final(" six", 0.4), final(" seven", 0.9), told).rpartition("\x1b[2K")[2]
    assert "\x1b[4;31mfive" in left
    assert "\x1b[1;39msix" in left
    assert "\x1b[1mseven" in left


def test_of_a_long_text_the_terminal_shows_the_end_while_it_grows() -> None:
    drawn = shown(*(final(f" {n:05}", 0.9) for n in range(200)), width=40, height=6)
    last = drawn.split("\x1b[2K")[-4]
    assert "00199" not in drawn.split("\x1b[2K")[2]
    assert drawn.count("00000") < 40  # not drawn again each time
    assert last
    assert "00000" in drawn.rpartition("\x1b[2K")[2]
