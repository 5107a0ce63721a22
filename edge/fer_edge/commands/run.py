"""Run the daemon from the prompt, or for systemd."""

from collections.abc import Callable

import click

from fer_edge.assemble.checking import check_settings
from fer_edge.commands.run_display import LiveStatus, format_tally
from fer_edge.daemon.assembly import make_service
from fer_edge.daemon.status.socket import announcing
from fer_edge.daemon.systemd import tell_where_it_hung
from fer_edge.settings import Settings
from fer_edge.shared.terminal.progress import ProgressLine
from fer_edge.state.controls import Controls, obey_signals
from fer_edge.state.records import DaemonState
from fer_edge.state.threads import watching_threads


def run_daemon(read_settings: Callable[[], Settings], *, max_frames: int) -> None:
    """Run until the source ends, a signal comes, or `max_frames` are done; tell what it came to.

    Args:
        read_settings: Resolves the settings, at the start and for each reload.
        max_frames: 0 is no limit.

    Raises:
        FerError: A part cannot be made, the camera was given up, or a sink cannot write.
    """

    def read_checked() -> Settings:
        settings = read_settings()
        check_settings(settings)
        return settings

    settings = read_checked()
    controls = Controls()
    tells_faces = settings.events.mode != "aggregate"
    line = LiveStatus(ProgressLine(), tells_faces=tells_faces)
    tell_where_it_hung()
    with (
        watching_threads(),
        obey_signals(stop=controls.stop, reload=controls.reload),
        announcing(settings) as tell,
        make_service(settings, controls, read_settings=read_checked) as service,
    ):

        def tell_all(state: DaemonState) -> None:
            tell(state)
            line.tell(state)

        try:
            tally = service.run(max_frames=max_frames, watch=line.update, tell=tell_all)
        finally:
            line.clear()
        dropped = service.camera.dropped
        click.echo(format_tally(tally, dropped=dropped, tells_faces=tells_faces), err=True)
