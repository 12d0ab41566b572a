"""`python -I -S spawn.py RECORD PROGRAM [ARGUMENT …]`: writes its own process record, then becomes the program.

Runs without site packages, so that it starts in a few milliseconds: standard library only.
"""

import json
import os
import sys


def main(arguments: list[str]) -> None:
    """Writes the record of this process to the first argument and executes the others."""
    record, program = arguments[0], arguments[1:]
    with open("/proc/self/stat") as stat:  # noqa: PTH123
        started = int(stat.read().rpartition(")")[2].split()[19])
    with open("/proc/sys/kernel/random/boot_id") as file:  # noqa: PTH123
        boot = file.read().strip()
    temporary = f"{record}.{os.getpid()}"
    with open(temporary, "w") as file:  # noqa: PTH123
        json.dump({"pid": os.getpid(), "started": started, "boot": boot}, file)
    os.rename(temporary, record)  # noqa: PTH104
    os.execvp(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1:])
