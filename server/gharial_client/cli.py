"""`gharial client transcribe|mic|load`: streams speech to any server of the documented API."""

import argparse

from gharial_client import load_command, mic_command, transcribe_command

COMMANDS = {"transcribe": transcribe_command, "mic": mic_command, "load": load_command}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the sub-commands."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="transcribe|mic|load")
    for name, module in COMMANDS.items():
        module.add_arguments(commands.add_parser(name, help=module.SUMMARY, description=module.SUMMARY))


def run(arguments: argparse.Namespace) -> int:
    """Runs the sub-command."""
    status: int = COMMANDS[arguments.command].run(arguments)
    return status
