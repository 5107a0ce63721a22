"""`config check` says what `run` says: over a table of broken settings, and to a running daemon."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from builders import a_contract, a_picture
from command_line import clean_environment, error_line, fer_edge, start_fer_edge
from tiny_model import tiny_flatbuffer, tiny_model

from fer_edge.shared.model.model_file import write_model
from fer_edge.testing.fakes import MjpegServer

PURPOSE = 'events.purpose = "light in the hall"\n'
BROKER = PURPOSE + 'output.file = ""\nmqtt.host = "127.0.0.1"\nmqtt.port = 9\n'
DIGITS = "9" * 5000

FORKING = """
import json, os, signal, sys
import fer_edge.commands.check, fer_edge.commands.run
from fer_edge.cli import main

def answer(arguments):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
        os.dup2(writing, 2)
        sys.argv[1:] = arguments
        signal.alarm(20)
        main()
    os.close(writing)
    with os.fdopen(reading, errors="replace") as said:
        text = said.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text

print(json.dumps([answer(arguments) for arguments in json.load(sys.stdin)]))
"""
"""Runs the command line many times, loading it once."""

MISFITS = {
    "no such section": ("[camera]\nx = 1\n", "unknown setting 'camera.x'"),
    "no such key": ('mqtt.hots = ""\n', "did you mean 'mqtt.host'"),
    "wrong type": ('model.threads = "many"\n', "a whole number"),
    "a switch in quotes": ('mqtt.tls = "perhaps"\n', "true or false"),
    "out of range": ("source.width = 1\n", "from 16 to 8192"),
    "no choice": ('events.mode = "all"\n', "one of faces, aggregate"),
    "not a number": ("smoothing.margin = nan\n", "smoothing.margin"),
    "a table for a value": ("[source.uri]\nx = 1\n", "source.uri"),
    "no TOML": ("[source\n", "cannot be read as settings"),
    "no text": (b"\xff\xfe[source]\n", "cannot be read as settings"),
    "a line twice": ('source.uri = "0"\nsource.uri = "1"\n', "cannot be read as settings"),
    "a great number": (f"tracker.budget_ms_per_second = {'9' * 400}\n", "from 1 to 10000"),
    "too many digits": (f"model.threads = {DIGITS}\n", "cannot be read as settings"),
    "too many digits in hex": (f"model.threads = 0x{DIGITS}\n", "too large to be shown"),
    "nested lists": ("model.path = " + "[" * 5000 + "]" * 5000, "cannot be read as settings"),
    "nested tables": ("[source.uri" + ".x" * 5000 + "]\n", "too large to be shown"),
    "a key without end": ("x" * 100_000 + " = 1\n", "unknown setting"),
    "a file without end": ("# nothing\n" * 200_000, "more than 1,000,000 bytes"),
    "NUL in an output": ('output.file = "a\\u0000b"\n', "the character NUL"),
    "NUL in the spool": (BROKER + 'events.spool = "a\\u0000b"\n', "the character NUL"),
    "NUL in an address": ('source.uri = "http://a\\u0000b/"\n', "the character NUL"),
    "no purpose": ('mqtt.host = "127.0.0.1"\n', "what for"),
    "a purpose too long": (f'events.file = "e"\nevents.purpose = "{"x" * 501}"\n', "what for"),
    "aggregates and lines on stdout": ('events.mode = "aggregate"\n', "tells of faces"),
    "aggregates and lines in a file": (
        'events.mode = "aggregate"\noutput.file = "lines"\n', "tells of faces",
    ),
    "aggregates, lines and a broker": (
        BROKER.replace('file = ""', 'file = "lines"') + 'events.mode = "aggregate"\n',
        "tells of faces",
    ),
    "events of faces not followed": (BROKER + 'tracker.mode = "each"\n', "tracker.mode"),
    "a node that is none": (BROKER + 'mqtt.node = "hall/#"\n', "mqtt.node"),
    "a base that is none": (BROKER + 'mqtt.base = "+"\n', "mqtt.base"),
    "a prefix that is none": (BROKER + 'mqtt.discovery_prefix = ""\n', "mqtt.discovery_prefix"),
    "a broker's URL": (BROKER.replace("127.0.0.1", "mqtt://broker"), "no scheme"),
    "a broker with its port": (BROKER.replace("127.0.0.1", "broker:1883"), "no port"),
    "a broker that is no address": (BROKER.replace("127.0.0.1", "127.0.0.256"), "mqtt.host"),
    "an authority without TLS": (BROKER + 'mqtt.ca_file = "ca.pem"\n', "mqtt.tls is off"),
    "a certificate without TLS": (
        BROKER + 'mqtt.certificate_file = "own.pem"\n', "mqtt.tls is off",
    ),
    "a key without certificate": (
        BROKER + 'mqtt.tls = true\nmqtt.key_file = "own.key"\n', "mqtt.certificate_file is not",
    ),
    "an authority that is not there": (
        BROKER + 'mqtt.tls = true\nmqtt.ca_file = "no.pem"\n', "No such file",
    ),
    "an authority that is a pipe": (
        BROKER + 'mqtt.tls = true\nmqtt.ca_file = "pipe"\n', "it is a pipe",
    ),
    "an authority that is no certificate": (
        BROKER + 'mqtt.tls = true\nmqtt.ca_file = "text"\n', "readable PEM files",
    ),
    "a password that is not there": (BROKER + 'mqtt.password_file = "no"\n', "No such file"),
    "a password that is a pipe": (BROKER + 'mqtt.password_file = "pipe"\n', "it is a pipe"),
    "a password that is a folder": (BROKER + 'mqtt.password_file = "folder"\n', "it is a folder"),
    "a password that is no text": (BROKER + 'mqtt.password_file = "bytes"\n', "mqtt-password"),
    "metrics for all": ('web.port = 27399\nweb.address = "0.0.0.0"\n', "no web-token"),
    "metrics at no address": ('web.port = 27399\nweb.address = "300.1.1.1"\n', "web.address"),
    "metrics at a URL": ('web.port = 27399\nweb.address = "http://x/"\n', "web.address"),
    "a short token": ('web.port = 27399\nweb.token_file = "text"\n', "at least 16"),
    "a token that is not there": ('web.port = 27399\nweb.token_file = "no"\n', "web-token"),
    "a token that is a pipe": ('web.port = 27399\nweb.token_file = "pipe"\n', "it is a pipe"),
    "a page without a port": ('web.view = "boxes"\n', "web.port is 0"),
    "a page of counts only": (
        'output.file = ""\nevents.mode = "aggregate"\nweb.port = 27399\nweb.view = "boxes"\n',
        "shows faces",
    ),
    "a name with a port": ('web.port = 27399\nweb.names = "x:80"\n', "web.names"),
    "a page's key without certificate": (
        'web.port = 27399\nweb.key = "text"\n', "web.certificate is not",
    ),
    "a page's certificate that is none": (
        'web.port = 27399\nweb.certificate = "text"\n', "readable PEM files",
    ),
    "no source": ('source.uri = ""\n', "no source"),
    "no such Pi camera": ('source.uri = "picamera:front"\n', "names no camera"),
    "no such camera number": (f'source.uri = "{DIGITS}"\n', "5000 digits"),
    "no such scheme": ('source.uri = "ftp://host/film"\n', "is no stream"),
    "a port that is none": ('source.uri = "rtsp://host:99999/"\n', "is no stream"),
    "a secret that is nowhere": ('source.uri = "secret"\n', "the secret is nowhere"),
    "a secret that is no stream": (
        'source.uri = "secret"\nsource.uri_file = "text"\n', "the secret is no stream",
    ),
    "a secret that is a pipe": (
        'source.uri = "secret"\nsource.uri_file = "pipe"\n', "it is a pipe",
    ),
    "a secret that is not asked for": ('source.uri_file = "text"\n', "source.uri = 'secret'"),
    "no such model": ('model.path = "best"\n', "no model 'best'"),
    "a model that is not there": ('model.path = "no.tflite"\n', "does not exist"),
    "a model that is a pipe": ('model.path = "pipe"\n', "it is a pipe"),
    "a model that is text": ('model.path = "text"\n', "not a TFLite model"),
    "a damaged model": ('model.path = "half.tflite"\n', "damaged"),
    "a model that contradicts itself": ('model.path = "other.tflite"\n', "the model's tensors"),
    "a name that is none": ('daemon.name = "the hall"\n', "daemon.name"),
    "an output that is a folder": ('output.file = "folder"\n', "is a folder"),
    "an output that is a pipe": ('output.file = "pipe"\n', "is a pipe"),
    "events into a pipe": (PURPOSE + 'events.file = "pipe"\n', "is a pipe"),
    "a spool that is a pipe": (BROKER + 'events.spool = "pipe"\n', "is a pipe"),
    "events among the lines": (
        PURPOSE + 'output.file = "lines"\nevents.file = "./lines"\n', "name the same file",
    ),
    "lines over the model": ('output.file = "tiny.tflite"\n', "name the same file"),
    "the file is a folder": (os.mkdir, "it is a folder"),
    "the file is a pipe": (os.mkfifo, "it is a pipe"),
    "the file is not there": (None, "No such file"),
}  # fmt: skip


def make_file(path, content):
    if callable(content):
        content(path)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        lines = {"source.uri": '"http://127.0.0.1:9/"', "model.path": '"tiny.tflite"'}
        given = [key for key in lines if key in content]
        base = [f"{key} = {value}\n" for key, value in lines.items() if key not in given]
        path.write_text("".join(base) + content)


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Return what `config check` and `run` say to each file of the table: exit code and line."""
    folder = tmp_path_factory.mktemp("check")
    (folder / "tiny.tflite").write_bytes(tiny_model(a_contract()))
    (folder / "half.tflite").write_bytes(tiny_model()[:-100])
    other = a_contract(labels=("sad", "happy", "fear"))
    (folder / "other.tflite").write_bytes(write_model(tiny_flatbuffer(a_contract()), other, {}))
    (folder / "text").write_text("short\n")
    (folder / "bytes").write_bytes(b"\xff\xfe")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    names = {kind: f"{number}.toml" for number, kind in enumerate(MISFITS)}
    for kind, (content, _) in MISFITS.items():
        make_file(folder / names[kind], content)
    commands = [
        command
        for name in names.values()
        for command in (["config", "check", name], ["run", "--config", name])
    ]
    done = subprocess.run(
        [sys.executable, "-c", FORKING], input=json.dumps(commands), capture_output=True, text=True,
        check=False, timeout=400, cwd=folder, env=clean_environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    return dict(zip(names, zip(told[::2], told[1::2], strict=True), strict=True))


@pytest.mark.parametrize("kind", MISFITS)
@pytest.mark.xdist_group("check")
def test_check_says_what_run_says(answers, kind):
    checked, ran = answers[kind]
    assert checked == ran
    code, said = checked
    assert code == 78, said
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert len(said) < 1500, "nobody reads more"
    assert MISFITS[kind][1] in said


def test_what_is_right_is_right(tmp_path, tiny):
    """Nothing of the device has to be here: no camera, no broker, no folder."""
    good = tmp_path / "good.toml"
    good.write_text(
        f'{PURPOSE}source.uri = "rtsp://camera/"\nmodel.path = "{tiny}"\n'
        'output.file = "/var/lib/no-such/lines"\nevents.spool = "/var/lib/no-such/events.db"\n'
        'mqtt.host = "broker.example"\nweb.port = 9000\n'
    )
    done = fer_edge("config", "check", good)
    assert (done.returncode, done.stdout) == (0, f"ok: {good}\n"), done.stderr


def test_what_works_and_is_not_what_it_seems_is_a_warning(tmp_path, tiny):
    (tmp_path / "password").write_text("something")
    file = tmp_path / "edge.toml"
    file.write_text(
        f'{PURPOSE}output.file = ""\nmodel.path = "{tiny}"\nmqtt.host = "broker.example"\n'
        f'mqtt.username = "hall"\nmqtt.password_file = "{tmp_path}/password"\n'
    )
    done = fer_edge("config", "check", file)
    assert done.returncode == 0
    assert "mqtt.tls is off: the password goes to broker.example unencrypted" in done.stderr


def on_device(tmp_path, tiny, settings):
    """Return what `config check --on-device` and `run` say."""
    file = tmp_path / "edge.toml"
    file.write_text(f'model.path = "{tiny}"\n{settings}')
    environment = {"XDG_STATE_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    return [
        fer_edge(*command, environment=environment, cwd=tmp_path)
        for command in (("config", "check", "--on-device", file), ("run", "--config", file))
    ]


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ('source.uri = "{url}"\noutput.file = "no/lines"\n', 1, "no/lines cannot be written"),
        (
            'source.uri = "{url}"\noutput.file = ""\nevents.file = "no/e"\n' + PURPOSE, 1,
            "no/e cannot be written",
        ),
        ('source.uri = "{url}"\noutput.file = ""\nweb.port = {taken}\n', 1, "cannot be listened"),
        ('source.uri = "97"\noutput.file = ""\n', 69, "/dev/video97 does not exist"),
        ('source.uri = "no.mp4"\noutput.file = ""\n', 1, "no.mp4 does not exist"),
    ],
    ids=["output", "events", "port", "camera", "video"],
)  # fmt: skip
def test_on_the_device_check_opens_what_run_opens(tmp_path, tiny, settings, code, words):
    with MjpegServer([a_picture(160, 120)]) as camera, socket.create_server(("127.0.0.1", 0)) as s:
        settings = settings.format(url=camera.url, taken=s.getsockname()[1])
        checked, ran = on_device(tmp_path, tiny, settings)
    assert error_line(checked, code=code) == error_line(ran, code=code)
    assert words in checked.stderr
    assert not (tmp_path / "lines").exists()


