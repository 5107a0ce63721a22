"""What the page asks beside the live view: photos, the last hours, the device, wishes."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fer_edge.settings import Settings
from fer_edge.shared.records import Observation
from fer_edge.sinks.web.findings import Findings
from fer_edge.sinks.web.history import History
from fer_edge.sinks.web.messages import JSON, Request, Response, answer_json
from fer_edge.sinks.web.part import Part
from fer_edge.sinks.web.photo import Photos
from fer_edge.sinks.web.router import Route
from fer_edge.sinks.web.wishes import Possible, Wishes
from fer_edge.state.controls import Controls
from fer_edge.state.records import DaemonState


@dataclass(frozen=True, slots=True)
class About:
    """What follows from the settings.

    Attributes:
        seeing: Settings by which a photo is read, as text by `section.key`.
        describe: Tells what is known of the device, by the newest state; may read files.
        possible: What may be asked of the daemon.
    """

    seeing: Mapping[str, str]
    describe: Callable[[DaemonState | None], Mapping[str, Any]]
    possible: Possible


class Desk(Part):
    """Answers what belongs to no stream.

    Args:
        settings: Of all parts.
        about: Says what follows from settings; asked anew when they have been read anew.
        controls: What is asked of the daemon.
    """

    def __init__(
        self, settings: Settings, about: Callable[[Settings], About], controls: Controls
    ) -> None:
        self._make = about
        self._about = about(settings)
        self._photos = Photos(self._about.seeing)
        self._wishes = Wishes(controls, self._about.possible)
        self._history = History(faces=settings.events.mode != "aggregate")
        self._findings = Findings()
        self._state: DaemonState | None = None

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        return (
            *self._photos.routes(),
            *self._wishes.routes(),
            Route("GET", "/history.json", self._tell_history, in_json=True),
            Route("GET", "/device.json", self._tell_device, in_json=True),
        )

    def take(self, observation: Observation) -> None:
        """Count an observation."""
        self._history.add(observation)

    def tell_event(self, line: str) -> None:
        """Keep an event among the newest."""
        self._history.note(line)

    def report(self, state: DaemonState) -> None:
        """Take the state, and do what was put off."""
        self._state = state
        self._wishes.turn()

    def renew(self, settings: Settings) -> None:
        """Take settings that were read anew; the last hours stay.

        Raises:
            FerError: A file that they name cannot be read; nothing is taken then.
        """
        self._about = about = self._make(settings)
        self._photos.settings = about.seeing
        self._wishes.possible = about.possible

    async def _tell_history(self, _request: Request) -> Response:
        return Response(200, self._history.to_json(), JSON)

    async def _tell_device(self, request: Request) -> Response:
        if request.method == "HEAD":  # only asked whether it may be; nobody reads what is found
            return answer_json({})
        told = await asyncio.to_thread(self._about.describe, self._state)
        return answer_json(
            {**told, "findings": self._findings.to_json(), "controls": self._wishes.to_json()}
        )
