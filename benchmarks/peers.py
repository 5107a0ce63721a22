"""Agreement with what other face and expression projects expect of their own test pictures."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from real_data import parse_arguments, report, require_data

from fer_edge.shared.records import Box
from fer_edge.shared.terminal.tables import format_table

FER_EDGE = [str(Path(sys.executable).parent / "fer-edge"), "classify", "--json"]
BOX_LISTS = ("boxes_xywh", "boxes_xywh_cnn", "boxes_xywh_ssd", "boxes_xywh_tiny")


def classify(images: list[Path], *extra: str) -> dict[str, Any]:
    """Run the command line once over all pictures; return its lines by picture."""
    done = subprocess.run(
        [*FER_EDGE, *extra, *map(str, images)], capture_output=True, text=True, check=False
    )
    sys.stderr.write(done.stderr)
    return {line["image"]: line for line in map(json.loads, done.stdout.splitlines())}


def found_all(case: dict[str, Any], boxes: list[Box]) -> tuple[bool, str]:
    """Compare faces with what is expected; boxes of any one reference detector will do."""
    wanted = case.get("faces")
    references = [case[name] for name in BOX_LISTS if name in case]
    if references:
        hits = [
            sum(any(Box(*ref).iou(box) >= 0.3 for box in boxes) for ref in reference)
            for reference in references
        ]
        best = max(range(len(hits)), key=lambda i: hits[i] / len(references[i]))
        n = len(references[best])
        return hits[best] == n, f"{hits[best]} of {n} faces, {len(boxes) - hits[best]} more"
    if wanted is None:
        return True, f"{len(boxes)} faces"
    text = str(wanted)
    least = int(text.rpartition(">=")[2].split()[0]) if ">=" in text else int(text)
    enough = len(boxes) >= least if ">=" in text else len(boxes) == least
    return enough, f"{len(boxes)} faces, expected {text}"


def judge(case: dict[str, Any], line: dict[str, Any] | None) -> tuple[bool, str]:
    """Return whether a case agrees, and in what."""
    if line is None:
        return False, "not read"
    faces = line["faces"]
    agrees, note = found_all(case, [Box(*face["box"]) for face in faces])
    for expression in case.get("emotion", {}):
        said = faces[0]["label"] if faces else "no face"
        confidence = faces[0]["confidence"] if faces else 0
        agrees &= said == expression
        note += f"; {said} {confidence:.2f}, expected {expression}"
    return agrees, note


def main() -> None:
    arguments = parse_arguments(__doc__)
    folder = require_data(arguments.data / "peers")
    cases = json.loads((folder / "expected.json").read_text())
    crops = [case for case in cases if "cropped" in case["file"]]
    scenes = [case for case in cases if case not in crops]
    lines = classify([folder / case["file"] for case in scenes])
    lines |= classify([folder / case["file"] for case in crops], "--crops")
    results = {case["file"]: judge(case, lines.get(str(folder / case["file"]))) for case in cases}
    agree = sum(ok for ok, _ in results.values())
    rows = [[name, "yes" if ok else "NO", note] for name, (ok, note) in results.items()]
    text = format_table(["case", "agrees", "seen"], rows)
    summary = f"\n\n{agree} of {len(cases)} cases agree"
    report(
        arguments,
        {"agree": agree, "cases": len(cases), "results": {k: list(v) for k, v in results.items()}},
        text + summary,
    )


if __name__ == "__main__":
    main()