def test_on_the_device_a_broker_that_is_away_is_said(tmp_path, tiny):
    with MjpegServer([a_picture(160, 120)]) as camera:
        file = tmp_path / "edge.toml"
        file.write_text(f'model.path = "{tiny}"\nsource.uri = "{camera.url}"\n{BROKER}')
        environment = {"XDG_STATE_HOME": str(tmp_path / "state")}
        checked = fer_edge("config", "check", "--on-device", file, environment=environment)
    assert "the broker 127.0.0.1:9 cannot be reached" in error_line(checked, code=69)
    assert not (tmp_path / "state").exists(), "nothing is left behind"


def test_on_the_device_all_may_be_well(tmp_path, tiny):
    with MjpegServer([a_picture(160, 120)]) as camera:
        file = tmp_path / "edge.toml"
        file.write_text(
            f'model.path = "{tiny}"\nsource.uri = "{camera.url}"\noutput.file = "lines"\n'
        )
        done = fer_edge("config", "check", "--on-device", "edge.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "ok: edge.toml\n"), done.stderr
    assert list(tmp_path.iterdir()) == [file], "a file that would be made is not made"


def test_only_root_can_check_for_somebody_else(tmp_path):
    file = tmp_path / "edge.toml"
    file.write_text('source.uri = "0"\n')
    line = error_line(fer_edge("config", "check", "--user", "nobody-here", file), code=78)
    assert "there is no user 'nobody-here'" in line


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_a_secret_that_the_daemons_user_may_not_read_is_found(tmp_path, tiny):
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    secret = tmp_path / "password"
    secret.write_text("something")
    secret.chmod(0o600)
    file = tmp_path / "edge.toml"
    file.write_text(f'model.path = "edge-small"\n{BROKER}mqtt.password_file = "{secret}"\n')
    assert fer_edge("config", "check", file).returncode == 0
    line = error_line(fer_edge("config", "check", "--user", "nobody", file), code=78)
    assert "Permission denied" in line


BAD_AT_RELOAD = (
    "a great number", "too many digits", "too many digits in hex", "nested lists", "nested tables",
    "NUL in an output", "no purpose", "metrics for all", "a model that is a pipe",
    "a secret that is a pipe", "an output that is a pipe", "the file is a pipe",
    "the file is a folder", "the file is not there", "aggregates and lines on stdout",
)  # fmt: skip


@pytest.fixture
def daemon(tmp_path, tiny):
    """A daemon with a settings file, which may be replaced, and its log."""
    (tmp_path / "tiny.tflite").write_bytes(tiny.read_bytes())
    (tmp_path / "text").write_text("short\n")
    os.mkfifo(tmp_path / "pipe")
    with MjpegServer([a_picture(160, 120)], frames_per_second=20) as camera:
        good = f'source.uri = "{camera.url}"\nmodel.path = "tiny.tflite"\noutput.file = "lines"\n'
        (tmp_path / "edge.toml").write_text(good)
        with (tmp_path / "log").open("w") as log:
            process = start_fer_edge(
                "run", "--config", "edge.toml", cwd=tmp_path, stderr=log,
                environment={"XDG_RUNTIME_DIR": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)},
            )  # fmt: skip
        try:
            yield Running(tmp_path, process, good)
        finally:
            process.kill()
            process.wait()


