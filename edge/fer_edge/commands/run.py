"""Run the daemon from the prompt, or for systemd."""

import contextlib
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import click

from fer_edge.assemble.annotations import check_annotated, make_annotated
from fer_edge.assemble.checking import check_settings
from fer_edge.assemble.run_facts import RunFacts
from fer_edge.assemble.sources import frames_of, source_uri
from fer_edge.commands.run_display import LiveStatus, format_tally
from fer_edge.commands.view import choose_port, page_note, with_page
from fer_edge.daemon.assembly import make_service
from fer_edge.daemon.status.socket import announcing
from fer_edge.daemon.systemd import tell_where_it_hung
from fer_edge.pipeline.loop import RunTally
from fer_edge.settings import ResolvedSettings, Settings
from fer_edge.settings.names import can_be_switched, switched_off_path
from fer_edge.shared.records import Frame, Observation
from fer_edge.shared.terminal.command_line import printable
from fer_edge.shared.terminal.entry import INTERRUPTED, heed_interrupts
from fer_edge.shared.terminal.progress import ProgressLine
from fer_edge.shared.typed_tables import flatten
from fer_edge.state.controls import Controls, obey_signals
from fer_edge.state.records import DaemonState
from fer_edge.state.threads import watching_threads


def run_daemon(
    read_settings: Callable[[], ResolvedSettings],
    *,
    max_frames: int = 0,
    max_seconds: float = 0.0,
    annotate: Path | None = None,
    view: bool = False,
) -> None:
    """Run until the source ends, a signal comes, or enough is done; tell what it came to.

    At a terminal a live line is shown, and JSON lines only where somebody asked for them.

    Args:
        read_settings: Resolves the settings, at the start and for each reload.
        max_frames: 0 is no limit.
        max_seconds: The same, of frames.
        annotate: Where to leave frames with what was read drawn in.
        view: Whether to have a page, and to say where.

    Raises:
        FerError: A part cannot be made, the camera was given up, or a sink cannot write.
        SystemExit: Ctrl-C came before the first frame.
    """
    origins: dict[str, str] = {}
    port = 0  # of the page, and the same for the whole run

    def read_checked() -> Settings:
        nonlocal port
        resolved = read_settings()
        settings = _for_people(resolved)
        if view:
            port = port or choose_port(settings)
            settings = with_page(resolved, settings, port=port)
        check_settings(settings)
        if annotate is not None:
            check_annotated(annotate, settings)
        origins.update(_origins_of(settings, resolved))
        return settings

    settings = read_checked()
    controls = Controls(switched_off_path(settings), heeded=can_be_switched(settings))
    tell_where_it_hung()
    heed_interrupts()
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        enter(watching_threads())
        enter(
            obey_signals(stop=controls.stop, interrupt=controls.interrupt, reload=controls.reload)
        )
        tell = enter(announcing(settings))
        service = enter(
            make_service(
                settings,
                controls,
                read_settings=read_checked,
                colour=view or annotate is not None,
                facts=RunFacts(lambda: origins, keeps_pictures=annotate is not None),
            )
        )
        if view:
            click.echo(page_note(settings.web), err=True)
        camera = service.camera

        def tells_faces() -> bool:
            return service.figures.names.tells_faces

        line = LiveStatus(
            ProgressLine(shown=None if _has_the_terminal(settings) else False),
            tells_faces=tells_faces,  # a reload may change that
            clip="" if frames_of(settings.source) == "live" else source_uri(settings.source),
            clip_seconds=lambda: camera.clip_seconds,
        )
        drawn = annotate and enter(
            make_annotated(annotate, settings, clip_rate=lambda: camera.clip_rate)
        )

        def watch(frame: Frame, observation: Observation, tally: RunTally) -> None:
            line.update(frame, observation, tally)
            if drawn:
                drawn.add(frame, observation)

        def tell_all(state: DaemonState) -> None:
            tell(state)
            line.tell(state)

        try:
            tally = service.run(
                max_frames=max_frames, max_seconds=max_seconds, watch=watch, tell=tell_all
            )
        finally:
            line.clear()
            if drawn:
                drawn.close()
        if controls.interrupted and not tally.frames:
            sys.exit(INTERRUPTED)
        dropped = camera.dropped
        click.echo(format_tally(tally, dropped=dropped, tells_faces=tells_faces()), err=True)
        if drawn:
            click.echo("\nannotated  " + printable(drawn.describe()), err=True)


def _for_people(resolved: ResolvedSettings) -> Settings:
    """Return the settings, without JSON lines where a person sees the live line instead."""
    settings = resolved.settings
    at_terminal = sys.stdout.isatty() and sys.stderr.isatty()
    if resolved.origins["output.file"] != "default" or not at_terminal:
        return settings
    return dataclasses.replace(settings, output=dataclasses.replace(settings.output, file=""))


def _origins_of(settings: Settings, resolved: ResolvedSettings) -> dict[str, str]:
    """Return where each value came from; what this run itself has chosen says so."""
    values = flatten(dataclasses.asdict(settings))
    return {
        row.key: row.origin if values[row.key] == row.value else "this run"
        for row in resolved.rows()
    }


def _has_the_terminal(settings: Settings) -> bool:
    """Return whether nothing else is written to where the live line would be."""
    return not (settings.output.file == "-" and sys.stdout.isatty())
