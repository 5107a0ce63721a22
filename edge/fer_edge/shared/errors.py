"""The one tree of errors; imports nothing.

Every error says what was found, what was expected and what to do, and knows the exit code of
the command line that it ends. Most are also a builtin, so that library users can catch what
they know.
"""

EXIT_FAILED = 1
EXIT_GATE = 3
EXIT_REGRESSION = 4
EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h
EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h


class FerError(Exception):
    """Something the user can act on.

    Args:
        found: What is wrong, naming the file or value.
        expected: What would have been right.
        fix: What to do about it, as an imperative.
    """

    exit_code = EXIT_FAILED

    def __init__(self, found: str, *, expected: str, fix: str) -> None:
        self.found = found
        self.expected = expected
        self.fix = fix
        super().__init__(f"{found}; expected {expected}; {fix}")

    def __reduce__(self) -> tuple[object, ...]:
        """Let it be sent to another process, which an exception with keywords cannot be."""
        return _made_again, (type(self), self.found, self.expected, self.fix)


def _made_again(kind: type[FerError], found: str, expected: str, fix: str) -> FerError:
    return kind(found, expected=expected, fix=fix)


class PictureError(FerError, ValueError):
    """A picture cannot be read or is not one."""


class DataError(FerError, ValueError):
    """A data set, folder or archive is not in a shape we know."""


class LabelError(FerError, ValueError):
    """An expression name or label set is unknown or does not fit."""


class VideoError(FerError, ValueError):
    """A video file or picture folder given as a source delivers no frame."""


class SourceUnavailableError(FerError, OSError):
    """A camera or stream does not deliver, or stopped delivering."""

    exit_code = EXIT_UNAVAILABLE


class SourceStuckError(SourceUnavailableError):
    """A driver keeps so many threads that only another process can open the camera again."""


class BrokerUnavailableError(FerError, OSError):
    """A message broker cannot be reached, or refuses."""

    exit_code = EXIT_UNAVAILABLE


class DaemonUnavailableError(FerError, OSError):
    """No daemon runs that could be asked."""

    exit_code = EXIT_UNAVAILABLE


class ModelError(FerError, ValueError):
    """A model file is missing, broken, of another kind, or breaks its contract."""

    exit_code = EXIT_CONFIG


class SettingsError(FerError, ValueError):
    """A setting is unknown, of the wrong type or out of range."""

    exit_code = EXIT_CONFIG


class DependencyError(FerError, ImportError):
    """A package is missing or of a version that cannot work."""

    exit_code = EXIT_CONFIG


class MemoryLimitError(FerError, MemoryError):
    """The system lets this process take less memory than its libraries need to load."""

    exit_code = EXIT_CONFIG


class OutputError(FerError, OSError):
    """Something could not be written."""


class CalibrationError(FerError, ValueError):
    """What was looked at is no face at rest."""


class GateError(FerError):
    """A quality gate was not met."""

    exit_code = EXIT_GATE


class RegressionError(FerError):
    """A measurement is worse than its baseline."""

    exit_code = EXIT_REGRESSION
