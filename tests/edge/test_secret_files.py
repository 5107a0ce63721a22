"""Files of secrets that everybody on the machine may read: said, and used."""

import tempfile
from pathlib import Path

import pytest

from fer_edge.assemble.checking import check_settings
from fer_edge.settings import resolve
from fer_edge.shared.errors import SettingsError


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


NEEDED = {
    "source.uri_file": ("rtsp://me:geheim@camera/", {"source.uri": "secret"}),
    "mqtt.password_file": (
        "geheim", {"mqtt.host": "127.0.0.1", "mqtt.username": "me", "events.purpose": "light"},
    ),
    "web.token_file": ("geheim-geheim-geheim", {"web.port": "9000"}),
}  # fmt: skip


def said_of(path, key, caplog):
    path.write_text(NEEDED[key][0])
    settings = resolve(file={}, environment={}, flags={**NEEDED[key][1], key: str(path)})
    caplog.clear()
    check_settings(settings.settings)
    assert "geheim" not in caplog.text
    return caplog.text


@pytest.mark.parametrize("key", NEEDED)
@pytest.mark.parametrize(("mode", "open_to_others"), [
    (0o600, False), (0o640, False), (0o644, True), (0o602, True), (0o666, True),
])  # fmt: skip
def test_a_secret_that_others_may_read_is_a_warning(folder, caplog, key, mode, open_to_others):
    path = folder / "hidden"
    path.touch()
    path.chmod(mode)
    warning = f"{key}: others may read or change {path}"
    assert (warning in said_of(path, key, caplog)) is open_to_others


def test_a_folder_that_nobody_else_may_enter_hides_it(folder, caplog):
    (folder / "own").mkdir(mode=0o700)
    path = folder / "own" / "token"
    path.touch()
    path.chmod(0o644)
    assert "others may" not in said_of(path, "web.token_file", caplog)


def test_a_link_tells_nothing_of_where_it_leads(folder, caplog):
    (folder / "token").touch(mode=0o600)
    (folder / "link").symlink_to(folder / "token")
    assert "others may" not in said_of(folder / "link", "web.token_file", caplog)
    (folder / "token").chmod(0o644)
    assert "others may" in said_of(folder / "link", "web.token_file", caplog)


def test_so_is_a_key_before_it_is_read(folder, caplog):
    (folder / "key.pem").touch(mode=0o644)
    settings = resolve(
        file={}, environment={},
        flags={**NEEDED["mqtt.password_file"][1], "mqtt.tls": "true",
               "mqtt.certificate_file": str(folder / "key.pem"),
               "mqtt.key_file": str(folder / "key.pem")},
    )  # fmt: skip
    with pytest.raises(SettingsError):
        check_settings(settings.settings)
    assert f"mqtt.key_file: others may read or change {folder}/key.pem" in caplog.text
