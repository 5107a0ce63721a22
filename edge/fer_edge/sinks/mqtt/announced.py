"""What brokers keep of a device for good, remembered so that it can be withdrawn.

A retained message stays until somebody replaces it by an empty one. After a change of name, base
or prefix only this device knows where its old ones are.
"""

import dataclasses
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fer_edge.shared.errors import FerError
from fer_edge.shared.named_files import read_named
from fer_edge.shared.strict_json import parse_json
from fer_edge.shared.typed_tables import from_table
from fer_edge.shared.whole_files import make_folder, replace_file

_MOST_BYTES: Final = 64 * 1024
_MOST_BROKERS: Final = 8
_MOST_TOPICS: Final = 64
_TOPIC: Final = re.compile(r"[A-Za-z0-9_/-]{1,1000}")
_FIX: Final = "make room in the state folder"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """What one broker may keep.

    Attributes:
        topics: Of retained messages.
        components: Of Home Assistant's device, by name, with their platforms.
    """

    topics: tuple[str, ...] = ()
    components: Mapping[str, str] = field(default_factory=dict)


_NOTHING: Final = Kept()


class Announced:
    """What a broker keeps of this device: now, and perhaps from earlier settings.

    Args:
        path: The file that remembers it; it need not exist.
        broker: Host and port.
        topics: Of all that is retained from now on.
        components: Offered to Home Assistant from now on, with their platforms.
        unsure: What may be there although nothing is remembered of this broker.
    """

    def __init__(
        self,
        path: Path,
        broker: str,
        *,
        topics: Sequence[str],
        components: Mapping[str, str],
        unsure: Kept = _NOTHING,
    ) -> None:
        self._path = path
        self._broker = broker
        self._all = _read(path)
        self._written: dict[str, Kept] = {}
        self._topics = tuple(topics)
        before = self._all.pop(broker, unsure)
        self._kept = Kept(
            tuple(dict.fromkeys([*before.topics, *topics]))[-_MOST_TOPICS:],
            {**before.components, **components},
        )
        self._gone = {
            name: what for name, what in before.components.items() if name not in components
        }

    @property
    def stale(self) -> tuple[str, ...]:
        """Topics whose retained messages nobody wants any more."""
        return tuple(topic for topic in self._kept.topics if topic not in self._topics)

    @property
    def gone(self) -> Mapping[str, str]:
        """Components that were offered once and are no more, with their platforms."""
        return self._gone

    def remember(self) -> None:
        """Write down what will be retained; a file that takes nothing is a warning."""
        others = dict(list(self._all.items())[1 - _MOST_BROKERS :])
        told = {**others, self._broker: self._kept}
        if told == self._written:  # a broker that asks again and again shall not wear the card
            return
        text = json.dumps({broker: dataclasses.asdict(kept) for broker, kept in told.items()})
        try:
            make_folder(self._path.parent, fix=_FIX)
            replace_file(self._path, text + "\n", fix=_FIX, mode=0o600)
            self._written = told
        except FerError as error:
            _log.warning("what the broker keeps of this device is not remembered: %s", error)

    def withdrawn(self, topic: str) -> None:
        """Note that a broker keeps nothing there any more."""
        topics = tuple(kept for kept in self._kept.topics if kept != topic)
        self._kept = dataclasses.replace(self._kept, topics=topics)
        self.remember()


def is_remembered(folder: Path, broker: str, topic: str) -> bool:
    """Return whether a run of any name on this machine remembers that a broker keeps a topic."""
    runs = (_read(path).get(broker, _NOTHING) for path in folder.glob("announced*.json"))
    return any(topic in kept.topics for kept in runs)


def _read(path: Path) -> dict[str, Kept]:
    try:
        told = parse_json(read_named(path, most_bytes=_MOST_BYTES))
        found = {broker: from_table(Kept, kept) for broker, kept in told.items()}
        for kept in found.values():
            if not all(_TOPIC.fullmatch(topic) for topic in kept.topics):
                raise ValueError("a topic in it is none")  # noqa: TRY301 - joins the others
    except FileNotFoundError:
        return {}
    except (AttributeError, OSError, ValueError) as error:
        _log.warning("%s is not used (%s): what it remembered stays at the broker", path, error)
        return {}
    return found
