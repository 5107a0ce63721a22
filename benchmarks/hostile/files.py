"""Files of every kind that a command is given: damaged, or forged with valid hashes."""

import csv
import hashlib
import importlib
import io
import json
import random
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import fer_edge as package
from fer_edge.cli import main as fer_edge
from fer_edge.models import open_model
from fer_edge.shared.labels import LABEL_SETS
from fer_edge.shared.model.model_file import parse_model
from fer_edge.shared.opencv import cv2
from fer_trainer.cli import main as fer_train
from hostile.changes import forge, spoil, spoil_settings
from hostile.child import Case, command, in_a_child
from hostile.page import photos

PORTRAIT = Path(package.__file__).parent / "assets" / "portrait.jpg"
_DIGEST = 64
_LOADED_ONCE = (
    "fer_edge.assemble.parts", "fer_edge.commands.bench.compare.comparison",
    "fer_edge.commands.check", "fer_edge.commands.classify", "fer_edge.commands.inspect",
    "fer_edge.commands.replay", "fer_edge.commands.run", "fer_edge.daemon.service",
    "fer_edge.models.changing", "fer_edge.models.choice", "fer_edge.shared.model.litert",
    "fer_edge.shared.model.selftest", "fer_trainer.inspection.inspecting",
    "fer_trainer.inspection.text",
)  # fmt: skip
"""What commands import only when they run; here it spares every child that."""
_PICTURES = {
    ".jpg": [], ".png": [], ".bmp": [], ".gif": [], ".webp": [], ".tiff": [], ".ppm": [],
    ".progressive.jpg": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
}  # fmt: skip


