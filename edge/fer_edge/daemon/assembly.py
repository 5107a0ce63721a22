"""A service from settings, and the same service under other settings."""

import logging
from collections.abc import Callable
from typing import Final

from fer_edge.assemble import frames_of, make_outlets, make_pipeline, make_source
from fer_edge.contract import ModelContract
from fer_edge.controls import Controls
from fer_edge.daemon.camera import SteadyCamera
from fer_edge.daemon.figures import Figures, Names
from fer_edge.daemon.heart import Heart
from fer_edge.daemon.opener import Opening
from fer_edge.daemon.service import Service
from fer_edge.errors import FerError
from fer_edge.settings import Settings, SourceSettings
from fer_edge.sinks.fan_out import FanOut
from fer_edge.sources.stream import without_secrets

_SEEING: Final = ("detector", "tracker", "smoothing", "model")
_WATCHED: Final = "source"

_log = logging.getLogger(__name__)


def make_service(
    settings: Settings, controls: Controls, *, read_settings: Callable[[], Settings]
) -> Service:
    """Load the model, open the outlets, and begin to open the camera.

    Args:
        settings: Of all parts.
        controls: What is asked of the daemon.
        read_settings: Resolves the settings anew; raises `FerError` where they are wrong.

    Raises:
        FerError: A part cannot be made.
    """
    pipeline = make_pipeline(settings, frames=frames_of(settings.source))
    try:
        outlets = FanOut(make_outlets(settings, controls))
    except BaseException:
        pipeline.close()
        raise
    return Service(
        SteadyCamera(*camera_of(settings)),
        pipeline,
        outlets,
        controls=controls,
        figures=Figures(_names(settings, pipeline.contract)),
        heart=Heart(),
        reload=_Reloading(settings, read_settings, controls),
    )


def camera_of(settings: Settings) -> tuple[Opening, SourceSettings]:
    """Return how the source that the settings name is opened, and how it is waited for."""
    return lambda: make_source(settings.source), settings.source


def _names(settings: Settings, contract: ModelContract) -> Names:
    uri = settings.source.uri
    return Names(
        source=without_secrets(uri) if "://" in uri else uri,
        model=settings.model.path,
        model_sha256=contract.flatbuffer_sha256,
    )


class _Reloading:
    """Puts new parts in the place of those whose settings have changed; keeps the others."""

    def __init__(
        self, settings: Settings, read_settings: Callable[[], Settings], controls: Controls
    ) -> None:
        self._settings = settings
        self._read_settings = read_settings
        self._controls = controls

    def __call__(self, service: Service) -> None:
        try:
            new = self._read_settings()
            changed = self._apply(service, new)
        except FerError as error:
            _log.error("the new settings are not used: %s", error)
            return
        self._settings = new
        _log.info("settings read anew: %s", ", ".join(changed) or "nothing has changed")

    def _apply(self, service: Service, new: Settings) -> list[str]:
        old = self._settings
        changed = [
            section
            for section in Settings.__dataclass_fields__
            if getattr(old, section) != getattr(new, section)
        ]
        other_frames = frames_of(old.source) != frames_of(new.source)
        if other_frames or any(section in _SEEING for section in changed):
            pipeline = make_pipeline(new, frames=frames_of(new.source))
            service.pipeline.close()
            service.pipeline = pipeline
        if any(section not in {*_SEEING, _WATCHED} for section in changed):
            self._swap_outlets(service, new)
        if _WATCHED in changed:
            service.camera.change(*camera_of(new))
        service.figures.names = _names(new, service.pipeline.contract)
        return changed

    def _swap_outlets(self, service: Service, new: Settings) -> None:
        service.outlets.close()  # files and ports can be held only once
        try:
            service.outlets = FanOut(make_outlets(new, self._controls))
        except FerError:
            service.outlets = FanOut(make_outlets(self._settings, self._controls))
            raise
