"""Which model the daemon uses: the one in the active slot, or the best that still works."""

import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fer_edge import DEFAULT_MODEL
from fer_edge.models import open_model, require_trusted
from fer_edge.models.slots import SLOT, SLOTS, ModelSlots, Place
from fer_edge.models.trial import try_model
from fer_edge.settings import ModelSettings, Settings
from fer_edge.shared.errors import FerError, ModelError
from fer_edge.shared.model.model_file import MAX_MODEL_BYTES, sha256_hex
from fer_edge.shared.named_files import read_named

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Serving:
    """The model that is used.

    Attributes:
        model: What `open_model` takes: a name or a path.
        name: For people: the one in its contract where it lies in a slot.
        place: "" where the settings name a model themselves.
        identity: SHA-256 of the file in a slot; "" for the others.
        problem: Why it is not the one that should serve; "" where it is.
    """

    model: str
    name: str
    place: Place | Literal[""] = ""
    identity: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ServedModel(ModelSettings):
    """Settings of a model that the slots have chosen."""

    serving: Serving = Serving(DEFAULT_MODEL, DEFAULT_MODEL)


class SlotReader:
    """Puts the model that serves into settings that leave it to the slots.

    A slot that holds another file than before makes these settings differ, so that a reload
    takes the new model.

    Args:
        slots: Other ones than the daemon's own.
    """

    def __init__(self, slots: ModelSlots | None = None) -> None:
        self._slots = slots
        self._known: Serving | None = None

    def fill_in(self, settings: Settings) -> Settings:
        """Return the settings with what serves now."""
        if settings.model.path != SLOT:
            return settings
        self._known = serve(SLOT, slots=self._slots, known=self._known, trust=settings.model.trust)
        model = ServedModel(
            self._known.model, settings.model.trust, settings.model.threads, self._known
        )
        return dataclasses.replace(settings, model=model)


def serving_of(settings: ModelSettings) -> Serving:
    """Return what the settings say of the model that is used."""
    if isinstance(settings, ServedModel):
        return settings.serving
    return Serving(settings.path, settings.path)


def serve(
    model: str,
    *,
    slots: ModelSlots | None = None,
    known: Serving | None = None,
    trust: str = "",
) -> Serving:
    """Return the model to use.

    Never fails for a slot's sake: where the active one's model does not pass its own test here,
    the other one's serves, and where that does not either, the shipped model. It is said in the
    log and in the result.

    Args:
        model: As the settings name it; "slot" is whatever serves.
        slots: Other ones than the daemon's own.
        known: What was used so far; its file is not tried again while it is the same.
        trust: As `require_trusted` takes it; other files in the slots are passed over.
    """
    if model != SLOT:
        return Serving(model, model)
    slots = slots or ModelSlots()
    problems: list[str] = []
    for place in _candidates(slots, problems):
        if place == "shipped":
            break
        path = slots.path(place)
        try:
            serving = _try(path, place, known, trust)
        except FerError as error:
            _log.error("the model in slot %s is not used: %s", place, error)
            problems.append(f"slot {place}: {error.found}")
            continue
        return _with_problems(serving, problems)
    return _with_problems(Serving(DEFAULT_MODEL, _shipped_name(), "shipped"), problems)


def _candidates(slots: ModelSlots, problems: list[str]) -> Iterator[Place]:
    try:
        first = slots.pointer().serving
    except ModelError as error:
        _log.error("%s", error)
        problems.append(error.found)
        yield from (slot for slot in SLOTS if slots.holds(slot))
        return
    yield first
    if first != "shipped":
        yield from (slot for slot in SLOTS if slot != first and slots.holds(slot))


def _try(path: Path, place: Place, known: Serving | None, trust: str) -> Serving:
    identity = _identity(path)
    require_trusted(str(path), identity, trust)
    if known is not None and identity and (known.place, known.identity) == (place, identity):
        return Serving(known.model, known.name, place, identity)
    return Serving(str(path), try_model(path).contract.name, place, identity)


def _identity(path: Path) -> str:
    """Return the hash of a file, and "" where it cannot be read: reading it as a model tells."""
    try:
        return sha256_hex(read_named(path, most_bytes=MAX_MODEL_BYTES))
    except (OSError, ValueError):
        return ""


def _shipped_name() -> str:
    return open_model(DEFAULT_MODEL).contract.name


def _with_problems(serving: Serving, problems: list[str]) -> Serving:
    if not problems:
        return serving
    _log.warning("the model %s (%s) serves instead", serving.name, serving.place)
    return dataclasses.replace(serving, problem="; ".join(problems))
