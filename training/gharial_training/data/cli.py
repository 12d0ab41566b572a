"""`gharial data`: looks into speech shards and decodes them into corpora for training."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from gharial_training.data.augment import Audio
from gharial_training.data.corpus import Corpus, Utterance, decode_corpus
from gharial_training.data.excerpts import excerpts
from gharial_training.data.shards import write_shard
from gharial_training.data.text import DIGITS
from gharial_training.data.voices import read_out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    commands = parser.add_subparsers(dest="command", required=True)
    prepare = commands.add_parser("prepare", help="decode shards (tar of KEY.opus|wav|flac and KEY.txt) into a corpus")
    prepare.add_argument("--shards", type=Path, nargs="+", required=True, metavar="TAR", help="the shards, in order")
    prepare.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="folder to write, 110 MB an hour")
    prepare.set_defaults(action=_prepare)
    voices = commands.add_parser("synthesize", help="words read by the synthesisers that are installed, as a shard")
    _add_words(voices)
    voices.add_argument("--takes", type=int, default=3, metavar="N", help="of each word by each voice (%(default)s)")
    voices.set_defaults(action=_synthesize)
    cut = commands.add_parser("excerpt", help="words cut out of the flowing speech of a corpus, as a shard")
    _add_words(cut)
    cut.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="folder written by `prepare`")
    cut.add_argument("--keys", default="", metavar="REGEX", help="only utterances whose key matches from its start")
    cut.add_argument("--most", type=int, default=150, metavar="N", help="excerpts of one word at most (%(default)s)")
    cut.set_defaults(action=_excerpt)
    look = commands.add_parser("look", help="hours, utterances and words of a corpus, by the part of its keys before -")
    look.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="folder written by `prepare`")
    look.add_argument("--json", action="store_true", help="print one JSON object")
    look.set_defaults(action=_look)


def _add_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--words", nargs="+", default=list(DIGITS), metavar="WORD", help="which (the ten digits)")
    parser.add_argument("--output", type=Path, required=True, metavar="TAR", help="shard to write")


def run(arguments: argparse.Namespace) -> int:
    """Runs the chosen command. Raises ValueError, OSError."""
    action: Callable[[argparse.Namespace], int] = arguments.action
    return action(arguments)


def _prepare(arguments: argparse.Namespace) -> int:
    missing = [str(path) for path in arguments.shards if not path.is_file()]
    if missing:
        raise OSError(f"no such shard: {', '.join(missing)}")
    left_out: list[str] = []
    seconds = 0.0
    shown = sys.stderr.isatty()
    for done, entry in enumerate(decode_corpus(arguments.shards, arguments.corpus), start=1):
        if isinstance(entry, Utterance):
            seconds += entry.seconds
        else:
            left_out.append(entry)
        if shown and done % 50 == 0:
            print(f"\r{done} utterances, {seconds / 3600:.2f} hours", end="", file=sys.stderr, flush=True)
    print(f"{arguments.corpus}: {seconds / 3600:.2f} hours; {len(left_out)} recordings left out: not decodable")
    for key in left_out:
        print(f"  {key}")
    return 0


def _synthesize(arguments: argparse.Namespace) -> int:
    return _write(arguments.output, read_out(arguments.words, arguments.takes, seed=1))


def _excerpt(arguments: argparse.Namespace) -> int:
    found = excerpts(Corpus(arguments.corpus), set(arguments.words), arguments.keys, arguments.most)
    return _write(arguments.output, found)


def _write(shard: Path, utterances: Iterable[tuple[str, Audio, str]]) -> int:
    shown, written = sys.stderr.isatty(), 0
    for written, _ in enumerate(write_shard(shard, utterances), start=1):
        if shown and written % 50 == 0:
            print(f"\r{written} words", end="", file=sys.stderr, flush=True)
    print(f"{shard}: {written} words")
    return 0


def summary(utterances: list[Utterance]) -> dict[str, dict[str, float]]:
    """Utterances, hours and words by the part of the keys before the first hyphen, and of all."""
    counts: dict[str, Counter[str]] = {}
    for utterance in utterances:
        for name in (utterance.key.split("-")[0], "all"):
            count = counts.setdefault(name, Counter())
            count["utterances"] += 1
            count["samples"] += utterance.length
            count["words"] += len(utterance.text.split())
    return {
        name: {
            "utterances": count["utterances"],
            "hours": round(count["samples"] / 16000 / 3600, 3),
            "words": count["words"],
        }
        for name, count in sorted(counts.items(), key=lambda item: (item[0] == "all", item[0]))
    }


def _look(arguments: argparse.Namespace) -> int:
    table = summary(Corpus(arguments.corpus).utterances)
    if arguments.json:
        print(json.dumps(table))
        return 0
    print(f"{'set':<12}{'utterances':>12}{'hours':>9}{'words':>9}")
    for name, row in table.items():
        print(f"{name:<12}{row['utterances']:>12}{row['hours']:>9.2f}{row['words']:>9}")
    return 0