class Files:
    """Makes cases of files; what some start from is made once, by the commands themselves.

    Args:
        folder: For the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "pictures").mkdir()
        (folder / "pictures" / "a.jpg").write_bytes(PORTRAIT.read_bytes())
        recording, self._report = folder / "recording.jsonl", folder / "bench" / "bench.json"
        for words in (
            ["run", "--source", str(folder / "pictures"), "--output", str(recording)],
            ["bench", "--seconds", "0.05", "--out", str(self._report.parent)],
        ):
            _printed(fer_edge, words)
        self._recording = recording.read_text(encoding="utf-8").splitlines()
        self._settings = _printed(fer_edge, ["config", "show"])
        tomllib.loads(self._settings)
        small = cv2.resize(cv2.imread(str(PORTRAIT)), (96, 96))
        self._pictures = {
            kind: cv2.imencode("." + kind.rpartition(".")[2], small, options)[1].tobytes()
            for kind, options in _PICTURES.items()
        } | {".jpg": PORTRAIT.read_bytes()}
        self._archives = _archives()
        for name in _LOADED_ONCE:
            importlib.import_module(name)

    def models(self, rng: random.Random) -> Case:
        """A model file whose network, contract or golden vectors were changed, its hashes valid."""
        words = [["inspect", "@"], ["inspect", "@", "--json"], ["selftest", "@"]]
        words += [["classify", "--model", "@", str(PORTRAIT)]]
        return self._given(a_model(rng), rng.choice(words))

    def pictures(self, rng: random.Random) -> Case:
        """A picture of some format that was damaged."""
        kind = rng.choice(sorted(self._pictures))
        bad = spoil(self._pictures[kind], rng)
        words = rng.choice([["classify", "@"], ["classify", "--crops", "@"], ["classify", "@"],
                            ["run", "--source", "@", "--max-frames", "2"]])  # fmt: skip
        return self._given(bad, words, name=f"case{kind}")

    def photos(self, rng: random.Random) -> Case:
        """A photo that somebody hands to the page."""
        return photos(rng, [self._pictures[kind] for kind in sorted(self._pictures)])

    def recordings(self, rng: random.Random) -> Case:
        """A recording of `run --output`, with a line that was damaged or forged."""
        line = self._recording[0]
        bad = rng.choice([spoil(line.encode(), rng), forge(json.loads(line), rng)])
        content = b"\n".join([line.encode(), bad, line.encode()])
        return self._given(content, ["replay", "--pace", "fast", "@"])

    def reports(self, rng: random.Random) -> Case:
        """A report of `bench`."""
        whole = self._report.read_bytes()
        bad = rng.choice([spoil(whole, rng), forge(json.loads(whole), rng)])
        names = rng.choice([["@", str(self._report)], [str(self._report), "@"]])
        more = rng.choice([[], ["--json"], ["--force"]])
        return self._given(bad, ["bench", "compare", *names, *more])

    def settings(self, rng: random.Random) -> Case:
        """A settings file with odd values, or damaged."""
        words = [["config", "check", "@"], ["classify", "--config", "@", str(PORTRAIT)]]
        return self._given(spoil_settings(self._settings, rng), rng.choice(words))

    def archives(self, rng: random.Random) -> Case:
        """Data of the trainer: an archive or a CSV file."""
        name = rng.choice(sorted(self._archives))
        bad = spoil(self._archives[name], rng)
        return self._given(bad, ["inspect-data", "@"], name=name, main=fer_train)

    def _given(
        self,
        content: bytes,
        words: Sequence[str],
        *,
        name: str = "case",
        main: Callable[[], Any] = fer_edge,
    ) -> Case:
        path = self._folder / name

        def work() -> str:
            path.write_bytes(content)
            return command(main, words, path)

        return Case(work, content)


def a_model(rng: random.Random) -> bytes:
    """Return a model file with something changed, its hashes valid most times."""
    data = open_model(rng.choice(["edge-nano", "edge-small-ferplus"])).path
    whole = parse_model(Path(data).read_bytes(), where="")
    members, network = dict(whole.members), whole.flatbuffer
    contract = json.loads(members["contract.json"])
    change = rng.choice(["network", "contract", "member", "file"])
    if change == "network":
        network = spoil(network, rng)
        contract["flatbuffer_sha256"] = hashlib.sha256(network).hexdigest()
        members["contract.json"] = json.dumps(contract).encode()
    elif change == "contract":
        members["contract.json"] = forge(contract, rng)
    elif change == "member":
        name = rng.choice(sorted(members))
        members[name] = spoil(members[name], rng)
    buffer = io.BytesIO(network)
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.comment = b"0" * _DIGEST
    body = buffer.getvalue()[:-_DIGEST]
    sealed = body + hashlib.sha256(body).hexdigest().encode()
    return spoil(sealed, rng) if change == "file" else sealed


def _printed(main: Callable[[], Any], words: Sequence[str]) -> str:
    done = in_a_child(lambda: command(main, words))
    if done.end != "0":
        raise SystemExit(done.printed)
    return done.printed


def _archives() -> dict[str, bytes]:
    """Return a small data set in every form that the trainer reads, by file name."""
    rng = np.random.default_rng(0)
    faces = {
        f"{part}/{label}/{number}.png": rng.integers(0, 256, (48, 48), np.uint8)
        for part in ("train", "test")
        for label in LABEL_SETS["fer2013"].labels
        for number in range(2)
    }
    files = {name: cv2.imencode(".png", face)[1].tobytes() for name, face in faces.items()}
    made = {"case.zip": _zip(files)}
    for mode in ("gz", "bz2", "xz", ""):
        made[f"case.tar.{mode}".rstrip(".")] = _tar(files, mode)
    made["case.csv"] = _csv(list(faces.values()))
    return made


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _tar(files: dict[str, bytes], mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{mode}") as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _csv(faces: Sequence[np.ndarray]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["emotion", "pixels", "Usage"])
    usages = ("Training", "PublicTest", "PrivateTest")
    for number, face in enumerate(faces):
        writer.writerow([number % 7, " ".join(map(str, face.ravel())), usages[number % 3]])
    return text.getvalue().encode()
