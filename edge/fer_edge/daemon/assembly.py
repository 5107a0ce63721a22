"""A service from settings, and the same service under other settings."""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from fer_edge.assemble.baselines import read_participant
from fer_edge.assemble.parts import make_pipeline, make_sinks
from fer_edge.assemble.run_facts import RunFacts
from fer_edge.assemble.sources import frames_of, make_source, source_uri
from fer_edge.assemble.window import keep_window, renew_window
from fer_edge.daemon.calibrating import Participants, no_participants
from fer_edge.daemon.camera.opener import Opening
from fer_edge.daemon.camera.steady import SteadyCamera
from fer_edge.daemon.figures import Figures, Names
from fer_edge.daemon.service import Service
from fer_edge.daemon.systemd import SystemdNotifier
from fer_edge.models.choice import SlotReader, serving_of
from fer_edge.pipeline.pipeline import Pipeline
from fer_edge.settings import Settings, SourceSettings
from fer_edge.settings.names import can_be_switched
from fer_edge.shared.errors import FerError, SettingsError
from fer_edge.shared.faces.choice import choose
from fer_edge.shared.model.contract import ModelContract
from fer_edge.sinks.fan_out import FanOut, NamedSink
from fer_edge.sources.addresses import shown_source
from fer_edge.state.controls import Controls

if TYPE_CHECKING:
    from fer_edge.sinks.web.sink import WebSink

_SEEING: Final = ("detector", "tracker", "smoothing", "model", "expression", "baseline")
_WATCHED: Final = "source"
_NO_FACTS: Final = RunFacts()

_log = logging.getLogger(__name__)


def make_service(
    settings: Settings,
    controls: Controls,
    *,
    read_settings: Callable[[], Settings],
    colour: bool = False,
    facts: RunFacts = _NO_FACTS,
) -> Service:
    """Load the model, open the sinks, and begin to open the camera.

    Args:
        settings: Of all parts.
        controls: What is asked of the daemon.
        read_settings: Resolves the settings anew; raises `FerError` where they are wrong.
        colour: Whether frames keep their colours, for whoever draws on them; a network that looks
            at colours has them in any case.
        facts: What the page tells beside the settings.

    Raises:
        FerError: A part cannot be made.
    """
    slots = SlotReader()
    settings = slots.fill_in(settings)
    pipeline = make_pipeline(settings, frames=frames_of(settings.source))
    try:
        sinks = FanOut(make_sinks(settings, controls, facts=facts))
    except BaseException:
        pipeline.close()
        raise
    systemd = SystemdNotifier()
    names = _names(settings, pipeline)
    # The journal's first line; whoever sits at a prompt asks for it with -v.
    level = logging.INFO if systemd.heard else logging.DEBUG
    _log.log(level, "faces are found by %s", names.detector)
    reload = _Reloading(
        settings, lambda: slots.fill_in(read_settings()), controls, colour=colour, facts=facts
    )
    service = Service(
        # With nobody in front of it, a camera that is not there yet is a state like any other.
        SteadyCamera(
            *camera_of(settings, colour=colour or pipeline.contract.input.is_colour),
            patient=systemd.heard,
            wanted=controls.enabled,
        ),
        pipeline,
        sinks,
        controls=controls,
        figures=Figures(names),
        systemd=systemd,
        reload=reload,
    )
    service.camera.turned_back = partial(reload.turned_back, service)
    service.calibrator.participants = _participants(settings, pipeline.contract)
    return service


def camera_of(settings: Settings, *, colour: bool = False) -> tuple[Opening, SourceSettings]:
    """Return how the source that the settings name is opened, and how it is waited for.

    Args:
        settings: Of all parts.
        colour: Whether frames keep their colours; for a page that shows the picture they do.
    """
    colour = colour or _shows_the_picture(settings)
    return lambda: make_source(settings.source, colour=colour), settings.source


def _shows_the_picture(settings: Settings) -> bool:
    return settings.web.view == "picture"


def _participants(settings: Settings, contract: ModelContract) -> Participants:
    if not settings.baseline.participants:
        return no_participants
    return partial(read_participant, settings.baseline, contract)


def _names(settings: Settings, pipeline: Pipeline) -> Names:
    return Names(
        source=shown_source(source_uri(settings.source)),
        model=serving_of(settings.model).name,
        model_sha256=pipeline.model_sha256,
        model_place=serving_of(settings.model).place,
        model_problem=serving_of(settings.model).problem,
        tells_faces=settings.events.mode != "aggregate",
        baseline=pipeline.baseline,
        detector=choose(settings.detector.kind, settings.detector.file).words,
    )


