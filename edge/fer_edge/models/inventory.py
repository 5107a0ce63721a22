"""What is in the slots, for people and for programs."""

from dataclasses import asdict, dataclass
from typing import Any, get_args

from fer_edge.models.changing import read_place, try_place
from fer_edge.models.slots import ModelSlots, Place, Pointer
from fer_edge.shared.errors import FerError, ModelError
from fer_edge.shared.terminal.tables import format_fields


@dataclass(frozen=True, slots=True)
class Holding:
    """What a place holds.

    Attributes:
        name: The model's; "" where it cannot be read.
        sha256: Of its network.
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
    return format_fields(fields) + (f"\n{found.problem}" if found.problem else "")


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
    return Holding(model.contract.name, model.contract.flatbuffer_sha256)
