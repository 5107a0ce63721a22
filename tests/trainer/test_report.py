"""The report of a run: whole, self-contained, and in agreement with what the run wrote down."""

import base64
import io
import json
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from code_words import code_words, words_of_page

from fer_edge.shared.errors import ModelError
from fer_edge.shared.labels import LABEL_SETS
from fer_edge.shared.opencv import cv2
from fer_edge.shared.report.colours import INK
from fer_trainer.data.loading import load_data
from fer_trainer.jobs.compare import compare_runs
from fer_trainer.jobs.finished import evaluate_run, report_run
from fer_trainer.jobs.fit import fit
from fer_trainer.recipe.files import load_recipe
from fer_trainer.report.comparison import render_comparison
from fer_trainer.report.layered import in_the_dark
from fer_trainer.run.folder import RunFolder

SEVEN = LABEL_SETS["fer2013"].labels
ANCHORS = ["data", "network", "learning", "errors", "calibration", "worst", "samples", "repeat"]


def page_of(run: Path) -> ET.Element:
    """Read the page as XML, which fails where it is not well-formed."""
    return ET.fromstring((run / "report.html").read_text().removeprefix("<!DOCTYPE html>\n"))


def references(page: ET.Element) -> Iterator[str]:
    for element in page.iter():
        for name in ("src", "srcset", "href", "data", "action", "xlink:href"):
            if name in element.attrib:
                yield element.attrib[name]


def words_of(page: ET.Element, anchor: str) -> str:
    found = page.find(f".//section[@id='{anchor}']")
    assert found is not None
    return " ".join(" ".join(found.itertext()).split())


def rows_of(page: ET.Element, anchor: str) -> list[list[str]]:
    found = page.find(f".//section[@id='{anchor}']")
    assert found is not None
    return [[cell.text or "" for cell in row] for row in found.iter("tr")]


