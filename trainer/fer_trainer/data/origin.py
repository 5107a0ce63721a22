"""Where samples come from, and what was left out on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fer_edge.shared.data.layout import Split
from fer_edge.shared.data.samples import Samples


@dataclass(frozen=True, slots=True)
class VotesOrigin:
    """Where soft labels come from.

    Attributes:
        name: The file's name.
        sha256: Of the file.
        left_out: Number of pictures left out, by the reason.
    """

    name: str
    sha256: str
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where samples come from.

    Attributes:
        name: File or folder name, without its path.
        content_sha256: Of every picture's name and bytes; the same for a folder and a ZIP of it.
        unreadable: Names of pictures that could not be read, and so were left out.
        other_labels: Number of pictures left out because their label is not asked for, by label.
        votes: Where soft labels come from; None without.
        skipped: Names of files that are no part of the data set, or that settings leave out, by
            the reason.
    """

    name: str
    content_sha256: str
    unreadable: tuple[str, ...] = ()
    other_labels: Mapping[str, int] = field(default_factory=dict)
    votes: VotesOrigin | None = None
    skipped: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """A data set as it lies on disk.

    Attributes:
        origin: Where it comes from.
        splits: Samples by the split that the data names; the key is None where it names none.
        doubted: Names of pictures that should not be learnt from.
    """

    origin: Origin
    splits: Mapping[Split | None, Samples]
    doubted: frozenset[str] = frozenset()
