"""The client in docs/reference/streaming-api.md does what the page says."""

import asyncio
import sys
from pathlib import Path

import soundfile

PAGE = Path(__file__).parents[2] / "docs/reference/streaming-api.md"


async def test_the_client_in_the_reference_prints_the_transcript(harness, tmp_path: Path) -> None:
    program = PAGE.read_text().split("```python\n")[1].split("```")[0]
    soundfile.write(tmp_path / "numbers.wav", harness.spoken([7, 0, 3]), 16000, subtype="PCM_16")
    async with harness.serve() as server:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, harness.url(server), str(tmp_path / "numbers.wav"),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await asyncio.wait_for(child.communicate(), 60)
    assert (child.returncode, out.decode()) == (0, " 7 3")