class Running:
    def __init__(self, folder, process, good):
        self.folder, self.process, self.good = folder, process, good

    def lines(self):
        path = self.folder / "lines"
        return path.read_text().count("\n") if path.exists() else 0

    def reload(self, content):
        """Put another file in the place of the settings; return what the daemon says to it."""
        path = self.folder / "edge.toml"
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        make_file(path, content)
        before = len((self.folder / "log").read_text())
        self.process.send_signal(signal.SIGHUP)
        self.wait(lambda: (self.folder / "log").read_text().count("\n", before))
        return (self.folder / "log").read_text()[before:]

    def wait(self, condition):
        give_up = time.monotonic() + 20
        while not condition():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < give_up, (self.folder / "log").read_text()
            time.sleep(0.02)


def test_a_running_daemon_goes_on_whatever_it_is_given(daemon):
    daemon.wait(lambda: daemon.lines() > 2)
    for kind in BAD_AT_RELOAD:
        content, words = MISFITS[kind]
        said = daemon.reload(content)
        assert "the new settings are not used: " in said, kind
        assert words in said
        seen = daemon.lines()
        daemon.wait(lambda seen=seen: daemon.lines() > seen + 2)
    assert "settings read anew: smoothing" in daemon.reload(
        daemon.good + "smoothing.margin = 0.2\n"
    )
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(20) == 0
