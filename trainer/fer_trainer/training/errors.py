"""Errors that only training can meet; the rest of the tree is in `fer_edge.shared.errors`."""

from fer_edge.shared.errors import FerError


class DivergedError(FerError, ArithmeticError):
    """The loss became infinite or not a number."""
