"""Files and requests that are damaged or forged, by the thousand: what `fer-edge` makes of them.

Each case starts from something whole, changes it by a seeded rule, and runs the command line on it
in a child of its own. A traceback, a message that calls itself a defect, a signal or a child that
does not end counts as a failure; `--keep` keeps what caused it. Forged models have valid hashes.
"""

import argparse
import gc
import hashlib
import io
import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
import tomllib
import traceback
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fer_edge
from fer_edge.cli import main as fer_edge_main
from fer_edge.models import open_model
from fer_edge.shared.model.model_file import parse_model
from fer_edge.sinks.web.http_server import HttpListener, Request, Response

PORTRAIT = Path(fer_edge.__file__).parent / "assets" / "portrait.jpg"
MOST_SECONDS = 60.0
DIGEST = 64
ODD_VALUES: list[Any] = [
    None, True, -1, 0, 1, 0.5, 1e308, 1e-300, float("nan"), float("inf"), 2**63, 10**30,
    "", "x" * 3000, "\ud800", "\x1b[31m", "\x00", "../../etc", [], {}, [[]], {"a": 1}, [1] * 300,
]  # fmt: skip
ODD_WORDS = [
    "true", "-1", "0", "1e308", "nan", "-inf", "9" * 40, '""', '"x"', "[]", "{}", '"\\u0000"',
    '"../../x"', "1979-05-27", '[1, "a"]', '"\\u001b[31m"', '"rtsp://a:b@"', "1e-320",
]  # fmt: skip

Case = tuple[bytes, list[str]]
"""The content of a file, and the command on it with @ for its name."""


@dataclass(frozen=True)
class Outcome:
    """How a child ended: its exit code (negative for a signal), None where it did not end."""

    code: int | None
    printed: str

    @property
    def failed(self) -> bool:
        """Whether a user would have to call it a bug."""
        bug = "Traceback" in self.printed or "this is a defect" in self.printed
        return bug or self.code is None or self.code < 0


def spoil(data: bytes, rng: random.Random) -> bytes:
    """Return bytes with a few bits, words or pieces changed, doubled or lost."""
    spoilt = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        at = rng.randrange(len(spoilt) + 1)
        change = rng.randrange(6)
        if change == 0:
            spoilt[at : at + 1] = bytes(
                byte ^ 1 << rng.randrange(8) for byte in spoilt[at : at + 1]
            )
        elif change == 1:
            number = rng.choice([0, 2**32 - 1, 2**31 - 1, len(data), rng.getrandbits(32)])
            spoilt[at : at + 4] = number.to_bytes(4, "little")
        elif change == 2:
            del spoilt[at : at + rng.choice([1, 16, 512])]
        elif change == 3:
            spoilt[at:at] = rng.randbytes(rng.choice([1, 4, 64]))
        elif change == 4:
            other = rng.randrange(len(spoilt) + 1)
            spoilt[at : at + 16] = spoilt[other : other + 16]
        elif rng.random() < 0.2:
            del spoilt[at:]
    return bytes(spoilt)


def forge(document: Any, rng: random.Random) -> bytes:
    """Return JSON with a value or two replaced by odd ones, or left out."""
    document = json.loads(json.dumps(document))
    for _ in range(rng.choice([1, 1, 2])):
        places = list(_places(document))
        if not places:
            break
        container, key = rng.choice(places)
        if isinstance(container, dict) and rng.random() < 0.15:
            del container[key]
        else:
            container[key] = json.loads(json.dumps(rng.choice(ODD_VALUES)))
    return json.dumps(document).encode()


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(document, dict):
        inside = list(document.items())
    else:
        inside = list(enumerate(document)) if isinstance(document, list) else []
    for key, value in inside:
        yield document, key
        yield from _places(value)


def models(rng: random.Random) -> Case:
    """A model file whose network, contract or golden vectors were changed, its hashes valid."""
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
        archive.comment = b"0" * DIGEST
    body = buffer.getvalue()[:-DIGEST]
    sealed = body + hashlib.sha256(body).hexdigest().encode()
    commands = [["inspect", "@"], ["inspect", "@", "--json"], ["selftest", "@"]]
    commands += [["classify", "--model", "@", str(PORTRAIT)]]
    return (spoil(sealed, rng) if change == "file" else sealed), rng.choice(commands)


def pictures(rng: random.Random) -> Case:
    """A JPEG that was damaged."""
    return spoil(PORTRAIT.read_bytes(), rng), ["classify", *rng.choice([[], ["--crops"]]), "@"]


class Prepared:
    """What some cases start from, made once by the commands themselves.

    Args:
        folder: For the files.
    """

    def __init__(self, folder: Path) -> None:
        (folder / "pictures").mkdir()
        (folder / "pictures" / "a.jpg").write_bytes(PORTRAIT.read_bytes())
        recording, self._report = folder / "recording.jsonl", folder / "bench" / "bench.json"
        for command in (
            ["run", "--source", str(folder / "pictures"), "--output", str(recording)],
            ["bench", "--seconds", "0.05", "--out", str(self._report.parent)],
        ):
            done = in_a_child(command)
            if done.code != 0:
                raise SystemExit(done.printed)
        self._recording = recording.read_text(encoding="utf-8").splitlines()
        self._settings = in_a_child(["config", "show"]).printed
        tomllib.loads(self._settings)

    def recordings(self, rng: random.Random) -> Case:
        """A recording of `run --output`, with a line that was damaged or forged."""
        line = self._recording[0]
        bad = rng.choice([spoil(line.encode(), rng), forge(json.loads(line), rng)])
        return b"\n".join([line.encode(), bad, line.encode()]), ["replay", "--pace", "fast", "@"]

    def reports(self, rng: random.Random) -> Case:
        """A report of `bench`."""
        whole = self._report.read_bytes()
        bad = rng.choice([spoil(whole, rng), forge(json.loads(whole), rng)])
        names = rng.choice([["@", str(self._report)], [str(self._report), "@"]])
        return bad, ["bench", "compare", *names, *rng.choice([[], ["--json"], ["--force"]])]

    def settings(self, rng: random.Random) -> Case:
        """A settings file with odd values, or damaged."""
        if rng.random() < 0.3:
            return spoil(self._settings.encode(), rng), ["config", "check", "@"]
        lines = self._settings.splitlines()
        for _ in range(rng.choice([1, 1, 3])):
            at = rng.choice([n for n, line in enumerate(lines) if " = " in line])
            lines[at] = f"{lines[at].partition(' = ')[0]} = {rng.choice(ODD_WORDS)}"
        command = rng.choice(
            [["config", "check", "@"], ["classify", "--config", "@", str(PORTRAIT)]]
        )
        return "\n".join(lines).encode(), command


