"""The page: what was collected, in the order in which people ask for it, a function a section."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

import numpy as np

from fer_edge.shared.chance import find_remarks
from fer_edge.shared.data.files import format_counts
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Image
from fer_edge.shared.report.page import (
    facts,
    heading,
    page,
    paragraph,
    preformatted,
    table,
    text,
    tiles,
    verdict,
)
from fer_edge.shared.scores import Share
from fer_trainer.network.cost import int8_bytes
from fer_trainer.report.contents import Contents
from fer_trainer.report.judgement import Example
from fer_trainer.report.layered import in_the_dark, layer_shape
from fer_trainer.report.plots import Plot
from fer_trainer.scores.calibration import COLDEST, HOTTEST, LOST
from fer_trainer.scores.evaluation import scores_from_json

_COLOUR_AXES: Final = 3
_PARTS: Final = {"train": "train", "val": "validation", "test": "test"}


def render_page(contents: Contents, plots: Mapping[str, Plot], network: str) -> str:
    """Return the report as one HTML document without any reference to the outside.

    Args:
        contents: What it says.
        plots: The diagrams by name.
        network: The network's picture, an SVG.
    """
    name = contents.contract.name
    return page(
        f"{name}: training report",
        heading=name,
        lead=_lead(contents),
        above=[tiles(_tiles(contents)), *_warn(contents)],
        sections=(
            ("data", "Data", show_data(contents)),
            ("network", "Network", show_network(contents, network)),
            ("learning", "Learning", show_learning(contents, plots)),
            ("errors", "What is mistaken for what", show_confusion(contents, plots)),
            ("calibration", "How far its confidence can be believed",
             show_calibration(contents, plots)),
            ("worst", "Worst errors", show_worst(contents)),
            ("samples", "Sample predictions", show_samples(contents)),
            ("repeat", "To repeat this run", show_repeat(contents)),
        ),
        style=files("fer_trainer.report").joinpath("page.css").read_text(encoding="utf-8"),
    )  # fmt: skip


def _lead(contents: Contents) -> str:
    labels = ", ".join(contents.contract.labels)
    source = contents.contract.provenance.get("recipe_source")
    colour = "colour" if contents.contract.input.is_colour else "grey"
    return f"Recognises {labels} in {colour} face crops." + (
        f" Recipe: {source}." if source else ""
    )


def _tiles(contents: Contents) -> Iterator[tuple[str, str, str]]:
    scores, metrics = contents.judgement.scores, contents.metrics
    whole = scores.accuracy_interval
    low_high = f"95% interval {whole.low:.1%} to {whole.high:.1%}, " if scores.n else ""
    pictures = f"{low_high}{scores.n:,} pictures"
    yield f"{scores.accuracy:.1%}", f"{contents.judgement.part} accuracy", pictures
    yield f"{scores.macro_recall:.1%}", "macro recall", "mean over the labels"
    fresh, copies = metrics.get("test_without_train_copies"), metrics.get("test_copies_of_train")
    if fresh is not None and fresh["n"] and copies:
        left_out = f"{copies:,} copies of train pictures left out"
        yield f"{fresh['accuracy']:.1%}", "accuracy without copies", left_out
    error = metrics["calibration"][contents.judgement.part]["after"]["ece"]
    temperature = f"temperature {metrics['calibration']['temperature']:g}"
    yield f"{error:.1%}", "calibration error", temperature
    size = f"about {int8_bytes(contents.cost.layers) / 1000:,.0f} kB as int8"
    yield _amount(contents.cost.parameters), "parameters", size
    yield _amount(contents.cost.macs), "multiply-accumulates", "for one picture"


def _warn(contents: Contents) -> Iterator[str]:
    """Say where the network is worth nothing, on the part that the tiles are of."""
    for remark in find_remarks(contents.judgement.scores):
        why = f"on the {contents.judgement.part} part"
        yield verdict(remark, why, passed=False)


def _amount(number: float) -> str:
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= factor:
            return f"{number / factor:.3g} {unit}"
    return f"{number:g}"


def show_data(contents: Contents) -> Sequence[str]:
    """Say what it was trained and judged on."""
    data = contents.metrics["data"]
    counts: Mapping[str, Mapping[str, int]] = data["counts"]
    parts = [part for part in _PARTS if part in counts]
    header = ["label", *(f"{_PARTS[part]} {unit}" for part in parts for unit in ("", "%"))]
    totals = {part: sum(counts[part].values()) for part in parts}
    rows = [
        [label, *(cell for part in parts for cell in _count(counts[part][label], totals[part]))]
        for label in contents.contract.labels
    ]
    rows.append(["all", *(cell for part in parts for cell in (f"{totals[part]:,}", ""))])
    pairs = [
        ("data set", str(data.get("name", "not recorded"))),
        ("unreadable, left out", f"{data.get('unreadable', 0):,}"),
    ]
    if skipped := data.get("skipped"):
        pairs.append(("files not read", format_counts(skipped)))
    if others := data.get("other_labels"):
        named = ", ".join(f"{label} {n:,}" for label, n in sorted(others.items()))
        pairs.append(("left out, other labels", named))
    if votes := data.get("votes"):
        named = ", ".join(f"{reason} {n:,}" for reason, n in sorted(votes["left_out"].items()))
        pairs.append(("labels", f"by the votes of {votes['name']}"))
        pairs.append(("left out by the votes", named or "none"))
    if (left_out := data.get("left_out_of_train")) is not None:
        pairs.append(("left out of train, also in validation", f"{left_out:,}"))
    if contents.metrics.get("test") is not None:
        copies = contents.metrics.get("test_copies_of_train", 0)
        pairs.append(("test pictures that are copies of train pictures", f"{copies:,}"))
    said = [
        paragraph(words, kind="note") for words in contents.missing if "train pictures" in words
    ]
    return [*said, table(header, rows), facts(pairs)]


def _count(n: int, total: int) -> tuple[str, str]:
    return f"{n:,}", f"{100 * n / max(1, total):.1f}"


def show_network(contents: Contents, network: str) -> Sequence[str]:
    """Show the network and what it costs."""
    cost = contents.cost
    beside = len(cost.layers) - len(contents.graph.chain)
    shortcut = f", {beside} of them on shortcuts" if beside else ""
    size = int8_bytes(cost.layers)
    words = (
        f"{len(cost.layers)} layers{shortcut}: {cost.parameters:,} parameters, {cost.macs:,} "
        f"multiply-accumulates for one picture, about {size / 1000:,.0f} kB as int8 TFLite."
    )
    rows = [
        [layer.name, layer.kind, layer_shape(layer),
         f"{layer.parameters:,}", f"{layer.macs:,}"]
        for layer in cost.layers
    ]  # fmt: skip
    rows.append(["total", "", "", f"{cost.parameters:,}", f"{cost.macs:,}"])
    layers = table(["layer", "kind", "output", "parameters", "MACs"], rows, words=2)
    alt = f"The network, layer by layer: {words}"
    return [paragraph(words), drawing(network, alt=alt), f'<div class="layers">{layers}</div>']


def show_learning(contents: Contents, plots: Mapping[str, Plot]) -> Sequence[str]:
    """Show how it learnt."""
    if "curves" not in plots:
        return [paragraph("This run has recorded no epoch.", kind="note")]
    history, metrics = contents.history, contents.metrics
    epochs = len(history["epoch"])
    words = f"{epochs} {'epoch' if epochs == 1 else 'epochs'} recorded"
    if "training_seconds" in metrics:
        words += f", {metrics['training_seconds'] / 60:,.1f} minutes of training"
    if "val_accuracy" in history:
        best = max(range(epochs), key=history["val_accuracy"].__getitem__)
        words += (
            f"; highest validation accuracy {history['val_accuracy'][best]:.1%} "
            f"after epoch {history['epoch'][best]:.0f}"
        )
    if (delivered := metrics.get("delivered_epoch")) not in {None, epochs}:
        words += f"; delivered are the weights of epoch {delivered}"
    words += ". The train figures are of augmented pictures, so they may lie below validation's."
    return [paragraph(words), _plot(plots["curves"])]


def show_confusion(contents: Contents, plots: Mapping[str, Plot]) -> Sequence[str]:
    """Show what is mistaken for what, and how sure these figures are."""
    scores = contents.judgement.scores
    rows = [
        [each.label, f"{each.n:,}", *_share(each.precision), *_share(each.recall), *_share(each.f1)]
        for each in scores.by_label()
    ]
    interval = "95% interval"
    header = ["label", "pictures", "precision %", interval, "recall %", interval, "F1 %", interval]
    words = f"All figures are of the {contents.judgement.part} part, {scores.n:,} pictures."
    if _is_balanced(contents):
        words += " They count the answers as trained, without the balance."
    return [
        paragraph(words),
        _plot(plots["confusion"]),
        table(header, rows),
        paragraph(
            "Intervals are Wilson's; those of F1 follow from the share of pictures found among all "
            "that carry the label or were given it."
        ),
        *_parts_table(contents),
    ]


def _parts_table(contents: Contents) -> Iterator[str]:
    names = {
        "validation": "validation",
        "test": "test",
        "test_without_train_copies": "test, copies of train pictures left out",
    }
    rows = []
    for key, name in names.items():
        if (figures := contents.metrics.get(key)) is None:
            continue
        scores = scores_from_json(figures)
        whole = Share(scores.accuracy, scores.accuracy_interval) if scores.n else None
        rows.append([name, f"{scores.n:,}", *_share(whole), f"{100 * scores.macro_recall:.1f}"])
    yield heading("Accuracy by part")
    yield table(["part", "pictures", "accuracy %", "95% interval", "macro recall %"], rows)


def _share(share: Share | None) -> tuple[str, str]:
    if share is None:
        return "-", ""
    low, high = share.interval
    return f"{100 * share.value:.1f}", f"{100 * low:.1f} to {100 * high:.1f}"


def show_calibration(contents: Contents, plots: Mapping[str, Plot]) -> Sequence[str]:
    """Show how far its confidence can be believed."""
    figures: Mapping[str, Any] = contents.metrics["calibration"]
    words = (
        f"Temperature {figures['temperature']:g}, fitted on validation only by the least negative "
        "log-likelihood. Below 1 it makes a modest network surer, above 1 a bold one more modest; "
        "the label chosen stays the same."
    )
    if balance := contents.metrics.get("balance"):
        words += (
            f" The device weighs the answers with a balance of {balance:g}, "
            "chosen on validation, too; temperature and least probability are fitted for that."
        )
    if contents.metrics["data"].get("votes"):
        words += " Fitted and judged on the pictures on which most people agree."
    if "least_probability" in contents.metrics and contents.contract.task == "multiclass":
        words += (
            f" On video the device gives a label from {contents.contract.least_probability:g} on: "
            "the highest step of 0.05 between 0.4 and 0.6 below which at most "
            f"{LOST:.0%} of the right answers fall on validation."
        )
    if not COLDEST * 1.01 < figures["temperature"] < HOTTEST / 1.01:
        words += (
            f" It lies at the end of what is tried, {COLDEST:g} to {HOTTEST:g}: the validation "
            "part is too small, too easy or too hard for it."
        )
    stages = {
        "before": "as trained",
        "after": "with the temperature" + (" and the balance" if balance else ""),
        "after_int8_steps": "the same, by an int8 output in steps of 1/256",
    }
    rows = [
        [part, stages[stage], f"{100 * figures[part][stage]['ece']:.2f}",
         f"{figures[part][stage]['nll']:.4f}"]
        for part in ("validation", "test") if part in figures
        for stage in stages
    ]  # fmt: skip
    said = [paragraph(words, kind="note") for words in contents.missing if "temperature" in words]
    header = ["part", "confidences", f"ECE % ({figures['bins']} bins)", "NLL (nats)"]
    return [*said, paragraph(words), _plot(plots["reliability"]), table(header, rows, words=2)]


def show_worst(contents: Contents) -> Iterator[str]:
    """Show the worst errors."""
    yield paragraph(
        f"For each label the {contents.judgement.part} pictures of the highest confidence in "
        f"a wrong answer. Some of them show what the data set gets wrong.{_shown(contents)}"
    )
    for label, examples in contents.judgement.errors.items():
        yield heading(label)
        yield _faces(examples) if examples else paragraph("No errors.")


def show_samples(contents: Contents) -> Sequence[str]:
    """Show pictures drawn by lot."""
    words = (
        f"Drawn by lot from the {contents.judgement.part} part, labels in turn.{_shown(contents)}"
    )
    return [paragraph(words), _faces(contents.judgement.sample)]


def _is_balanced(contents: Contents) -> bool:
    return contents.contract.task == "multiclass" and contents.contract.balance > 0


def _shown(contents: Contents) -> str:
    """Say whose labels are shown where a device gives others than the figures count."""
    balance = contents.contract.balance
    told = f" Labels and confidences are those of a device, with the balance of {balance:g}."
    return told if _is_balanced(contents) else ""


def _faces(examples: Sequence[Example]) -> str:
    return '<div class="faces">\n' + "\n".join(_card(each) for each in examples) + "\n</div>"


def _card(example: Example) -> str:
    mark, kind = ("✓", "right") if example.right else ("✗", "wrong")
    truth = "" if example.right else f"<br/>is labelled {text(example.truth)}"
    alt = f"labelled {example.truth}, said {example.said}"
    return (
        f'<div class="card">{thumbnail(example.picture, alt=alt)}'
        f'<span class="{kind}">{mark} {text(example.said)} {example.confidence:.0%}</span>{truth}'
        f"<small>{text(example.name)}</small></div>"
    )


def show_repeat(contents: Contents) -> Sequence[str]:
    """Say all that is needed to repeat the run."""
    provenance, metrics = contents.contract.provenance, contents.metrics
    data = metrics["data"]
    split, versions = provenance.get("split", {}), provenance.get("versions", {})
    pairs = [
        ("data set", str(data.get("name", "not recorded"))),
        ("SHA-256 of its pictures", str(data.get("content_sha256", "not recorded"))),
        ("seed of the split", str(split.get("seed", "not recorded"))),
        ("seed of weights, order, augmentation", str(provenance.get("training_seed", "?"))),
        *((name.replace("_", "-"), str(each)) for name, each in sorted(versions.items())),
        *((name, str(metrics[name])) for name in ("precision", "devices") if name in metrics),
        *_besides(provenance),
        ("git revision", str(provenance.get("git_revision") or "installed package")),
        ("licence of the weights", contents.contract.licence),
        ("intended use", contents.contract.intended_use or "not stated"),
        ("limits", contents.contract.limits or "not stated"),
    ]
    command = f"fer-train fit recipe.toml {data.get('name', 'DATA')} --out RUN"
    return [
        paragraph("recipe.toml holds every setting that was used; it stands in the run's folder."),
        preformatted(command),
        facts(pairs),
        heading("recipe.toml"),
        preformatted(contents.recipe),
    ]


def _plot(plot: Plot) -> str:
    return drawing(plot.svg or "", alt=plot.alt)


def drawing(svg: str, *, alt: str) -> str:
    """Return an SVG as a picture of the page, with light ink where the page is dark.

    Paper is never dark.
    """
    dark, light = (_data_uri("image/svg+xml", s.encode()) for s in (in_the_dark(svg), svg))
    return (
        f'<figure><picture><source media="screen and (prefers-color-scheme: dark)" '
        f'srcset="{dark}"/><img src="{light}" alt="{text(alt)}"/></picture></figure>'
    )


def _besides(provenance: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Say what else the weights come from: other runs, and faces without labels."""
    if begun := provenance.get("init_from"):
        for each in (begun, *begun.get("beside", ())):
            yield "begun with the weights of", f"{each['run']}, sha256 {each['sha256']}"
    for teacher in provenance.get("teachers", ()):
        yield "taught by", str(teacher)
    if faces := provenance.get("unlabelled"):
        out = ", ".join(f"{reason} {n:,}" for reason, n in sorted(faces["left_out"].items()))
        words = f"{faces['name']}, {faces['pictures']:,} pictures; left out: {out or 'none'}"
        yield "unlabelled faces", f"{words}; {faces['note'] or 'no note on their licence'}"
    if blend := provenance.get("blend"):
        words = f"{blend['share']:.0%} of the answer is that of the head {blend['with']}"
        yield "mixed", f"{words}, chosen on validation"


def thumbnail(picture: Image, *, alt: str) -> str:
    """Return a small picture.

    Args:
        picture: uint8, shape (height, width), or with 3 behind in RGB.
        alt: What it shows.
    """
    if picture.ndim == _COLOUR_AXES:
        picture = np.ascontiguousarray(picture[..., ::-1])  # as OpenCV writes it
    encoded = cv2.imencode(".png", picture)[1].tobytes()
    return f'<img class="face" src="{_data_uri("image/png", encoded)}" alt="{text(alt)}"/>'


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