@pytest.fixture
def copied_run(finished_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


def test_the_page_needs_nothing_but_itself(finished_run: Path) -> None:
    page = page_of(finished_run)
    found = list(references(page))
    assert len(found) > 30
    assert all(each.startswith(("data:image/", "#")) for each in found)
    text = (finished_run / "report.html").read_text()
    assert not re.search(r"https?:|@import|url\(|<script|<link", text)
    assert len(text) < 3_000_000


def test_no_page_speaks_python(finished_run: Path, headed_run: Path, tmp_path: Path) -> None:
    pages = [finished_run, headed_run / "heads/people"]
    for run in pages:
        words = words_of_page((run / "report.html").read_text())
        assert not code_words(words), run
    comparison = compare_runs([finished_run, *pages[1:]])
    assert not code_words(words_of_page(render_comparison(comparison)))
    assert code_words("ranges {'low': 1} of best_epoch: None")  # it would be seen


def test_every_picture_of_the_page_can_be_read(finished_run: Path) -> None:
    kinds = set()
    for each in references(page_of(finished_run)):
        if each.startswith("#"):
            continue
        head, _, encoded = each.partition(";base64,")
        data = base64.b64decode(encoded, validate=True)
        kinds.add(head)
        if head == "data:image/svg+xml":
            assert ET.fromstring(data).tag == "{http://www.w3.org/2000/svg}svg"
        else:
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
            assert picture.shape == (48, 48)
    assert kinds == {"data:image/svg+xml", "data:image/png"}


def test_every_picture_says_what_it_shows(finished_run: Path) -> None:
    assert all(image.get("alt") for image in page_of(finished_run).iter("img"))


def test_it_has_every_section_and_its_links_lead_there(finished_run: Path) -> None:
    page = page_of(finished_run)
    assert [section.get("id") for section in page.iter("section")] == ANCHORS
    assert [link.get("href") for link in page.iter("a")] == [f"#{anchor}" for anchor in ANCHORS]


def test_its_numbers_are_those_of_the_run(finished_run: Path) -> None:
    page, metrics = page_of(finished_run), json.loads((finished_run / "metrics.json").read_text())
    test = metrics["test"]
    by_label = {row[0]: row for row in rows_of(page, "errors") if len(row) == 8}
    for label in SEVEN:
        _, n, precision, _, recall, interval, f1, _ = by_label[label]
        assert int(n) == sum(test["confusion"][SEVEN.index(label)])
        assert float(recall) == pytest.approx(100 * test["recall"][label], abs=0.051)
        low, high = (float(end) for end in interval.split(" to "))
        assert [low, high] == pytest.approx(
            [100 * end for end in test["intervals"]["recall"][label]], abs=0.051
        )
        for shown, key in ((precision, "precision"), (f1, "f1")):
            written = test[key][label]
            assert (
                shown == "-"
                if written is None
                else float(shown) == pytest.approx(100 * written, abs=0.051)
            )
    parts = {row[0]: row for row in rows_of(page, "errors") if len(row) == 5}
    fresh = parts["test, copies of train pictures left out"]
    assert fresh[1] == "33"
    assert float(fresh[2]) == pytest.approx(
        100 * metrics["test_without_train_copies"]["accuracy"], abs=0.051
    )
    assert f"Temperature {metrics['calibration']['temperature']:g}" in words_of(page, "calibration")
    counts = {row[0]: row for row in rows_of(page, "data")}
    assert counts["all"] == ["all", "112", "", "28", "", "35", ""]
    assert "no picture: 1" in words_of(page, "data")


def test_it_says_how_to_repeat_the_run(finished_run: Path) -> None:
    contract = json.loads((finished_run / "contract.json").read_text())
    words = words_of(page_of(finished_run), "repeat")
    assert contract["provenance"]["data"]["content_sha256"] in words
    assert "fer-train fit recipe.toml" in words
    for value in contract["provenance"]["versions"].values():
        assert value in words
    for line in (finished_run / "recipe.toml").read_text().splitlines():
        assert " ".join(line.split()) in words


def test_it_shows_the_worst_errors_and_nothing_right_among_them(finished_run: Path) -> None:
    page = page_of(finished_run)
    worst = page.find(".//section[@id='worst']")
    assert worst is not None
    assert {heading.text for heading in worst.iter("h3")} == set(SEVEN)
    metrics = json.loads((finished_run / "metrics.json").read_text())["test"]
    wrong = metrics["n"] - int(np.trace(metrics["confusion"]))
    cards = [each for each in worst.iter("span") if each.get("class") == "wrong"]
    assert len(cards) == wrong  # at most five of a label here, so all are shown
    assert not [each for each in worst.iter("span") if each.get("class") == "right"]


def test_the_pictures_lie_beside_it(finished_run: Path) -> None:
    names = {path.name for path in (finished_run / "report").iterdir()}
    assert {"network.svg", "samples.png"} < names
    for name in ("curves", "confusion", "reliability"):
        assert {f"{name}.png", f"{name}.svg"} < names
    for path in (finished_run / "report").glob("*.png"):
        assert min(cv2.imread(str(path)).shape[:2]) > 200
    for path in (finished_run / "report").glob("*.svg"):
        ET.parse(path)


def test_a_file_name_is_text_and_nothing_else(copied_run: Path) -> None:
    path = copied_run / "samples" / "heldout.npz"
    with np.load(path) as arrays:
        kept = {name: arrays[name] for name in arrays.files}
    evil = "\"><script>alert(1)</script>&amp;\x1b[0m\udcff'.png"
    kept["names"] = np.array([evil] * len(kept["names"]), dtype=np.str_)
    np.savez(path, **kept)
    contract = json.loads((copied_run / "contract.json").read_text())
    contract["provenance"]["versions"]["<b>x</b>"] = "<img src='http://nowhere'/>"
    (copied_run / "contract.json").write_text(json.dumps(contract))
    report_run(copied_run)
    page = page_of(copied_run)
    assert not list(page.iter("script"))
    assert not list(page.iter("b")) or all("<" not in (b.text or "") for b in page.iter("b"))
    names = {small.text for small in page.iter("small")}
    assert names == {"\"><script>alert(1)</script>&amp;\\x1b[0m\\udcff'.png"}
    assert all(each.startswith(("data:image/", "#")) for each in references(page))
    assert "<img src='http://nowhere'/>" in words_of(page, "repeat")


def test_it_can_be_written_again_and_is_the_same(copied_run: Path) -> None:
    before = page_of(copied_run)
    (copied_run / "report.html").unlink()
    shutil.rmtree(copied_run / "report")
    assert report_run(copied_run) == copied_run / "report.html"
    after = page_of(copied_run)
    for anchor in set(ANCHORS) - {"worst", "samples"}:  # a confidence may round otherwise
        assert words_of(after, anchor) == words_of(before, anchor)


def test_the_report_of_an_old_run_says_what_is_missing(copied_run: Path) -> None:
    metrics = json.loads((copied_run / "metrics.json").read_text())
    del metrics["calibration"], metrics["data"]
    for part in ("validation", "test", "test_without_train_copies"):
        for key in ("accuracy_interval", "precision", "f1", "intervals"):
            del metrics[part][key]
    (copied_run / "metrics.json").write_text(json.dumps(metrics))
    contract = json.loads((copied_run / "contract.json").read_text())
    contract["output"]["temperature"] = 1.0
    (copied_run / "contract.json").write_text(json.dumps(contract))
    (copied_run / "history.csv").write_text("epoch,loss\n")
    report_run(copied_run)
    page = page_of(copied_run)
    assert "has not recorded how many train pictures" in words_of(page, "data")
    assert "carries no fitted temperature" in words_of(page, "calibration")
    assert "recorded no epoch" in words_of(page, "learning")
    assert json.loads((copied_run / "metrics.json").read_text()) == metrics


def samples_of_other_shape() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, pictures=np.zeros((2, 48), np.uint8), labels=[0, 1], names=["a", "b"])
    return buffer.getvalue()


