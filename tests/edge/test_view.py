"""`fer-edge run --view`: which page it opens, and what it says of it."""

import socket

import pytest

from fer_edge.assemble.checking import check_settings
from fer_edge.commands.view import USUAL_PORT, choose_port, page_note, with_page
from fer_edge.settings import Settings, WebSettings, resolve
from fer_edge.shared.errors import SettingsError


@pytest.fixture(autouse=True)
def no_token_of_this_machine(monkeypatch):
    monkeypatch.delenv("FER_EDGE_SECRET_WEB_TOKEN", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def viewed(**flags):
    resolved = resolve(
        flags={key.replace("__", "."): value for key, value in flags.items()},
        environment={},
        file={},
    )
    return with_page(resolved, resolved.settings, port=9000)


def test_the_picture_is_shown_unless_somebody_wants_boxes_alone():
    assert viewed().web.view == "picture"
    assert viewed(web__view="boxes").web.view == "boxes"
    assert viewed(web__view="off").web.view == "picture", "who asks for the page gets one"


def test_a_clip_is_read_at_its_own_pace_unless_somebody_says_otherwise():
    assert viewed().source.pace == "own"
    assert viewed(source__pace="fast").source.pace == "fast"


def test_the_settings_port_else_the_usual_one_else_any():
    assert choose_port(Settings(web=WebSettings(port=1234))) == 1234
    try:
        with socket.create_server(("127.0.0.1", USUAL_PORT)):
            other = choose_port(Settings())
    except OSError:  # somebody else has it
        other = choose_port(Settings())
    assert other not in {0, USUAL_PORT}


def test_counts_only_forbid_a_page_of_faces():
    settings = viewed(events__mode="aggregate", output__file="")
    with pytest.raises(SettingsError, match=r"aggregate, but web\.view = 'picture' shows faces"):
        check_settings(settings)


def test_on_loopback_it_says_how_to_come_from_elsewhere():
    note = page_note(WebSettings(port=9000, names="behind-a-proxy.example"))
    assert "http://127.0.0.1:9000/" in note
    assert "ssh -L 9000:127.0.0.1:9000 " in note


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        (WebSettings(port=9, address="192.0.2.7"), "http://192.0.2.7:9/"),
        (WebSettings(port=9, address="2001:db8::1"), "http://[2001:db8::1]:9/"),
        (WebSettings(port=9, address="0.0.0.0", names="cam.example, x"), "http://cam.example:9/"),
        (WebSettings(port=9, address="192.0.2.7", certificate="c"), "https://192.0.2.7:9/"),
    ],
)
def test_beyond_loopback_it_says_that_a_token_is_asked_for(settings, address):
    note = page_note(settings)
    assert address in note
    assert "token" in note
    assert "ssh" not in note


@pytest.mark.parametrize("address", ["::1", "127.0.0.2", "localhost"])
def test_the_way_through_ssh_leads_to_where_is_listened(address):
    note = page_note(WebSettings(port=9, address=address, names="cam.example"))
    named = f"[{address}]" if ":" in address else address
    assert f"http://{named}:9/" in note
    assert f"ssh -L 9:{named}:9 " in note


def test_of_all_addresses_it_names_one_that_is_reached():
    assert "0.0.0.0" not in page_note(WebSettings(port=9, address="0.0.0.0"))
