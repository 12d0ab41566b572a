"""Synthetic voices: speech synthesisers read words, so that a corpus of few speakers gets more voices.

The programs are espeak-ng (formant synthesis, many variants), flite (four voices made of recordings) and festival
(diphones and an HMM voice), all packages of Debian. They sound like machines; what they add is the spread of voices.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gharial_training.data.augment import Audio
from gharial_training.data.shards import decode_audio

SECONDS = 20
FLITE = ("awb", "kal16", "rms", "slt")
FESTIVAL = ("voice_kal_diphone", "voice_ked_diphone", "voice_cmu_us_slt_arctic_hts")
ESPEAK_ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-029", "en-us-nyc", "en-gb-x-gbclan")
ESPEAK_VARIANTS = (
    *("Andy", "Annie", "Denis", "Gene", "Hugo", "Jacky", "Lee", "Marco", "Michael", "Mike", "adam", "anika", "antonio"),
    *(
        "belinda",
        "benjamin",
        "boris",
        "david",
        "ed",
        "edward",
        "f1",
        "f2",
        "f3",
        "f4",
        "f5",
        "grandma",
        "gustave",
        "iven",
    ),
    *("john", "klatt", "klatt2", "klatt4", "linda", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "max", "miguel"),
    *("norbert", "pablo", "paul", "quincy", "rob", "robert", "sandro", "shelby", "steph", "travis", "victor", "zac"),
)


@dataclass(frozen=True)
class Voice:
    """A voice of one program. name has no hyphen, so that it can stand in a key."""

    program: str
    name: str
    voice: str


def installed_voices() -> list[Voice]:
    """The voices of the programs that are installed. Raises OSError when there is none of them."""
    voices: list[Voice] = []
    if shutil.which("flite"):
        voices += [Voice("flite", f"flite_{name}", name) for name in FLITE]
    if shutil.which("text2wave"):
        voices += [Voice("festival", name.removeprefix("voice_"), name) for name in FESTIVAL]
    if shutil.which("espeak-ng"):
        for number, variant in enumerate(ESPEAK_VARIANTS):
            accent = ESPEAK_ACCENTS[number % len(ESPEAK_ACCENTS)]
            voices.append(Voice("espeak", f"espeak_{variant}", f"{accent}+{variant}"))
    if not voices:
        raise OSError("no synthesiser is installed; try: apt-get install espeak-ng flite festival festvox-kdlpc16k")
    return voices


def speak(voice: Voice, text: str, rng: np.random.Generator) -> Audio:
    """The text in that voice, with a random tempo and pitch. Raises OSError when the program fails."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "speech.wav"
        command, given = _command(voice, text, file, rng)
        ended = subprocess.run(command, input=given, capture_output=True, text=True, timeout=SECONDS, check=False)
        if ended.returncode != 0 or not file.is_file():
            raise OSError(f"{' '.join(command)} failed: {ended.stderr.strip()}")
        return decode_audio(file.read_bytes())


def _command(voice: Voice, text: str, file: Path, rng: np.random.Generator) -> tuple[Sequence[str], str | None]:
    if voice.program == "flite":
        stretch = f"duration_stretch={rng.uniform(0.8, 1.3):.2f}"
        pitch = f"int_f0_target_mean={rng.uniform(85, 190):.0f}"
        return ["flite", "-voice", voice.voice, "--setf", stretch, "--setf", pitch, "-t", text, "-o", str(file)], None
    if voice.program == "festival":
        stretch = f"(Parameter.set 'Duration_Stretch {rng.uniform(0.8, 1.3):.2f})"
        return ["text2wave", "-eval", f"({voice.voice})", "-eval", stretch, "-o", str(file)], text
    pitch, rate = str(int(rng.uniform(20, 75))), str(int(rng.uniform(120, 210)))
    return ["espeak-ng", "-v", voice.voice, "-p", pitch, "-s", rate, "-w", str(file), text], None


def read_out(words: Sequence[str], takes: int, seed: int) -> Iterator[tuple[str, Audio, str]]:
    """Every word by every voice, `takes` times: (key, audio, text). Raises OSError."""
    rng = np.random.default_rng(seed)
    for voice in installed_voices():
        for word in words:
            for take in range(takes):
                yield f"syn-{voice.name}-{word}{take}", speak(voice, word, rng), word
