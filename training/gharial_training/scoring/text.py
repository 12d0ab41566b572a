"""Text as word error rates compare it: references and hypotheses go through the same rules.

The rules follow the English normaliser of Whisper (A. Radford et al., 2022) and the CAIMAN-ASR documentation ("WER
calculation") where they touch lower-case words: hesitations are dropped, contractions and abbreviations are written
out, spelling is American. Number words stay words, so that each spoken digit counts as one word.
"""

import re

_HESITATIONS = re.compile(r"\b(hmm|mm|mhm|mmm|uh|um)\b")
_BRACKETED = re.compile(r"[<\[][^>\]]*[>\]]|\([^)]*\)")
_WRITTEN_OUT = (
    (r"\bwon't\b", "will not"),
    (r"\bcan't\b", "can not"),
    (r"\blet's\b", "let us"),
    (r"\by'all\b", "you all"),
    (r"\bwanna\b", "want to"),
    (r"\bgotta\b", "got to"),
    (r"\bgonna\b", "going to"),
    (r"\bma'am\b", "madam"),
    (r"\bmr\b", "mister"),
    (r"\bmrs\b", "missus"),
    (r"\bst\b", "saint"),
    (r"\bdr\b", "doctor"),
    (r"\bprof\b", "professor"),
    (r"n't\b", " not"),
    (r"'re\b", " are"),
    (r"'s\b", " is"),
    (r"'d\b", " would"),
    (r"'ll\b", " will"),
    (r"'t\b", " not"),
    (r"'ve\b", " have"),
    (r"'m\b", " am"),
)
_RULES = tuple((re.compile(pattern), text) for pattern, text in _WRITTEN_OUT)
_SPELLINGS = {
    "colour": "color",
    "colours": "colors",
    "coloured": "colored",
    "favour": "favor",
    "favourite": "favorite",
    "grey": "gray",
    "honour": "honor",
    "honourable": "honorable",
    "labour": "labor",
    "neighbour": "neighbor",
    "neighbours": "neighbors",
    "centre": "center",
    "theatre": "theater",
    "travelled": "traveled",
    "travelling": "traveling",
    "traveller": "traveler",
    "realise": "realize",
    "recognise": "recognize",
    "behaviour": "behavior",
    "harbour": "harbor",
    "humour": "humor",
    "programme": "program",
    "okay": "ok",
}


def normalise_for_scoring(text: str) -> str:
    """A transcript as words to compare, separated by single spaces."""
    text = _HESITATIONS.sub(" ", _BRACKETED.sub(" ", text.lower()))
    text = re.sub(r"\s+'", "'", text)
    for pattern, written_out in _RULES:
        text = pattern.sub(written_out, text)
    words = re.sub(r"[^\w\s]", " ", text).split()
    return " ".join(_SPELLINGS.get(word, word) for word in words)
