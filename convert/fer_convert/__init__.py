"""Turns a training run into one TFLite file that carries its own contract.

    done = fer_convert.convert("runs/mine", "int8", out="runs/mine-int8")
    print(done)
    print(done.files["int8"], done.passed)

What stands in `__all__` is public. It is loaded when it is first used.
"""

TYPE_CHECKING = False  # as type checkers know it, without importing `typing`
if TYPE_CHECKING:
    from typing import Any

    from fer_convert.api import Converted, convert

__all__ = ["Converted", "__version__", "convert"]

__version__ = "0.1.0"


def __getattr__(name: str) -> "Any":
    """Load a public name when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fer_convert import api  # noqa: PLC0415 - not for --help

    found = globals()[name] = getattr(api, name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