def metrics_with(*place: Any) -> Callable[[bytes], bytes]:
    """Return what puts the last of these where the others lead."""
    *path, last, value = place

    def change(content: bytes) -> bytes:
        metrics = inner = json.loads(content)
        for name in path:
            inner = inner[name]
        inner[last] = value
        return json.dumps(metrics).encode()

    return change


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("samples/heldout.npz", b"no such thing"),
        ("samples/heldout.npz", samples_of_other_shape()),
        ("metrics.json", b"no such thing"),
        ("metrics.json", b"[]"),
        ("metrics.json", b'{"validation": {}, "test": null}'),
        ("metrics.json", metrics_with("test", "confusion", 0, 0, "many")),
        ("metrics.json", metrics_with("test", "confusion", 0, [1, 2])),
        ("metrics.json", metrics_with("test", "confusion", 0, 0, 10**30)),
        ("metrics.json", metrics_with("test", "accuracy", "good")),
        ("metrics.json", metrics_with("calibration", "temperature", None)),
        ("metrics.json", metrics_with("data", "counts", [])),
        ("metrics.json", metrics_with("data", "counts", "train", {})),
        ("history.csv", b"\xff\xfe,loss"),
    ],
)
def test_a_damaged_run_is_refused(
    copied_run: Path, name: str, content: bytes | Callable[[bytes], bytes]
) -> None:
    path = copied_run / name
    path.write_bytes(content(path.read_bytes()) if callable(content) else content)
    with pytest.raises(ModelError, match=re.escape(Path(name).name)):
        report_run(copied_run)


def test_an_evaluation_leaves_its_pictures(finished_run: Path, faces: Path, tmp_path: Path) -> None:
    scores = evaluate_run(finished_run, faces, pictures=tmp_path / "deep" / "seen")
    names = {path.name for path in (tmp_path / "deep" / "seen").iterdir()}
    assert {"confusion.png", "confusion.svg", "reliability.png", "samples.png"} < names
    wrong = {label for label, recall in scores.recall.items() if recall < 1}
    assert {name for name in names if name.startswith("worst-")} == {
        f"worst-{label}.png" for label in wrong
    }


def test_a_binary_run_without_test_has_a_report(
    binary_recipe: Path, tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    data = write_faces(tmp_path / "flat", ["happy", "sad"], each=15)
    recipe = load_recipe(str(binary_recipe), overrides=["training.epochs=1"])
    run = tmp_path / "run"
    metrics = fit(recipe, load_data(recipe, data), RunFolder(run), tell=lambda line: None)
    page = page_of(run)
    assert "validation part" in words_of(page, "errors")
    by_label = {row[0]: row for row in rows_of(page, "errors") if len(row) == 8}
    assert set(by_label) == {"label", "sad", "happy"}
    assert "test" not in metrics["calibration"]


def test_a_dark_page_changes_the_ink_only() -> None:
    svg = f'<svg><text fill="{INK}"/><rect fill="#0072b2"/></svg>'
    assert INK not in in_the_dark(svg)
    assert "#0072b2" in in_the_dark(svg)
