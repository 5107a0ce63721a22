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
    look = _Look(name, as_json=as_json, watching=watch)
    code = look.once()
    try:
        while watch:
            time.sleep(_EVERY_SECONDS)
            code = look.once()
    except KeyboardInterrupt:
        pass
    sys.exit(code)


class _Look:
    """Asks and prints; on a terminal each look takes the place of the one before."""

    def __init__(self, name: str | None, *, as_json: bool, watching: bool) -> None:
        self._name = name
        self._as_json = as_json
        self._watching = watching
        self._before = _TOP if watching and sys.stdout.isatty() and not as_json else ""

    def once(self) -> int:
        """Return the exit code.

        Raises:
            DaemonUnavailableError: None runs, and it is not waited for one.
        """
        from fer_edge.daemon.status.asking import ask
        from fer_edge.daemon.status.place import run_name, sockets
        from fer_edge.daemon.status.text import format_all
        from fer_edge.shared.errors import DaemonUnavailableError

        paths = [path for path in sockets() if self._name in {None, run_name(path)}]
        told = ask(paths)
        if not told:
            which = "no fer-edge" if self._name is None else f"no fer-edge named {self._name!r}"
            if not self._watching:
                raise DaemonUnavailableError(
                    f"{which} runs here that could be asked",
                    expected="a running daemon of this user or of the system",
                    fix="start one with `fer-edge run` or `systemctl start fer-edge`",
                )
            if not self._as_json:
                self._say(f"{which} runs here")
            return EXIT_UNAVAILABLE
        if self._as_json:
            for each in told:
                echo_json(each.to_json())
        else:
            self._say(format_all(told))
        return 0 if all(each.well for each in told) else EXIT_FAILED

    def _say(self, text: str) -> None:
        if self._before:
            click.echo(self._before, nl=False)
        echo(text)
