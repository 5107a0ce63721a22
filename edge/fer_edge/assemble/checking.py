"""Whether settings can work together: asked before anything is opened.

`run` asks at its start and at each reload, and `config check` asks the same.
"""

import logging
import os
import re
from pathlib import Path
from typing import Final

from fer_edge.assemble.baselines import mode_of
from fer_edge.assemble.event_sinks import broker_endpoint, check_host
from fer_edge.assemble.privacy import sends_stills
from fer_edge.assemble.sources import check_source, frames_of
from fer_edge.models import shipped_models
from fer_edge.settings import Settings, WebSettings
from fer_edge.settings.names import check_run_name, spool_path
from fer_edge.settings.secrets import credential_path, is_open_to_others
from fer_edge.shared.errors import SettingsError
from fer_edge.shared.named_files import kind_of

_LONGEST_PURPOSE: Final = 500
_NEARBY: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_DEVICES: Final = "/dev/"
_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")

_log = logging.getLogger(__name__)


def check_settings(settings: Settings) -> None:
    """Refuse settings that cannot work; warn of what works and is not what it seems.

    Secrets, certificates and tokens are read, and the kinds of all files that are named are looked
    at. Models, cameras, ports and outputs are not opened: who makes them says what they lack.

    Raises:
        SettingsError: Settings do not fit together, or a secret or certificate cannot be read.
    """
    check_run_name(settings.daemon.name)
    _check_source(settings)
    _check_trust(settings.model.trust)
    _check_mode(settings)
    _check_files(settings)
    _check_secret_files(settings)
    mode_of(settings.baseline)
    if settings.events.file or settings.mqtt.host:
        _check_events(settings)
    if settings.mqtt.host:
        _check_broker(settings)
    _check_view(settings)
    if settings.web.port:
        _check_web(settings.web)


def written_files(settings: Settings) -> dict[str, str]:
    """Return the files that are written; devices, and pipes that a shell makes there, are not."""
    named = {
        "output.file": settings.output.file.removeprefix("-"),
        "events.file": settings.events.file,
        "events.spool": str(spool_path(settings)) if settings.mqtt.host else "",
    }
    return {key: name for key, name in named.items() if name and not name.startswith(_DEVICES)}


def model_files(settings: Settings) -> dict[str, str]:
    """Return the model's file, where the settings name one and no model that ships."""
    name = settings.model.path
    return {} if name in {"slot", *shipped_models()} else {"model.path": name}


def place_of(name: str) -> str:
    """Return where a name leads; itself where the working folder is gone, and leads nowhere."""
    try:
        return os.path.realpath(name)
    except FileNotFoundError:
        return name


def kind_of_named(name: str) -> str:
    """Return what has this name where that is no file; "" for files, and for what is not there."""
    try:
        return kind_of(Path(name).stat().st_mode)
    except OSError:  # it is not there yet; or who opens it says what is wrong
        return ""


def _check_source(settings: Settings) -> None:
    source = settings.source
    if source.uri_file and source.uri != "secret":
        raise SettingsError(
            "source.uri_file is set, but source.uri does not ask for it",
            expected="source.uri = 'secret', which reads the address from that file",
            fix="set it, or leave source.uri_file out",
        )
    check_source(source)


def _check_trust(trust: str) -> None:
    if trust and not _HASH.fullmatch(trust):
        raise SettingsError(
            f"model.trust = {trust!r} is no hash",
            expected="sha256: and 64 digits of 0-9 and a-f",
            fix="take it from `fer-edge inspect FILE`, or from whoever made the model",
        )


def _check_mode(settings: Settings) -> None:
    if settings.events.mode == "aggregate" and settings.output.file:
        raise SettingsError(
            f"events.mode is aggregate, but output.file = {settings.output.file!r} tells of faces",
            expected="no sink that tells of single faces",
            fix="set output.file to an empty text, or events.mode to faces",
        )


def _check_files(settings: Settings) -> None:
    """Refuse an output that is no file, that would wait for a reader, or that is written twice."""
    taken = {place_of(name): key for key, name in model_files(settings).items()}
    if frames_of(settings.source) != "live":
        taken[place_of(settings.source.uri)] = "source.uri"
    for key, name in written_files(settings).items():
        what = kind_of_named(name)
        if what:
            raise SettingsError(
                f"{key} = {name!r} is {what}",
                expected="a file, or the name of one that is to be made",
                fix="name another one",
            )
        other = taken.setdefault(place_of(name), key)
        if other != key:
            raise SettingsError(
                f"{other} and {key} name the same file {name!r}",
                expected="a file of its own for each",
                fix="name another one",
            )


def _check_secret_files(settings: Settings) -> None:
    """Warn of secrets that everybody on this machine may read, or replace."""
    named = {
        "source.uri_file": settings.source.uri_file,
        "mqtt.password_file": settings.mqtt.password_file,
        "mqtt.key_file": settings.mqtt.key_file,
        "web.token_file": settings.web.token_file,
        "web.key": settings.web.key,
    }
    for key, name in named.items():
        if name and is_open_to_others(Path(credential_path(name))):
            _log.warning("%s: others may read or change %s; run: chmod o-rw FILE", key, name)


def _check_events(settings: Settings) -> None:
    purpose = settings.events.purpose
    if not purpose.strip() or len(purpose) > _LONGEST_PURPOSE:
        raise SettingsError(
            "events are to leave this device, but events.purpose does not say what for",
            expected=f"a sentence of at most {_LONGEST_PURPOSE} characters; each event bears it",
            fix="set events.purpose, for instance to 'light in the hall follows who is there'",
        )
    if settings.tracker.mode == "each":
        raise SettingsError(
            "events need faces that are followed, but tracker.mode is each",
            expected="tracker.mode = follow",
            fix="set it, or leave events.file and mqtt.host empty",
        )


def _check_broker(settings: Settings) -> None:
    endpoint = broker_endpoint(settings)
    if settings.mqtt.camera and not sends_stills(settings):
        _log.warning("mqtt.camera is on, but web.view is not picture: no still is sent")
    if endpoint.password and not endpoint.username:
        _log.warning("mqtt.username is empty: the password is not used")
    elif endpoint.password and endpoint.tls is None and endpoint.host not in _NEARBY:
        _log.warning("mqtt.tls is off: the password goes to %s unencrypted", endpoint.host)


def _check_view(settings: Settings) -> None:
    view = settings.web.view
    if view == "off":
        return
    if settings.events.mode == "aggregate":
        raise SettingsError(
            f"events.mode is aggregate, but web.view = {view!r} shows faces",
            expected="no page that tells of single faces",
            fix="set web.view to off, or events.mode to faces",
        )
    if not settings.web.port:
        raise SettingsError(
            f"web.view = {view!r}, but web.port is 0",
            expected="a port at which the page is",
            fix="set web.port, for instance to 9834",
        )


def _check_web(settings: WebSettings) -> None:
    from fer_edge.sinks.web.guard import Guard, is_loopback  # noqa: PLC0415 - few runs need it
    from fer_edge.sinks.web.tls import make_context  # noqa: PLC0415

    if settings.address:
        check_host("web.address", settings.address)
    Guard(settings)
    encrypted = make_context(settings) is not None
    if settings.view != "off" and not (encrypted or is_loopback(settings.address)):
        _log.warning(
            "web.certificate is empty: token and page go to other machines unencrypted, unless a "
            "proxy stands before them"
        )
