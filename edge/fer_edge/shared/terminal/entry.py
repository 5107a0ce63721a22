"""What the installed programs begin with: Ctrl-C is silent from the first moment on.

Loading a command takes a part of a second, in which Python would answer Ctrl-C with a traceback out
of whatever is being imported.
"""

import os
import signal
from importlib import import_module
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
"""As a shell says it of a program that Ctrl-C ended."""


def leave(_number: int, _frame: FrameType | None) -> NoReturn:
    """End at once, without a word."""
    os._exit(INTERRUPTED)


def leave_on_interrupt() -> None:
    """Let Ctrl-C end the program at once, until `heed_interrupts`; not where it is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave)


def heed_interrupts() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again: there is something to tidy up from here on."""
    if signal.getsignal(signal.SIGINT) is leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def fer_edge() -> None:
    """Run `fer-edge`."""
    leave_on_interrupt()
    import_module("fer_edge.cli").main()
