"""Tables of stability.py's figures."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fer_edge.shared.terminal.tables import format_fields, format_table

WAYS: Final = ("raw", "smoothed", "balanced", "track")


def model_name(model: str) -> str:
    """Return a shipped model's name, or that of the folder a file lies in."""
    return Path(model).parent.name or model


def as_text(result: Mapping[str, Any]) -> str:
    """Return one table over all models for clips, one for changes, one for certainty."""
    models = result["models"]
    header = ["", *(f"{model_name(model)} {way}" for model in models for way in WAYS)]

    def row(title: str, figure: Callable[[Any, str], str]) -> list[str]:
        return [title, *(figure(found, way) for found in models.values() for way in WAYS)]

    def clip(title: str, key: str, form: Callable[[Any], str] = str) -> list[str]:
        return row(title, lambda found, way: form(found["clips"][way][key]))

    clips = [
        clip("faces", "faces"),
        clip("minutes watched", "minutes", lambda value: f"{value:.2f}"),
        clip("label switches", "switches"),
        clip("switches a minute", "switches_per_minute", _one),
        clip("changes a minute, uncertain counted", "changes_per_minute", _one),
        clip("first label after, s", "first_label_s", _seconds),
        clip("label that stays 1 s after, s", "stable_label_s", _seconds),
        row(
            "faces that get one",
            lambda found, way: "{faces_stable} of {faces_long_enough}".format(
                **found["clips"][way]
            ),
        ),
        clip("frames with a label", "labelled", _share),
        clip("as the centred vote, all frames", "agrees", _share),
        clip("as the centred vote, labelled frames", "agrees_where_labelled", _share),
        row(
            "the vote's labels of 0.5 s shown",
            lambda found, way: "{lasting_shown} of {lasting}".format(**found["clips"][way]),
        ),
    ]
    settings = {k: "the model's own" if v < 0 else str(v) for k, v in result["settings"].items()}
    parts = [format_fields(list(settings.items()))]
    parts.append("clips\n" + format_table(header, clips))
    first = next(iter(models.values()))
    parts += [
        f"made faces, test pictures, {rate} frames a second\n"
        + format_table(header, _change_rows(row, rate))
        for rate in first["made"]
        if rate.isdigit()
    ]
    lasting = [
        row(title, lambda found, way, key=key: _share(found["made"]["lasting"][way][key]))
        for title, key in (
            ("rightly named in its first minute", "first_minute"),
            ("in its last", "last_minute"),
        )
    ]
    parts.append("ten minutes of one picture\n" + format_table(header, lasting))
    parts += [
        f"{model_name(model)}: single test pictures below a least probability\n"
        + _certainty(found["certainty"])
        for model, found in models.items()
    ]
    jitter = first["box_jitter"]
    parts.append("boxes tremble on the clips: " + ", ".join(f"{k} {v}" for k, v in jitter.items()))
    return "\n\n".join(parts)


def _change_rows(row: Callable[[str, Callable[[Any, str], str]], list[str]], rate: str) -> Any:
    def change(title: str, key: str, form: Callable[[Any], str] = str) -> list[str]:
        return row(title, lambda found, way: form(found["made"][rate]["changes"][way][key]))

    def passing(seconds: str) -> list[str]:
        return row(
            f"shown for {seconds} s: reported",
            lambda found, way: _share(found["made"][rate]["passing"][way][seconds]),
        )

    return [
        change("changes", "changes"),
        change("reported", "reported", _share),
        change("reported within 0.5 s", "reported_soon", _share),
        change("reported, of those mostly read rightly", "readable_reported", _share),
        change("delay p50, s", "delay_p50_s", _seconds),
        change("delay p90, s", "delay_p90_s", _seconds),
        change("false turns a minute", "false_turns_per_minute", _one),
        change("frames with a label", "labelled", _share),
        change("frames with the right one", "right", _share),
        *map(passing, ("0.2", "0.3", "0.5", "0.75", "1.0")),
    ]


def sweep_as_text(result: Mapping[str, Any]) -> str:
    """Return a table of settings and one of certainty for each model."""
    header = [
        "memory, least, margin, settle", "false turns/min", "reported", "in 0.5 s", "p50 s",
        "p90 s", "labelled", "right", "of 0.3 s", "of 0.5 s",
    ]  # fmt: skip
    parts = []
    for model, found in result["models"].items():
        rows = [
            [
                "raw" if row["settings"] is None else _settings(row["settings"]),
                _one(row["false_turns_per_minute"]),
                *(_share(row[key]) for key in ("reported", "reported_soon")),
                *(_seconds(row[key]) for key in ("delay_p50_s", "delay_p90_s")),
                *(_share(row[key]) for key in ("labelled", "right")),
                *(_share(row["passing"][key]) for key in ("0.3", "0.5")),
            ]
            for row in found["rows"]
        ]
        parts.append(f"{model_name(model)}, {found['pictures']}\n" + format_table(header, rows))
        parts.append(_certainty(found["certainty"]))
    return "\n\n".join(parts)


def _settings(settings: Mapping[str, float]) -> str:
    return "  ".join(f"{value:<4g}" for value in settings.values())


def _certainty(rows: Sequence[Mapping[str, float]]) -> str:
    return format_table(
        ["least probability", "right below", "wrong below", "accuracy above", "no face below"],
        [
            [
                f"{row['least']:g}",
                *(
                    _share(row[key])
                    for key in ("right_below", "wrong_below", "accuracy_above", "faceless_below")
                ),
            ]
            for row in rows
        ],
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _one(value: float) -> str:
    return f"{value:.1f}"


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f}"
