"""One target in a process of its own, with every branch of gharial_wire instrumented: never returns."""

import importlib
import sys

import atheris


def main() -> None:
    with atheris.instrument_imports(include=["gharial_wire"]):
        targets = importlib.import_module("fuzzing.targets")
    atheris.Setup([sys.argv[0], *sys.argv[2:]], targets.TARGETS[sys.argv[1]])
    atheris.Fuzz()


main()