class _Reloading:
    """Puts new parts in the place of those whose settings have changed; keeps the others.

    All or nothing: where one of the new parts cannot be made, the old ones go on.
    """

    def __init__(
        self,
        settings: Settings,
        read_settings: Callable[[], Settings],
        controls: Controls,
        *,
        colour: bool,
        facts: RunFacts,
    ) -> None:
        self._settings = settings
        self._read_settings = read_settings
        self._controls = controls
        self._colour = colour
        self._facts = facts

    def __call__(self, service: Service) -> None:
        """Read the settings and apply what has changed; log what is refused.

        Raises:
            FerError: Neither the new parts can be opened nor the old ones again.
        """
        try:
            new = self._read_settings()
            self._check_name(new)
            changed = self._changed(new)
            pipeline = self._new_pipeline(changed, new, service.pipeline)
        except FerError as error:
            _refuse(error)
            return
        if self._apply(service, new, changed, pipeline):
            _log.info("settings read anew: %s", ", ".join(changed) or "nothing has changed")
            self._switch_on_if_nobody_can()

    def turned_back(self, service: Service, source: SourceSettings) -> None:
        """Take note that the camera has gone back to its former source, as the new one cannot be.

        Raises:
            FerError: The parts cannot be opened again.
        """
        former = replace(self._settings, source=source)
        pipeline = self._new_pipeline([_WATCHED], former, service.pipeline)
        self._apply(service, former, [], pipeline)

    def _apply(
        self, service: Service, new: Settings, changed: list[str], pipeline: Pipeline | None
    ) -> bool:
        """Put new parts in their places; return whether that is so."""
        # Another pipeline counts tracks anew, and may have another model: sinks must know.
        sinks = pipeline is not None or any(name != _WATCHED for name in changed)
        refused = self._open_sinks(service, new) if sinks else None
        if refused is not None:
            if pipeline is not None:
                pipeline.close()
            _refuse(refused)
            return False
        kept_colour = self._keeps_colour(self._settings, service.pipeline)
        if pipeline is not None:
            service.pipeline.close()
            service.pipeline = pipeline
        keeps_colour = self._keeps_colour(new, service.pipeline)
        if _WATCHED in changed or keeps_colour != kept_colour:
            opened = camera_of(new, colour=keeps_colour)
            service.camera.change(*opened, anew=keeps_colour != kept_colour)
        service.calibrator.participants = _participants(new, service.pipeline.contract)
        service.figures.names = _names(new, service.pipeline)
        self._settings = new
        renew_window(service.sinks, new)
        return True

    def _switch_on_if_nobody_can(self) -> None:
        if not self._controls.enabled and not can_be_switched(self._settings):
            _log.warning("switched on: nobody could do that any more with these settings")
            self._controls.enabled = True

    def _check_name(self, new: Settings) -> None:
        """Refuse another name: topics, spool and what brokers keep would be left behind."""
        name = self._settings.daemon.name
        if new.daemon.name != name:
            raise SettingsError(
                f"daemon.name is {new.daemon.name!r} now, and a run keeps its name",
                expected=repr(name),
                fix="put it back, or restart the service",
            )

    def _keeps_colour(self, settings: Settings, pipeline: Pipeline) -> bool:
        seen = pipeline.contract.input.is_colour
        return self._colour or seen or _shows_the_picture(settings)

    def _changed(self, new: Settings) -> list[str]:
        sections = Settings.__dataclass_fields__
        return [name for name in sections if getattr(self._settings, name) != getattr(new, name)]

    def _new_pipeline(self, changed: list[str], new: Settings, before: Pipeline) -> Pipeline | None:
        """Return another pipeline, where one is needed: what fails most goes first."""
        frames = frames_of(new.source)
        if frames == frames_of(self._settings.source) and not any(n in _SEEING for n in changed):
            return None
        if before.corrector is not None:
            before.corrector.close()  # keeps what was learnt of the place, which the new one reads
        return make_pipeline(new, frames=frames)

    def _open_sinks(self, service: Service, new: Settings) -> FerError | None:
        """Replace the sinks; return why that is refused, if it is."""
        window = keep_window(service.sinks, self._settings, new)
        service.sinks.close()  # files and ports can be held only once
        try:
            service.sinks = FanOut(self._make_sinks(new, window))
        except FerError as error:
            service.sinks = FanOut(self._make_sinks(self._settings, window))
            return error
        return None

    def _make_sinks(self, settings: Settings, window: "WebSink | None") -> list[NamedSink]:
        return make_sinks(settings, self._controls, window=window, facts=self._facts)


def _refuse(error: FerError) -> None:
    _log.error("the new settings are not used: %s", error)
