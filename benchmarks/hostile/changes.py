"""What is changed to make something hostile: bytes, JSON, lines of settings."""

import json
import random
from collections.abc import Iterator
from typing import Any

ODD_VALUES: list[Any] = [
    None, True, -1, 0, 1, 0.5, 1e308, 1e-300, float("nan"), float("inf"), 2**63, 10**30,
    "", "x" * 3000, "\ud800", "\x1b[31m", "\x00", "../../etc", [], {}, [[]], {"a": 1}, [1] * 300,
]  # fmt: skip
ODD_WORDS = [
    "true", "-1", "0", "1e308", "nan", "-inf", "9" * 40, "9" * 5000, '""', '"x"', "[]", "{}",
    '"\\u0000"', '"../../x"', "1979-05-27", '[1, "a"]', '"\\u001b[31m"', '"rtsp://a:b@"', "1e-320",
    "0x" + "f" * 400, "[" * 300 + "]" * 300, '"/dev/full"', '"/"', '"rtsp:/u:p@h"', '"secret"',
]  # fmt: skip
ODD_NUMBERS = [
    "-1", "0", "1", "+5", "0x10", "1e3", "9" * 20, "9" * 5000, "", " ", "12 34", "\xb2", "NaN",
]  # fmt: skip


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


def spoil_settings(text: str, rng: random.Random) -> bytes:
    """Return a settings file with odd values, or damaged."""
    if rng.random() < 0.3:
        return spoil(text.encode(), rng)
    lines = text.splitlines()
    for _ in range(rng.choice([1, 1, 3])):
        at = rng.choice([n for n, line in enumerate(lines) if " = " in line])
        lines[at] = f"{lines[at].partition(' = ')[0]} = {rng.choice(ODD_WORDS)}"
    return "\n".join(lines).encode()


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(document, dict):
        inside = list(document.items())
    else:
        inside = list(enumerate(document)) if isinstance(document, list) else []
    for key, value in inside:
        yield document, key
        yield from _places(value)
