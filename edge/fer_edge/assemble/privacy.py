"""What leaves this device, in one paragraph made of its settings."""

from collections.abc import Iterator
from typing import Final

from fer_edge.settings import Settings
from fer_edge.settings.names import spool_path

_STANDARD_OUTPUT: Final = "-"
_IN_MEMORY: Final = ("/run/", "/dev/shm/")  # noqa: S108 - to be compared with


def privacy_paragraph(settings: Settings, *, keeps_pictures: bool = False) -> str:
    """Return in plain sentences what leaves the device, and what is stored on it.

    Args:
        settings: Of all parts.
        keeps_pictures: Whether something beside the settings stores pictures, as --annotate does.
    """
    return " ".join(
        (
            *_pictures(settings, keeps_pictures=keeps_pictures),
            *_lines(settings),
            *_events(settings),
            *_web(settings),
            "Nothing else leaves this device.",
        )
    )


def _pictures(settings: Settings, *, keeps_pictures: bool) -> Iterator[str]:
    if settings.web.port and settings.web.view == "picture":
        yield "Whoever may open this page sees what the camera sees, while they look."
        if sends_stills(settings):
            yield (
                f"A still goes to the broker {settings.mqtt.host} every "
                f"{settings.mqtt.camera_seconds:g} s; the broker is asked to keep none."
            )
    else:
        yield "No picture of the camera leaves this device."
    if keeps_pictures:
        yield "Whoever started this run has the pictures stored, with what was read drawn in."
    else:
        yield "No picture is stored."


def _lines(settings: Settings) -> Iterator[str]:
    file = settings.output.file
    if file == _STANDARD_OUTPUT:
        yield "Box, label and probabilities of each face go to whoever started this run."
    elif file:
        yield f"Box, label and probabilities of each face are written to {file}."


def _events(settings: Settings) -> Iterator[str]:
    events, mqtt = settings.events, settings.mqtt
    if not (events.file or mqtt.host):
        return
    if events.mode == "aggregate":
        what = (
            f"Counts of faces by expression over {events.aggregate_seconds:g} s, of at least "
            f"{events.least_faces} faces,"
        )
    else:
        what = "When a face appeared, changed its expression or left, without picture and box,"
    places = [f"the broker {mqtt.host}"] if mqtt.host else []
    places += [f"the file {events.file}"] if events.file else []
    yield f'{what} goes to {" and ".join(places)}, for this purpose: "{events.purpose}".'
    if mqtt.host:
        yield "The broker also learns how the device does."
        waits = "in memory" if str(spool_path(settings)).startswith(_IN_MEMORY) else "on the disk"
        yield f"What it has not taken yet waits {waits} for at most {events.spool_days:g} days."


def _web(settings: Settings) -> Iterator[str]:
    if not settings.web.port:
        return
    if settings.web.view == "boxes":
        yield "Whoever may open this page sees boxes, labels and figures, and no picture."
    if settings.web.view != "off":
        yield "A photo that is handed to this page is read and forgotten."
    yield f"Metrics and health are told to whoever may ask at port {settings.web.port}."


def sends_stills(settings: Settings) -> bool:
    """Return whether stills go to the broker: only where the page shows the picture, too."""
    mqtt, web = settings.mqtt, settings.web
    return bool(mqtt.host and mqtt.camera and web.port and web.view == "picture")
