"""Addresses with secrets in them, and what is shown of them."""

import pytest

from fer_edge.assemble.sources import make_source
from fer_edge.settings import SourceSettings
from fer_edge.shared.errors import EXIT_CONFIG, SettingsError
from fer_edge.sources.addresses import checked_parts, shown_source, without_secrets


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://admin:p@ss#1@127.0.0.1:8554/s", "rtsp://admin:x@geheim/pw@127.0.0.1/s",
        "rtsp://admin:12/34@127.0.0.1:8554/s", "rtsp://admin:geheim?x@127.0.0.1/s",
        "http://admin:geheim#@127.0.0.1/s", "rtsp://admin:ge heim@127.0.0.1/s",
        "rtsp://admin:ge\theim@127.0.0.1/s", "rtsp://admin:geheim\uff20127.0.0.1/s",
        "rtsp://admin:geheim", "rtsp://127.0.0.1/live?to=me@geheim", "rtsp://admin:80/x@geheim",
        "https://admin:[geheim@127.0.0.1/", "RTSP://admin:ge/heim@127.0.0.1/s",
    ],
)  # fmt: skip
def test_where_the_host_is_not_sure_nothing_is_asked_or_shown(url, monkeypatch, caplog):
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: pytest.fail("a name was looked up"))
    with pytest.raises(SettingsError, match=r"%2F %3A %40") as caught:
        make_source(SourceSettings(uri=url))
    assert caught.value.exit_code == EXIT_CONFIG
    shown = f"{caught.value} {caught.value!r} {shown_source(url)} {caplog.text}".lower()
    assert not [word for word in ("admin", "geheim", "heim", "p@ss", "12") if word in shown]


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://admin:p%40ss%231@127.0.0.1:8554/s", "rtsp://me:p@ss@camera.local/live",
        "http://camera.local/video?user=me%40home", "rtsp://me:pw@[::1]:554/live",
    ],
)  # fmt: skip
def test_what_is_sure_is_opened(url):
    assert checked_parts(url).hostname in {"127.0.0.1", "camera.local", "::1"}


@pytest.mark.parametrize(
    "uri",
    [
        "rtsp:/user:geheim@host", "user:geheim@host/x", "rtsp:user:geheim@host/x",
        "//user:geheim@host/x", "http:/host/x?pwd=geheim", "rtsp:geheim",
    ],
)  # fmt: skip
def test_half_an_address_is_refused_without_being_shown(uri):
    with pytest.raises(SettingsError, match="neither an address nor a file") as caught:
        make_source(SourceSettings(uri=uri))
    assert caught.value.exit_code == EXIT_CONFIG
    shown = f"{caught.value} {shown_source(uri)}"
    assert "geheim" not in shown
    assert "user:g" not in shown


def test_a_file_may_have_any_name(pictures, monkeypatch):
    monkeypatch.chdir(pictures.parent)
    pictures.rename("me:you@home")
    assert shown_source("me:you@home") == "me:you@home"
    assert make_source(SourceSettings(uri="me:you@home")).read(1.0) is not None


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("Streaming/Channels/101", "Streaming/Channels/101"),
        ("h264Preview_01_main", "h264Preview_01_main"),
        ("axis-cgi/mjpg/video.cgi", "axis-cgi/mjpg/video.cgi"),
        ("cam/realmonitor?channel=1&subtype=0", "cam/realmonitor?***"),
        ("AbCdEf0123456789", "***"), ("s3cr3tT0ken/live", "***/live"), ("TOKEN/live", "***/live"),
        ("9f8a7b6c5d4e/stream1", "***/stream1"), ("12345678", "***"), ("live;pw=geheim", "***"),
        ("live%2Fgeheim", "***"), ("user=admin&password=geheim", "***"),
    ],
)  # fmt: skip
def test_of_a_path_only_what_is_no_token_is_shown(path, shown):
    assert without_secrets(f"rtsp://camera:7447/{path}") == f"rtsp://camera:7447/{shown}"
