"""The command `fer-edge status`."""

import sys
import time

import click

from fer_edge.shared.errors import EXIT_FAILED, EXIT_UNAVAILABLE
from fer_edge.shared.terminal.command_line import echo, echo_json, json_option

_EVERY_SECONDS = 1.0
_TOP = "\x1b[H\x1b[J"  # first column of the first line, and clear what is below


@click.command()
@click.option("--name", metavar="NAME", help="Ask only the run of this name.")
@click.option("--watch", is_flag=True, help="Ask again each second until Ctrl-C.")
@json_option
def status(name: str | None, watch: bool, as_json: bool) -> None:
    """Ask the running daemon how it does.

    Camera, speed, latency, sinks and temperature come from the daemon itself, over a Unix socket
    that its own user and root may use. Where several run, all are shown. With --json, prints one
    line for each: what the daemon says, then "well" and "problems".

    Exit codes: 0 all run well, 1 one does not (its camera waits, a sink fails, it hangs),
    69 no daemon runs.
    """
    before = _TOP if watch and sys.stdout.isatty() and not as_json else ""
    code = _look(name, before, as_json=as_json, watching=watch)
    try:
        while watch:
            time.sleep(_EVERY_SECONDS)
            code = _look(name, before, as_json=as_json, watching=watch)
    except KeyboardInterrupt:
        pass
    sys.exit(code)


def _look(name: str | None, before: str, *, as_json: bool, watching: bool) -> int:
    """Ask, print, and return the exit code.

    Args:
        name: Of the run; None for all.
        before: What makes a look take the place of the one before it.
        as_json: Whether to print JSON.
        watching: Whether a daemon is waited for.

    Raises:
        DaemonUnavailableError: None runs, and it is not waited for one.
    """
    from fer_edge.daemon.status.asking import ask
    from fer_edge.daemon.status.place import run_name, sockets
    from fer_edge.daemon.status.text import format_all
    from fer_edge.shared.errors import DaemonUnavailableError

    told = ask([path for path in sockets() if name in {None, run_name(path)}])
    if not told:
        which = "no fer-edge" if name is None else f"no fer-edge named {name!r}"
        if not watching:
            raise DaemonUnavailableError(
                f"{which} runs here that could be asked",
                expected="a running daemon of this user or of the system",
                fix="start one with `fer-edge run` or `systemctl start fer-edge`",
            )
        if not as_json:
            _say(before, f"{which} runs here")
        return EXIT_UNAVAILABLE
    if as_json:
        for each in told:
            echo_json(each.to_json())
    else:
        _say(before, format_all(told))
    return 0 if all(each.well for each in told) else EXIT_FAILED


def _say(before: str, text: str) -> None:
    if before:
        click.echo(before, nl=False)
    echo(text)
