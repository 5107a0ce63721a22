"""Where the real data lies, and the command line the scripts share."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def parse_arguments(description: str, **extra: str) -> argparse.Namespace:
    """Parse `--data`, `--json` and further switches given as name=help."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    for name, text in extra.items():
        parser.add_argument(f"--{name}", action="store_true", help=text)
    return parser.parse_args()


def require_data(path: Path) -> Path:
    """Return the path, or leave with a clear word where the data is not at hand."""
    if not path.exists():
        sys.exit(f"skipped: {path} is not here; name the data's folder with --data")
    return path


def report(arguments: argparse.Namespace, result: dict[str, Any], text: str) -> None:
    """Print JSON or text."""
    print(json.dumps(result, indent=2) if arguments.json else text)
