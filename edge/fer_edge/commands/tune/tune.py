"""The whole way: footage, known faces, search."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Final

from fer_edge.assemble.parts import make_scout
from fer_edge.assemble.references import make_references
from fer_edge.commands.tune.candidate import Trial, attempt
from fer_edge.commands.tune.footage import Footage, find_known_faces
from fer_edge.commands.tune.outcome import Outcome
from fer_edge.commands.tune.search import VALUES, Goal, Search
from fer_edge.commands.tune.search_cost import measure_cost_factor
from fer_edge.settings import Settings
from fer_edge.shared.faces.choice import choose
from fer_edge.shared.typed_tables import flatten

MODEL_KEY: Final = "model.path"

Progress = Callable[[str, int, int, str], None]


def tune(
    settings: Settings,
    footage: Footage,
    goal: Goal,
    *,
    models: Sequence[str] = (),
    fixed: frozenset[str] = frozenset(),
    min_face_px: int = 40,
    progress: Progress = lambda _what, _done, _total, _detail: None,
) -> Outcome:
    """Find the cheapest settings that find enough faces.

    Args:
        settings: To begin with.
        footage: To try them on.
        goal: What they must reach.
        models: In the order of preference; a later one is tried only where the goal cannot be
            reached with those before. None: the one of the settings.
        fixed: Settings not to be changed, `section.key`.
        min_face_px: Smallest face that has to be found, pixels of the frame.
        progress: Told what is being done, how much of how much, and what exactly.

    Raises:
        DataError: Too few faces are seen.
        FerError: A pipeline cannot be made.
    """
    searches = make_references(
        settings.detector, min_face_px=min_face_px, longest_px=max(footage.size)
    )
    known = find_known_faces(
        footage.frames,
        searches,
        min_face_px=min_face_px,
        progress=lambda done, total: progress("searching thoroughly", done, total, ""),
    )
    cost_factor = measure_cost_factor(make_scout(settings), footage.frames)
    faces = sum(len(frame.sure) for frame in known.values())
    begun_with = flatten(asdict(settings))
    tried: list[Trial] = []
    best: Trial | None = None
    best_model = settings.model.path
    kind = choose(settings.detector.kind, settings.detector.file).kind
    for model in models or (settings.model.path,):
        search = Search(
            lambda changes: attempt(settings, changes, footage, known, cost_factor=cost_factor),
            goal,
            fixed,
            progress,
            kind=kind,
        )
        given = {} if model == settings.model.path else {MODEL_KEY: model}
        chosen = search.run({key: begun_with[key] for key in VALUES}, given)
        tried += search.trials.values()
        if best is None or goal.is_met(chosen) or chosen.recall > best.recall:
            best, best_model = chosen, model
        if goal.is_met(best):
            break
    chosen, frames = best or tried[0], len(footage.frames)
    return Outcome(
        chosen,
        tried[0],
        tuple(tried),
        goal,
        faces,
        frames,
        footage.size,
        best_model,
        cost_factor,
    )
