"""Make events as the daemon does, through its own sinks; started by `broker.Publisher`.

Prints "emitted" once all are made; then answers each line (a node) with that node's figures. Ends
as the daemon does when its input closes.
"""

import json
import os
import resource
import sys
import threading
import time
from pathlib import Path

from fer_edge.assemble.event_sinks import make_event_sinks
from fer_edge.daemon.status.socket import starting
from fer_edge.models import open_model
from fer_edge.settings import resolve
from fer_edge.shared.records import Box, Face, Observation, Prediction, Reading
from fer_edge.sinks.spool.spool import Spool
from fer_edge.state.controls import Controls

LABELS = ("happy", "sad")


def note_accepted(path):
    """Let each event that a spool has kept be noted, after the fact."""
    notes = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    append = Spool.append

    def append_and_note(spool, payload):
        kept = append(spool, payload)
        if kept:
            os.write(notes, (json.loads(payload)["id"] + "\n").encode())
        return kept

    Spool.append = append_and_note


def observation(number):
    """Return a face whose expression differs from the one before: each makes an event."""
    label = LABELS[number % 2]
    prediction = Prediction(LABELS, (0.9, 0.1) if label == "happy" else (0.1, 0.9))
    reading = Reading(Face(Box(0, 0, 50, 50), 1.0, 1), prediction, label)
    return Observation(number, time.time(), (reading,))


def emit(sink, count, rate):
    began = time.monotonic()
    for number in range(count):
        sink.emit(observation(number))
        ahead = number / rate - (time.monotonic() - began)
        if ahead > 0.005:
            time.sleep(ahead)


def main():
    plan = json.loads(sys.argv[1])
    if limit := plan["file_limit"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    folder = Path(plan["folder"])
    note_accepted(folder / "accepted")
    model = open_model("edge-small")
    sinks = {}
    for node in plan["nodes"]:
        flags = {
            "output.file": "",
            "events.purpose": "a test of the spool",
            "events.spool": str(folder / f"{node}.db"),
            "mqtt.node": node,
            **plan["settings"],
        }
        settings = resolve(flags=flags, environment={}, file={}).settings
        sinks[node] = make_event_sinks(settings, model, Controls())
    threads = [
        threading.Thread(target=emit, args=(opened[0].sink, plan["count"], plan["rate"]))
        for opened in sinks.values()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for opened in sinks.values():  # a device is online once it has said how it does
        opened[1].sink.report(starting(settings))
    print("emitted", flush=True)
    for line in sys.stdin:
        print(json.dumps(dict(sinks[line.strip()][1].sink.figures())), flush=True)
    for opened in sinks.values():
        for named in opened:
            named.sink.close()


if __name__ == "__main__":
    main()
