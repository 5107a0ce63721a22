"""What the page shows of the device: its settings, its models, and which of them may be chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from fer_edge import __version__
from fer_edge.assemble.privacy import privacy_paragraph
from fer_edge.models import open_model, shipped_models
from fer_edge.models.card import YARDSTICK, card_figures, conversion_figures
from fer_edge.models.changing import install, take_inventory
from fer_edge.models.choice import ServedModel
from fer_edge.models.slots import ModelSlots
from fer_edge.settings import Settings
from fer_edge.settings.names import node_name
from fer_edge.settings.units import NO_UNIT, unit_of
from fer_edge.shared.errors import FerError
from fer_edge.shared.model.model_file import ModelFile
from fer_edge.shared.typed_tables import flatten, settings_of
from fer_edge.sources.addresses import shown_source
from fer_edge.state.records import DaemonState


class Device:
    """Tells what is known of the device; safe from any thread.

    Args:
        settings: Of all parts.
        origins: Where each value came from, by `section.key`.
        slots: Other ones than the daemon's own.
        keeps_pictures: Whether something beside the settings stores pictures.
    """

    def __init__(
        self,
        settings: Settings,
        origins: Mapping[str, str],
        *,
        slots: ModelSlots | None = None,
        keeps_pictures: bool = False,
    ) -> None:
        self._settings = settings
        self._slots = slots or ModelSlots()
        self._told: Mapping[str, Any] = {
            "name": node_name(settings),
            "version": __version__,
            "view": settings.web.view,
            "settings": describe_settings(settings, origins),
            "privacy": privacy_paragraph(settings, keeps_pictures=keeps_pictures),
            "metrics": "/metrics",
        }

    def describe(self, state: DaemonState | None) -> Mapping[str, Any]:
        """Return what there is to tell, by the newest state."""
        return {**self._told, "models": self._models(state), "slots": self._inventory()}

    def _models(self, state: DaemonState | None) -> list[dict[str, Any]]:
        serving = "" if state is None else state.model_sha256
        milliseconds = None if state is None else state.stages_ms.get("classify", {}).get("p50")
        found = [_shipped(name) for name in shipped_models()]
        if serving and all(one["sha256"] != serving for one in found):
            found.append(self._own())
        return [
            {
                "name": one["name"],
                "serving": bool(serving) and one["sha256"] == serving,
                "side_px": one["side_px"],
                "figures": one["figures"],
                "milliseconds": milliseconds if serving and one["sha256"] == serving else None,
            }
            for one in found
        ]

    def _own(self) -> dict[str, Any]:
        try:
            return _describe_model(open_model(self._settings.model.path))
        except FerError:  # its file has gone since it was loaded
            return {"name": self._settings.model.path, "sha256": "", "side_px": None, "figures": {}}

    def _inventory(self) -> dict[str, Any] | None:
        if not isinstance(self._settings.model, ServedModel):
            return None
        told = take_inventory(self._slots, verify=False).to_json()
        told.pop("folder")
        return told


class ShippedModels:
    """The shipped models that may be chosen, through the slots and their trial.

    Args:
        settings: Section `model`.
        slots: Other ones than the daemon's own.
    """

    def __init__(self, settings: Settings, *, slots: ModelSlots | None = None) -> None:
        self._model = settings.model
        self._slots = slots or ModelSlots()

    def offered(self) -> Sequence[str]:
        """Return the names of the models that may be chosen now; empty where none may."""
        return () if self.why_none() else shipped_models()

    def why_none(self) -> str:
        """Return why none may be chosen; "" where some may."""
        if not isinstance(self._model, ServedModel):
            return "the settings name the model themselves; model.path = slot leaves it open"
        if self._model.trust:
            return "model.trust pins the model"
        return ""

    def choose(self, name: str) -> str:
        """Try a model in the idle slot; return what to say of it.

        Raises:
            FerError: It does not pass, or the slots cannot be written.
        """
        change = install(Path(open_model(name).path), self._slots)
        remarks = "".join(f"; {remark}" for remark in change.remarks)
        if not change.changed:
            return f"{name} serves already{remarks}"
        return f"{name} has passed its test here, and serves from now on{remarks}"


def describe_settings(settings: Settings, origins: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return each setting as the page shows it: secrets are none of them, addresses are cut."""
    values = flatten(asdict(settings))
    return [
        {
            "name": key,
            "value": shown_source(value) if isinstance(value, str) else value,
            "unit": unit_of(key).removeprefix(NO_UNIT),
            "origin": origins.get(key, "default"),
            "text": part.meta["help"],
        }
        for key, part in settings_of(Settings).items()
        for value in [values[key]]
    ]


def seeing_settings(settings: Settings) -> dict[str, str]:
    """Return what decides how a photo is read, as text by `section.key`.

    A baseline is none of it: nobody knows whose face is in a photo.
    """
    values = flatten(asdict(settings))
    told = {
        key: str(values[key]).lower() if isinstance(values[key], bool) else str(values[key])
        for key in settings_of(Settings)
        if key.partition(".")[0] in {"detector", "model", "expression", "smoothing"}
    }
    return {**told, "baseline.mode": "none"}


@cache
def _shipped(name: str) -> dict[str, Any]:
    return _describe_model(open_model(name)) | {"name": name}


def _describe_model(model: ModelFile) -> dict[str, Any]:
    card = card_figures(model)
    figures: Mapping[str, Any] = {}
    if card is not None:
        figures = asdict(card)
    elif measured := conversion_figures(model):
        figures = {**measured, "yardstick": YARDSTICK}
    spec = model.contract.input
    return {
        "name": model.contract.name,
        "sha256": model.sha256,
        "side_px": max(spec.width, spec.height),
        "figures": figures,
    }
