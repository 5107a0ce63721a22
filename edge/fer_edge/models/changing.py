"""A new model into the idle slot, and the way back."""

from dataclasses import dataclass
from pathlib import Path

from fer_edge import DEFAULT_MODEL
from fer_edge.models import open_model
from fer_edge.models.slots import ModelSlots, Place, Pointer
from fer_edge.models.trial import try_model
from fer_edge.shared.errors import FerError, ModelError
from fer_edge.shared.model.model_file import ModelFile, parse_model, read_bytes, read_model


@dataclass(frozen=True, slots=True)
class Change:
    """What a change came to.

    Attributes:
        changed: Whether another model serves than before.
        pointer: What serves now, and what served before it.
        model: What serves now.
    """

    changed: bool
    pointer: Pointer
    model: ModelFile


def install(file: Path, slots: ModelSlots) -> Change:
    """Copy a model into the idle slot, try it there, and let it serve if it passes.

    At each moment, a loss of power included, what serves is a model that has passed. The model
    that already serves is only tried again.

    Raises:
        ModelError: The file is no model, is damaged, or fails its own test here; what served
            still does.
        OutputError: The slots cannot be written; likewise.
    """
    data = read_bytes(file)
    parse_model(data, where=str(file))
    with slots.changing():
        before = _pointer(slots)
        if before is not None and before.serving != "shipped":
            serving = slots.path(before.serving)
            if _holds(serving, data):
                return Change(False, before, try_model(serving))
        slot = slots.stage(data)
        try:
            model = try_model(slots.staged_path(slot), name=str(file))
        except BaseException:
            slots.discard(slot)
            raise
        slots.keep(slot)
        pointer = Pointer(slot, _place_to_return_to(slots, before, slot))
        slots.point(pointer)
    return Change(True, pointer, model)


def roll_back(slots: ModelSlots) -> Change:
    """Let the model serve that served before; doing it twice changes nothing.

    Raises:
        FerError: There is none, or it fails its own test now; what serves still does.
    """
    with slots.changing():
        pointer = slots.pointer()
        if pointer.before == pointer.serving:
            raise ModelError(
                f"{slots.folder} holds no model that served before",
                expected="one that `fer-edge model install` has replaced",
                fix="`fer-edge model status` tells what there is",
            )
        model = try_place(pointer.before, slots)
        changed = Pointer(pointer.before, pointer.serving)
        slots.point(changed)
    return Change(True, changed, model)


def try_place(place: Place, slots: ModelSlots) -> ModelFile:
    """Run the golden vectors of a slot's model, or the shipped one's.

    Raises:
        ModelError: It does not pass.
    """
    if place == "shipped":
        return try_model(Path(open_model(DEFAULT_MODEL).path))
    return try_model(slots.path(place))


def read_place(place: Place, slots: ModelSlots) -> ModelFile:
    """Read a slot's model, or the shipped one.

    Raises:
        ModelError: It is not whole.
    """
    return open_model(DEFAULT_MODEL) if place == "shipped" else read_model(slots.path(place))


def _pointer(slots: ModelSlots) -> Pointer | None:
    """Return what serves; None where that is damaged, which an installation mends."""
    try:
        return slots.pointer()
    except ModelError:
        return None


def _holds(path: Path, data: bytes) -> bool:
    try:
        return read_bytes(path) == data
    except FerError:
        return False


def _place_to_return_to(slots: ModelSlots, before: Pointer | None, slot: str) -> Place:
    """Return what served, if it can serve again, and else what is left."""
    if before is None or before.serving == slot:
        return "shipped"
    if before.serving != "shipped":
        try:
            read_model(slots.path(before.serving))
        except FerError:
            return "shipped"
    return before.serving
