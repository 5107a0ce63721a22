"""The command `fer-edge doctor`."""

import sys
from functools import partial

import click

from fer_edge.shared.errors import EXIT_FAILED
from fer_edge.shared.terminal.command_line import echo_result, json_option
from fer_edge.shared.terminal.progress import ProgressLine


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Look for what is wrong with this machine, and say what to type.

    Libraries (OpenCV without Haar, a numpy that does not fit, no XNNPACK), cameras and the right
    to use them, power and heat, the clock, storage, 32-bit userland. Exit code 1 where something
    serious was found.
    """
    from fer_edge.commands.doctor.examination import examine, format_findings, is_serious, to_json
    from fer_edge.state.machine import System

    with ProgressLine() as line:
        findings = examine(System(), progress=line)
    echo_result(partial(to_json, findings), partial(format_findings, findings), as_json=as_json)
    if is_serious(findings):
        sys.exit(EXIT_FAILED)
