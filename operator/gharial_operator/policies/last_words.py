"""What a failed server pod said before it ended."""

import json

from gharial_api.conditions import Reason

#: A sentence in a condition is read by people: the end of a log is cut to this length.
LONGEST = 400


def last_words(text: str) -> tuple[Reason, str]:
    """Reason and sentence of a termination message.

    The server's last line is either JSON with `reason` and `message`, or plain text; a reason that is not ours, or
    none, is PodFailing.
    """
    lines = [line for line in text.strip().splitlines() if line.strip()]
    for line in reversed(lines):
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict) and "reason" in said:
            return Reason.find(str(said["reason"])) or Reason.POD_FAILING, str(said.get("message", said["reason"]))
    sentence = lines[-1][-LONGEST:] if lines else "The container ended without a word."
    for reason in (Reason.CHECKSUM_MISMATCH, Reason.LICENCE_MISSING, Reason.LICENCE_EXPIRED):
        if str(reason) in text:
            return reason, sentence
    return Reason.POD_FAILING, sentence
