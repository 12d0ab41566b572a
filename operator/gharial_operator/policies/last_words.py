"""What a failed server pod said before it ended."""

from gharial_api.conditions import Reason

#: A sentence in a condition is read by people: the end of a log is cut to this length.
LONGEST = 400


def last_words(text: str) -> tuple[Reason, str]:
    """Reason and sentence of a termination message.

    The server writes `Reason: sentence`; anything else is PodFailing, with the last line that was said.
    """
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    for line in reversed(lines):
        word, colon, sentence = line.partition(": ")
        reason = Reason.named(word)
        if colon and reason is not None:
            return reason, sentence[:LONGEST]
    return Reason.POD_FAILING, lines[-1][-LONGEST:] if lines else "The container ended without a word."
