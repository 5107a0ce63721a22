"""What options and arguments take, where click takes more than can be meant."""

import math
from pathlib import Path
from typing import Any

import click


class NamedPath(click.Path):
    """A file or folder by its name; an empty text would be the working folder.

    Args:
        file_okay: Whether it may be a file, where it is there.
        dir_okay: The same of a folder.
    """

    def __init__(self, *, file_okay: bool = True, dir_okay: bool = True) -> None:
        super().__init__(file_okay=file_okay, dir_okay=dir_okay, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if value == "":
            self.fail("the name is empty; the working folder is '.'", param, ctx)
        return super().convert(value, param, ctx)


class FiniteRange(click.FloatRange):
    """A number within a range; nan lies within each, for it is neither below nor above."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number
