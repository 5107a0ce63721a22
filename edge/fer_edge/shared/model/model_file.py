"""The one file that holds a model, its contract and its golden vectors.

A model is one file: a TFLite flatbuffer that any interpreter loads, followed by a ZIP (TFLite's
"associated files" convention) with `contract.json`, `labels.txt` and golden vectors, followed by
the SHA-256 of everything before it, in hex, as the ZIP's comment. So a single flipped bit
anywhere is found, and `unzip -l` still lists the file.
"""

import dataclasses
import hashlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fer_edge.shared.errors import ModelError
from fer_edge.shared.model.contract import RECONVERT, ModelContract, broken
from fer_edge.shared.named_files import read_named

CONTRACT_NAME: Final = "contract.json"
LABELS_NAME: Final = "labels.txt"
GOLDEN_INPUTS_NAME: Final = "golden/inputs.npy"
GOLDEN_OUTPUTS_NAME: Final = "golden/outputs.npy"
FLATBUFFER_MAGIC: Final = b"TFL3"
MAX_MODEL_BYTES: Final = 64 * 2**20
"""Far above any model for these devices; bounds what a wrong path can make us read."""
MOST_CONTRACT_BYTES: Final = 256 * 1024
"""Many times what any contract needs."""
ZIP_ERRORS: Final = (
    EOFError, OSError, RuntimeError, ValueError, lzma.LZMAError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What the standard library raises over a damaged ZIP."""
_DIGEST_CHARACTERS: Final = 64


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file taken apart and found whole.

    Attributes:
        path: Where it was read from, for messages.
        flatbuffer: The bytes that an interpreter loads.
        contract: What it promises.
        members: Every file of the ZIP, by name.
        sha256: Of the whole file, as `sha256sum` prints it: the model's identity, which covers the
            network, the contract with its labels, and the golden vectors. "" where there is no file
            yet.
    """

    path: str
    flatbuffer: bytes = field(repr=False)
    contract: ModelContract
    members: Mapping[str, bytes] = field(repr=False)
    sha256: str = ""


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of `data` in hex."""
    return hashlib.sha256(data).hexdigest()


def write_model(flatbuffer: bytes, contract: ModelContract, golden: Mapping[str, bytes]) -> bytes:
    """Put a flatbuffer, its contract and its golden vectors into one file's bytes.

    The same arguments give the same bytes: no time stamps, no compression.

    Args:
        flatbuffer: The TFLite model.
        contract: Its promise; the flatbuffer's hash is filled in here.
        golden: `.npy` bytes by member name.
    """
    contract = dataclasses.replace(contract, flatbuffer_sha256=sha256_hex(flatbuffer))
    members = {
        CONTRACT_NAME: contract.to_json().encode(),
        LABELS_NAME: "".join(label + "\n" for label in contract.labels).encode(),
        **golden,
    }
    buffer = io.BytesIO(flatbuffer)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
        archive.comment = b"0" * _DIGEST_CHARACTERS
    body = buffer.getvalue()[:-_DIGEST_CHARACTERS]
    return body + sha256_hex(body).encode()


def read_model(path: Path) -> ModelFile:
    """Read a model file and check that it is whole and keeps its own promises.

    Nothing is loaded into an interpreter, so a broken file cannot crash the process.

    Raises:
        ModelError: Missing, no TFLite model, without contract, damaged, or contradicting itself.
    """
    return parse_model(read_bytes(path), where=str(path))


def parse_model(data: bytes, *, where: str) -> ModelFile:
    """Like `read_model`, from bytes."""
    if data[4:8] != FLATBUFFER_MAGIC:
        raise ModelError(
            f"{where}: not a TFLite model ({_describe_start(data)})",
            expected="a .tflite file with its contract",
            fix=RECONVERT,
        )
    sha256 = _check_digest(data, where=where)
    members, start = _read_archive(data, where=where)
    if len(members[CONTRACT_NAME]) > MOST_CONTRACT_BYTES:
        raise broken(f"{where}: a contract of {len(members[CONTRACT_NAME]):,} bytes")
    contract = ModelContract.from_json(members[CONTRACT_NAME].decode(errors="replace"), where=where)
    flatbuffer = data[:start]
    if sha256_hex(flatbuffer) != contract.flatbuffer_sha256:
        raise ModelError(
            f"{where}: the contract belongs to another model",
            expected=f"flatbuffer SHA-256 {contract.flatbuffer_sha256[:12]}..., "
            f"not {sha256_hex(flatbuffer)[:12]}...",
            fix=RECONVERT,
        )
    listed = members.get(LABELS_NAME, b"").decode(errors="replace").splitlines()
    if tuple(listed) != contract.labels:
        raise ModelError(
            f"{where}: {LABELS_NAME} says {listed}",
            expected=f"{list(contract.labels)}, as {CONTRACT_NAME} says",
            fix=RECONVERT,
        )
    return ModelFile(where, flatbuffer, contract, members, sha256)


def read_bytes(path: Path) -> bytes:
    """Read a file that is not larger than any model.

    Raises:
        ModelError: It is missing, larger, or cannot be read.
    """
    expected = "a .tflite file with its contract"
    try:
        return read_named(path, most_bytes=MAX_MODEL_BYTES)
    except FileNotFoundError:
        raise ModelError(
            f"{path} does not exist", expected=expected, fix="check the path"
        ) from None
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read ({error.strerror})",
            expected=expected,
            fix="name the file itself, and check its permissions",
        ) from error
    except ValueError:
        raise ModelError(
            f"{path} is larger than any model for these devices",
            expected=f"at most {MAX_MODEL_BYTES:,} bytes",
            fix="check that this is a model file",
        ) from None


def _describe_start(data: bytes) -> str:
    return f"{len(data):,} bytes, starting {data[:8]!r}" if data else "the file is empty"


def _check_digest(data: bytes, *, where: str) -> str:
    """Check the hash at the file's end, which covers every byte before it; return the file's."""
    recorded = data[-_DIGEST_CHARACTERS:]
    digest = hashlib.sha256(memoryview(data)[:-_DIGEST_CHARACTERS])
    found = digest.hexdigest().encode()
    if found == recorded:
        digest.update(recorded)
        return digest.hexdigest()
    if CONTRACT_NAME.encode() in data:
        raise ModelError(
            f"{where}: the file is damaged (its SHA-256 is {found[:12].decode()}...)",
            expected=f"{recorded[:12].decode(errors='replace')}..., as recorded at its end",
            fix="copy the file again from where it was made",
        )
    raise ModelError(
        f"{where}: a TFLite model without contract",
        expected=f"a ZIP with {CONTRACT_NAME} (labels, preprocessing, golden vectors) behind it",
        fix=RECONVERT,
    )


def _read_archive(data: bytes, *, where: str) -> tuple[dict[str, bytes], int]:
    """Return every member and the offset at which the ZIP begins."""
    members = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            fits = sum(entry.file_size for entry in entries) <= len(data)
            if fits:
                members = {entry.filename: archive.read(entry) for entry in entries}
    except ZIP_ERRORS as error:
        raise broken(f"{where}: the ZIP behind the model cannot be read ({error})") from error
    if not fits:
        raise broken(f"{where}: the ZIP behind the model claims more than the file holds")
    if len(members) < len(entries):
        raise broken(f"{where}: the ZIP behind the model holds a name twice")
    if CONTRACT_NAME not in members:
        raise broken(f"{where}: the ZIP behind the model holds {sorted(members)}")
    return members, min(entry.header_offset for entry in entries)
