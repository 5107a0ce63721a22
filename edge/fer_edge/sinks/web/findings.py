"""What `fer-edge doctor` finds on this machine, for the page.

It tries libraries and the disk, which takes seconds: so a process of its own does it, only once
somebody looks, and what it found is kept for an hour.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from fer_edge.sinks.web.child import TooMuchError, ask_child

KEPT_SECONDS: Final = 3600.0
_TRIED_AGAIN_SECONDS: Final = 60.0
_LONGEST_SECONDS: Final = 180.0
_MOST_BYTES: Final = 256 * 1024
_MOST_TEXT: Final = 1000
_PROGRAM: Final = (
    "import contextlib, os\n"
    "with contextlib.suppress(OSError): os.nice(10)\n"
    "from fer_edge.cli import main; main()"
)
_DOCTOR: Final = ("-c", _PROGRAM, "doctor", "--json")


class Findings:
    """Examines the machine late, and seldom; used in the thread of an asyncio loop.

    Args:
        arguments: Of Python, others than the doctor's.
        clock: Monotonic, in seconds.
    """

    def __init__(
        self,
        arguments: Sequence[str] = _DOCTOR,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._arguments = arguments
        self._clock = clock
        self._found: list[dict[str, Any]] | None = None
        self._old_at = 0.0
        self._examining: asyncio.Task[None] | None = None

    def to_json(self) -> list[dict[str, Any]] | None:
        """Return what was found, worst first; None until the first examination has ended."""
        if self._examining is None and self._clock() >= self._old_at:
            self._examining = asyncio.get_running_loop().create_task(self._examine())
        return self._found

    async def wait(self) -> None:
        """Wait for the examination that goes on, if one does."""
        if self._examining is not None:
            await self._examining

    async def _examine(self) -> None:
        self._old_at = self._clock() + _TRIED_AGAIN_SECONDS
        try:
            told = await ask_child(
                self._arguments, most_bytes=_MOST_BYTES, seconds=_LONGEST_SECONDS, environment={}
            )
            self._found = [_finding(one) for one in json.loads(told.output)["findings"]]
            self._old_at = self._clock() + KEPT_SECONDS
        except (OSError, ValueError, KeyError, TypeError, TooMuchError) as error:
            text = f"the examination itself failed ({type(error).__name__})"
            fix = "run `fer-edge doctor` at the prompt"
            self._found = [{"grade": "warning", "check": "doctor", "text": text, "fix": fix}]
        finally:
            self._examining = None


def _finding(one: dict[str, Any]) -> dict[str, str]:
    return {
        name: str(one[key])[:_MOST_TEXT]
        for name, key in (
            ("grade", "severity"), ("check", "check"), ("text", "found"), ("fix", "fix"),
        )
    }  # fmt: skip