def in_a_child(command: list[str]) -> Outcome:
    """Run `fer-edge` in a forked child, which spares each case its start."""
    with tempfile.TemporaryFile() as printed:
        child = os.fork()
        if child == 0:
            _be_the_child(command, printed.fileno())
        code = _wait(child)
        printed.seek(0)
        return Outcome(code, printed.read().decode(errors="replace"))


def _be_the_child(command: list[str], output: int) -> None:
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv = ["fer-edge", *command]
    code = 0
    try:
        fer_edge_main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # noqa: BLE001 - that is what is looked for
        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _wait(child: int) -> int | None:
    ends_at = time.monotonic() + MOST_SECONDS
    while time.monotonic() < ends_at:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def requests(rng: random.Random, count: int) -> tuple[Counter[str], int]:
    """Send a listener what is no request, or an odd one; return what it answered, and failures."""
    answers: Counter[str] = Counter()
    errors: list[str] = []
    listener = HttpListener("127.0.0.1", 0, _answer, patience_seconds=0.2)
    listener._loop.set_exception_handler(lambda _, found: errors.append(str(found)))
    with listener:
        for _ in range(count):
            sent = _a_request(rng)
            with socket.create_connection(("127.0.0.1", listener.port), timeout=5) as channel:
                try:
                    channel.sendall(sent)
                    channel.shutdown(socket.SHUT_WR)
                    answer = channel.recv(4096).split(b"\r\n")[0].decode("latin-1")
                except OSError as error:
                    answer = type(error).__name__
            answers[answer or "closed"] += 1
    gc.collect()  # an exception that no one fetched is told when its task goes
    return answers, len(errors)


def _answer(request: Request) -> Response:
    return Response(200, request.path.encode("latin-1"))


def _a_request(rng: random.Random) -> bytes:
    if rng.random() < 0.2:
        return rng.randbytes(rng.choice([1, 100, 8191, 8192, 8193, 20_000]))
    method = rng.choice(["GET", "HEAD", "POST", "CONNECT", "get", "G\x00T", "X" * 3000, ""])
    path = rng.choice(["/", "/metrics", "/..%2f..", "/%00", "/" + "a" * 9000, "*", "//", "/\xff"])
    version = rng.choice(["HTTP/1.1", "HTTP/1.0", "HTTP/9.9", "", "HTTP/1.1 x"])
    headers = rng.sample(
        ["Host: x", "Content-Length: -1", "Transfer-Encoding: chunked", "X: " + "y" * 20_000, ": ",
         "Authorization: Bearer \xe9", "Host", "\x00: \x01", "Expect: 100-continue"],
        rng.randrange(5),
    )  # fmt: skip
    end = rng.choice(["\r\n\r\n", "\r\n\r\n", "\n\n", "\r\n", ""])
    return ("\r\n".join([f"{method} {path} {version}", *headers]) + end).encode("latin-1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--cases", type=int, default=300, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the cases that failed")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows: list[tuple[str, int, int, Counter[str]]] = []
    with tempfile.TemporaryDirectory() as name:
        prepared = Prepared(Path(name))
        kinds = [models, pictures, prepared.recordings, prepared.reports, prepared.settings]
        for make in kinds:
            rng = random.Random(options.seed)
            codes: Counter[str] = Counter()
            failures = 0
            for number in range(options.cases):
                content, command = make(rng)
                path = Path(name) / "case"
                path.write_bytes(content)
                line = [str(path) if word == "@" else word for word in command]
                found = in_a_child(line)
                codes["did not end" if found.code is None else str(found.code)] += 1
                if found.failed:
                    failures += 1
                    if options.keep:
                        options.keep.mkdir(parents=True, exist_ok=True)
                        (options.keep / f"{make.__name__}-{number}").write_bytes(content)
                    print(f"{' '.join(command)}: {found.printed[-300:]}", file=sys.stderr)
            rows.append((make.__name__, options.cases, failures, codes))
        answers, errors = requests(random.Random(options.seed), options.cases)
        rows.append(("requests", options.cases, errors, answers))
    if options.json:
        keys = ("kind", "cases", "failures", "ends")
        print(json.dumps([dict(zip(keys, row, strict=True)) for row in rows]))
    else:
        print(f"{'':<12}{'cases':>6}{'failures':>10}  ended with")
        for kind, cases, failures, ends in rows:
            told = ", ".join(f"{end}: {count}" for end, count in ends.most_common())
            print(f"{kind:<12}{cases:>6}{failures:>10}  {told}")
    sys.exit(any(failures for _, _, failures, _ in rows))


if __name__ == "__main__":
    main()
