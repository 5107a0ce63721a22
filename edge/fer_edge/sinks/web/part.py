"""What a part of the page with addresses of its own may be told."""

from collections.abc import Sequence

from fer_edge.settings import Settings
from fer_edge.shared.closing import Closing
from fer_edge.shared.records import Observation
from fer_edge.sinks.web.router import Route
from fer_edge.state.records import DaemonState


class Part(Closing):
    """Answers addresses of its own, from what it is told; of itself it does neither.

    Its routes are asked in the listener's thread, all else is told in the pipeline's: what is told
    must be taken at once.
    """

    def routes(self) -> Sequence[Route]:
        """Return what is answered here; asked once."""
        return ()

    def take(self, observation: Observation) -> None:
        """Take an observation."""

    def tell_event(self, line: str) -> None:
        """Take an event, as one line of JSON."""

    def report(self, state: DaemonState) -> None:
        """Take the daemon's state, about once a second."""

    def renew(self, settings: Settings) -> None:
        """Take the settings after they have been read anew, where the page stays the same."""

    def close(self) -> None:
        """Release what is held; may be called twice."""
