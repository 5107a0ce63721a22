"""`config check` by root sees the secrets that systemd would hand to the service."""

import base64
import os
import subprocess
import sys

import pytest
from command_line import clean_environment, error_line

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may read the secrets")

ADDRESS = "rtsp://hall:sesame@cam.example/stream"
CHECK = """
import sys
from fer_edge.commands import as_service
stores, as_service._ENCRYPTED = sys.argv.pop(1).split(), sys.argv.pop(1)
as_service._STORES = tuple(stores)
from fer_edge.cli import main
main()
"""
"""With other folders than /etc/credstore: this machine's own secrets stay as they are."""
CREDS = """\
#!/bin/sh
[ "$1 $2 $4" = "decrypt --name=source-uri -" ] || { echo "asked for $*" >&2; exit 2; }
exec base64 --decode "$3"
"""
"""Encrypted by a machine's own key is, here, what base64 makes of it."""


@pytest.fixture
def check(tmp_path, tiny):
    """Run `config check` on settings that ask for a secret, with stores of the test's own."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "systemd-creds").write_text(CREDS)
    (tmp_path / "bin" / "systemd-creds").chmod(0o755)
    for store in ("first", "second", "encrypted"):
        (tmp_path / store).mkdir()
    file = tmp_path / "edge.toml"
    file.write_text(f'source.uri = "secret"\nmodel.path = "{tiny}"\n')

    def run():
        environment = clean_environment({"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"})
        environment.pop("CREDENTIALS_DIRECTORY", None)
        stores = (f"{tmp_path / 'first'} {tmp_path / 'second'}", str(tmp_path / "encrypted"))
        done = subprocess.run(
            [sys.executable, "-c", CHECK, *stores, "config", "check", str(file)],
            capture_output=True, text=True, timeout=120, check=False, env=environment,
        )  # fmt: skip
        assert "sesame" not in done.stdout + done.stderr
        return done

    return run


def encrypted(text):
    return base64.b64encode(text.encode())


def test_a_secret_that_is_nowhere_is_missed(check):
    assert "source-uri" in error_line(check(), code=78)


def test_an_encrypted_secret_is_seen(check, tmp_path):
    (tmp_path / "encrypted" / "fer-edge.source-uri").write_bytes(encrypted(ADDRESS))
    assert check().returncode == 0


def test_it_is_checked_and_not_only_found(check, tmp_path):
    (tmp_path / "encrypted" / "fer-edge.source-uri").write_bytes(encrypted("picamera:front"))
    assert "the secret is no stream" in error_line(check(), code=78)


def test_one_that_cannot_be_decrypted_is_named(check, tmp_path):
    secret = tmp_path / "encrypted" / "fer-edge.source-uri"
    secret.write_bytes(b"of another machine !")
    assert f"the secret {secret} cannot be decrypted" in error_line(check(), code=78)


def test_the_first_store_wins_as_with_systemd(check, tmp_path):
    (tmp_path / "encrypted" / "fer-edge.source-uri").write_bytes(encrypted("picamera:front"))
    (tmp_path / "second" / "fer-edge.source-uri").write_text("picamera:back")
    (tmp_path / "first" / "fer-edge.source-uri").write_text(ADDRESS)
    assert check().returncode == 0
