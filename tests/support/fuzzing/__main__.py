"""Runs the coverage-guided fuzzer (atheris, libFuzzer inside) on every target, one after the other.

    python -m fuzzing --seconds 600 [TARGET…]

What it finds lies in --found and makes the exit status 1; copy it to tests/wire/corpus/TARGET/ with its repair.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from fuzzing.corpus import seeds
from fuzzing.targets import TARGETS

# libFuzzer's limits for one input: seconds (by the clock, which a busy machine stretches), and MiB for the process.
_SECONDS, _MEGABYTES = 60, 2048
_LONGEST = {"request": 512, "answer": 2048, "stream": 512, "codec": 4096}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzzing", description="Fuzzes what clients may send.")
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="which (default: all)")
    parser.add_argument("--seconds", type=int, default=600, help="for all of them together (%(default)s)")
    parser.add_argument("--runs", type=int, default=-1, help="of each target, instead of --seconds: always the same")
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"), help="where findings go (%(default)s)")
    arguments = parser.parse_args()
    targets = arguments.targets or list(TARGETS)
    status = 0
    for target in targets:
        print(f"fuzzing {target}", flush=True)
        ended = _fuzz(target, arguments.seconds // len(targets), arguments.runs, arguments.found)
        status = status or ended
    return 1 if status else 0


def _fuzz(target: str, seconds: int, runs: int, found: Path) -> int:
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds(target)):
            (Path(corpus) / str(number)).write_bytes(seed)
        limit = [f"-max_total_time={seconds}"] if runs < 0 else [f"-runs={runs}", "-seed=1"]
        words = [*limit, f"-max_len={_LONGEST[target]}", f"-timeout={_SECONDS}", f"-rss_limit_mb={_MEGABYTES}"]
        words += [f"-artifact_prefix={found}/{target}-", "-print_final_stats=1", "-verbosity=1", corpus]
        return subprocess.run([sys.executable, "-m", "fuzzing.atheris_run", target, *words], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
