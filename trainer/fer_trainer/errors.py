"""Errors that only training can meet; the rest of the tree is in `fer_edge.errors`."""

from fer_edge.errors import FerError


class DivergedError(FerError, ArithmeticError):
    """The loss became infinite or not a number."""
