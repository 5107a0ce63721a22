"""What reaches systemd's journal."""

import logging
import sys

import pytest

from fer_edge.shared.terminal.command_line import JournalFormatter, goes_to_journal


@pytest.mark.parametrize(
    ("level", "mark"),
    [
        (logging.CRITICAL, "<3>"), (logging.ERROR, "<3>"), (logging.WARNING, "<4>"),
        (logging.INFO, "<6>"), (logging.DEBUG, "<7>"),
    ],
)  # fmt: skip
def test_every_line_of_a_record_says_how_grave_it_is(level, mark):
    record = logging.LogRecord("camera", level, "", 0, "lost:\nno %s", ("route",), None)
    assert JournalFormatter().format(record) == f"{mark}camera: lost:\n{mark}no route"


def test_a_stream_is_the_journals_where_systemd_names_it(tmp_path):
    with (tmp_path / "stream").open("w") as stream, (tmp_path / "other").open("w") as other:
        found = (tmp_path / "stream").stat()
        named = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert goes_to_journal(stream, named)
        assert not goes_to_journal(other, named)
        assert not goes_to_journal(stream, {})
    assert not goes_to_journal(stream, named), "it is closed"
    assert not goes_to_journal(sys.stderr, {"JOURNAL_STREAM": "nonsense"})
