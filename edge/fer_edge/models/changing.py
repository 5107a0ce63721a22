"""A new model into the idle slot, the way back, and what there is in the slots."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from fer_edge import DEFAULT_MODEL
from fer_edge.models import open_model
from fer_edge.models.slots import ModelSlots, Place, Pointer
from fer_edge.models.trial import require_pass, try_model
from fer_edge.models.worth import find_remarks
from fer_edge.shared.errors import FerError, ModelError
from fer_edge.shared.model.model_file import ModelFile, parse_model, read_bytes, read_model
from fer_edge.shared.terminal.command_line import printable
from fer_edge.shared.terminal.tables import format_fields


@dataclass(frozen=True, slots=True)
class Change:
    """What a change came to.

    Attributes:
        changed: Whether another model serves than before.
        pointer: What serves now, and what served before it.
        model: What serves now.
        remarks: What its contract says against it, alone and beside what served: a sentence each.
    """

    changed: bool
    pointer: Pointer
    model: ModelFile
    remarks: tuple[str, ...] = ()


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
                model = try_model(serving)
                return Change(False, before, model, find_remarks(model, None))
        served = _served(slots, before)
        slot = slots.stage(data)
        try:
            model = parse_model(slots.staged(slot), where=str(slots.staged_path(slot)))
            require_pass(model, name=str(file))
        except BaseException:
            slots.discard(slot)
            raise
        slots.keep(slot)
        pointer = Pointer(slot, _place_to_return_to(slots, before, slot))
        slots.point(pointer)
    return Change(True, pointer, model, find_remarks(model, served))


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
        served = _served(slots, pointer)
        model = try_place(pointer.before, slots)
        changed = Pointer(pointer.before, pointer.serving)
        slots.point(changed)
    return Change(True, changed, model, find_remarks(model, served))


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


def _served(slots: ModelSlots, pointer: Pointer | None) -> ModelFile | None:
    """Return what serves, to compare with; None where that is damaged."""
    try:
        return None if pointer is None else read_place(pointer.serving, slots)
    except FerError:
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


@dataclass(frozen=True, slots=True)
class Holding:
    """What a place holds.

    Attributes:
        name: The model's; "" where it cannot be read.
        sha256: Of its file.
        problem: Why it cannot serve; "" where nothing is wrong.
    """

    name: str = ""
    sha256: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Inventory:
    """All places.

    Attributes:
        folder: Of the slots.
        pointer: What serves.
        problem: What is wrong with what says so.
        places: What each holds; None where it is empty.
        verified: Whether the golden vectors were run.
    """

    folder: str
    pointer: Pointer
    problem: str
    places: dict[Place, Holding | None]
    verified: bool

    @property
    def sound(self) -> bool:
        """Whether the model that is to serve can."""
        holding = self.places[self.pointer.serving]
        return not self.problem and holding is not None and not holding.problem

    def to_json(self) -> dict[str, Any]:
        """Return what `fer-edge model status --json` prints."""
        return {
            "folder": self.folder,
            "serving": self.pointer.serving,
            "before": self.pointer.before,
            "problem": self.problem,
            "places": {
                place: None if holding is None else asdict(holding)
                for place, holding in self.places.items()
            },
        }


def take_inventory(slots: ModelSlots, *, verify: bool) -> Inventory:
    """Look into all places.

    Args:
        slots: Where.
        verify: Whether to run the golden vectors, too.
    """
    pointer, problem = Pointer(), ""
    try:
        pointer = slots.pointer()
    except ModelError as error:
        problem = str(error)
    places: dict[Place, Holding | None] = {
        place: _look(place, slots, verify=verify) for place in get_args(Place)
    }
    return Inventory(str(slots.folder), pointer, problem, places, verify)


def format_inventory(found: Inventory) -> str:
    """Return the same for people."""
    fields = [(place, _describe(place, found)) for place in found.places]
    return format_fields(fields) + (f"\n{printable(found.problem)}" if found.problem else "")


def _describe(place: Place, found: Inventory) -> str:
    holding, pointer = found.places[place], found.pointer
    if holding is None:
        what = "empty"
    elif holding.problem:
        what = holding.problem
    else:
        passed = ", passes its test" if found.verified else ""
        what = f"{holding.name}, sha256 {holding.sha256[:12]}...{passed}"
    roles = {pointer.before: "served before", pointer.serving: "serves"}
    return f"{what} ({roles[place]})" if place in roles else what


def _look(place: Place, slots: ModelSlots, *, verify: bool) -> Holding | None:
    if place != "shipped" and not slots.holds(place):
        return None
    try:
        model = (try_place if verify else read_place)(place, slots)
    except FerError as error:
        return Holding(problem=str(error))
    return Holding(model.contract.name, model.sha256)
