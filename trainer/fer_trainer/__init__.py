"""Trains documented facial expression networks.

    run = fer_trainer.fit("edge-nano", "fer2013.csv", out="runs/mine")
    print(run.metrics["validation"]["accuracy"])

What stands in `__all__` is public. It is loaded when it is first used.
"""

TYPE_CHECKING = False  # as type checkers know it, without importing `typing`
if TYPE_CHECKING:
    from typing import Any

    from fer_trainer.api import Run, fit

__all__ = ["Run", "__version__", "fit"]

__version__ = "0.1.0"


def __getattr__(name: str) -> "Any":
    """Load a public name when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fer_trainer import api  # noqa: PLC0415 - not for --help

    found = globals()[name] = getattr(api, name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
