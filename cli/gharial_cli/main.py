"""`gharial VERB …`: finds the verb, imports its module alone, runs it.

An image without torch still has its own verbs, because no verb's module is imported until it is
called. A verb's module offers `add_arguments(parser)` and `run(arguments) -> int`. What the user can
mend it raises as ValueError, OSError or RuntimeError with a message that names the remedy: no traceback
is shown, unless the verb has a --debug option that is set.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from gharial_cli.verbs import VERBS, Verb

# Exit status of a command line that could not be understood, as argparse uses it.
USAGE_ERROR = 2


class VerbModule(Protocol):
    """What a verb's module offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declares the verb's options."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Does the work and returns the process' exit status."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb and returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in {"-h", "--help", "help"}:
        print(overview())
        return 0 if words else USAGE_ERROR
    if words[0] == "--version":
        from importlib.metadata import version

        print(f"gharial {version('gharial')}")
        return 0
    for length in (2, 1):
        name = " ".join(words[:length])
        if name in VERBS:
            return run_verb(name, VERBS[name], words[length:])
    print(f"gharial: no verb {words[0]!r}.\n\n{overview()}", file=sys.stderr)
    return USAGE_ERROR


def run_verb(name: str, verb: Verb, words: Sequence[str]) -> int:
    """Imports the verb's module, parses its words and runs it."""
    try:
        module = cast(VerbModule, importlib.import_module(verb.module))
    except ModuleNotFoundError as error:
        if error.name == verb.module.partition(".")[0]:
            print(f"gharial {name}: this installation has no {error.name}; use a checkout of Gharial", file=sys.stderr)
            return 1
        if error.name is not None and error.name.startswith("gharial"):
            raise
        print(
            f"gharial {name}: the Python package {error.name!r} is missing. "
            f"Install it with: pip install 'gharial[{verb.extra}]'",
            file=sys.stderr,
        )
        return 1
    parser = argparse.ArgumentParser(prog=f"gharial {name}", description=verb.summary)
    module.add_arguments(parser)
    arguments = parser.parse_args(words)
    try:
        return module.run(arguments)
    except KeyboardInterrupt:
        print(f"gharial {name}: interrupted", file=sys.stderr)
        return 130
    except (OSError, ValueError, RuntimeError) as error:
        if getattr(arguments, "debug", False):
            raise
        print(f"gharial {name}: {error}", file=sys.stderr)
        return 1


def overview() -> str:
    """The list of verbs, as `gharial --help` shows it."""
    width = max(len(name) for name in VERBS)
    lines = ["usage: gharial VERB [options]", "", "Verbs (each has its own --help):"]
    lines += [f"  {name:<{width}}  {verb.summary}" for name, verb in VERBS.items()]
    return "\n".join(lines)
