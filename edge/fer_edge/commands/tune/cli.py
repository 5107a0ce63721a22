"""The command `fer-edge tune`."""

from functools import partial
from pathlib import Path

import click

from fer_edge.commands.options import resolve_settings, settings_options
from fer_edge.shared.terminal.command_line import echo_result, json_option
from fer_edge.shared.terminal.option_types import FiniteRange, NamedPath
from fer_edge.shared.terminal.progress import ProgressLine


@click.command()
@click.option("--source", metavar="SOURCE", help="Camera or clip, as for run.  [default: 0]")
@click.option(
    "--seconds", type=FiniteRange(2, 600), default=15, show_default=True,
    help="How long to watch a camera; pictures stay in memory.",
)  # fmt: skip
@click.option(
    "--recall", type=FiniteRange(0.05, 1), default=0.95, show_default=True,
    help="Share of the faces known that must be found.",
)  # fmt: skip
@click.option("--cpu-ms", type=FiniteRange(min=0.01), help="CPU time a frame may take.")
@click.option(
    "--latency-ms", type=FiniteRange(min=0.01), help="Time that nine frames of ten may take."
)
@click.option(
    "--smallest-face", type=click.IntRange(20, 4096), default=40, show_default=True,
    help="Width of the smallest face that matters, pixels of the frame.",
)  # fmt: skip
@click.option(
    "--model", "models", metavar="NAME|FILE", multiple=True,
    help="Model to use; of several, a later one only where the goal is out of reach before it.",
)  # fmt: skip
@click.option(
    "--out", type=NamedPath(dir_okay=False), default=Path("tuned.toml"),
    show_default=True, help="Settings file to write; the picture lies beside it, as .svg.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace files of an earlier search.")
@settings_options
@json_option
def tune(
    *,
    source: str | None,
    seconds: float,
    recall: float,
    cpu_ms: float | None,
    latency_ms: float | None,
    smallest_face: int,
    models: tuple[str, ...],
    out: Path,
    force: bool,
    config: Path | None,
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Find the cheapest settings that find enough faces here.

    They are for this device and this camera. Nobody has labelled your pictures: the faces known are
    those on which two thorough searches agree. Settings given with --set, in --config or in the
    environment stay as they are.

    Exits with 3 where no settings reach the goal; the best are written all the same.
    """
    from fer_edge.assemble.sources import make_source
    from fer_edge.commands.tune.footage import record
    from fer_edge.commands.tune.outcome import draw_outcome, format_outcome, require_goal, to_toml
    from fer_edge.commands.tune.search import Goal
    from fer_edge.commands.tune.tune import tune as search_settings
    from fer_edge.shared.whole_files import check_free, make_folder, replace_files

    picture = out.with_suffix(".svg")
    if out == picture:
        raise click.UsageError(
            f"{out} is the picture's name: name the settings file, say tuned.toml"
        )
    check_free([out, picture], force=force)
    resolved = resolve_settings(config, assignments, {"source.uri": source})
    settings = resolved.settings
    with make_source(settings.source) as frames, ProgressLine() as line:
        footage = record(
            frames,
            seconds=seconds,
            read_timeout_seconds=settings.source.read_timeout_seconds,
            progress=partial(line.count, "watching"),
        )
    with ProgressLine() as line:
        outcome = search_settings(
            settings,
            footage,
            Goal(recall, cpu_ms or 0.0, latency_ms or 0.0),
            models=models,
            fixed=frozenset(k for k, origin in resolved.origins.items() if origin != "default"),
            min_face_px=smallest_face,
            progress=line.count,
        )
    make_folder(out.parent)
    replace_files({out: to_toml(outcome), picture: draw_outcome(outcome)})
    wrote = f"wrote {out}\nwrote {picture}"
    echo_result(outcome.to_json, lambda: f"{format_outcome(outcome)}\n{wrote}", as_json=as_json)
    require_goal(outcome)
