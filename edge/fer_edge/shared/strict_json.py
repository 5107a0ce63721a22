"""Read JSON that others wrote: JSON itself, without what Python adds to it."""

import json
import math
from collections.abc import Callable
from typing import Any


def parse_json(
    text: str | bytes, *, make_object: Callable[[list[tuple[str, Any]]], Any] | None = None
) -> Any:
    """Return what JSON says, every number of it finite.

    Args:
        text: The JSON; bytes are UTF-8, 16 or 32.
        make_object: Makes something of an object's names and values instead of a dictionary.

    Raises:
        ValueError: It is no JSON (Python alone takes NaN and Infinity for numbers), holds a number
            beyond a float, or is nested too deeply.
    """
    try:
        return json.loads(
            text, object_pairs_hook=make_object, parse_float=_finite, parse_constant=_finite
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no number")
    return number
