"""An RTSP camera of GStreamer, for the system's Python: `python3 rtsp_camera.py PIPELINE [PORT]`.

Prints the port, then serves /live to whoever comes until it is killed. Reads how to behave from
its standard input, a word a line; the elements of the pipeline with these names do it:

picture: a videotestsrc; `frozen` and `black` change its pattern, `stall` lets nothing out of it,
    `slow` one picture in three seconds.
size: a capsfilter; `large` changes its width and height.
fault: a breakmydata; `garbage` breaks every byte, `damaged` one in a thousand.

`stream` undoes all of that.
"""

import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - versions are chosen first

PATTERNS = {"frozen": "smpte75", "black": "black"}
BROKEN = {"garbage": 1.0, "damaged": 0.001}
SIZE, LARGE = (320, 240), (640, 480)


class Camera:
    """What the pipeline is made to do, over as many pipelines as clients call for."""

    def __init__(self):
        self.word = "stream"
        self.passed_at = 0.0
        self.media = None

    def configure(self, _factory, media):
        self.media = media.get_element()
        picture = self.media.get_by_name("picture")
        if picture is not None:
            picture.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, self.hold)
        self.behave(self.word)

    def behave(self, word):
        self.word = word
        picture, size, fault = (
            self.media and self.media.get_by_name(name) for name in ("picture", "size", "fault")
        )
        if picture:
            picture.set_property("pattern", PATTERNS.get(word, "smpte"))
        if size:
            width, height = LARGE if word == "large" else SIZE
            caps = f"video/x-raw,format=I420,width={width},height={height},framerate=30/1"
            size.set_property("caps", Gst.Caps.from_string(caps))
        if fault:
            fault.set_property("probability", BROKEN.get(word, 0.0))

    def hold(self, _pad, _info):
        now = time.monotonic()
        if self.word == "stall" or (self.word == "slow" and now < self.passed_at + 3):
            return Gst.PadProbeReturn.DROP
        self.passed_at = now
        return Gst.PadProbeReturn.OK

    def listen(self):
        for line in sys.stdin:
            GLib.idle_add(self.behave, line.strip())


Gst.init(None)
camera = Camera()
server = GstRtspServer.RTSPServer(
    address="127.0.0.1", service=sys.argv[2] if len(sys.argv) > 2 else "0"
)
factory = GstRtspServer.RTSPMediaFactory(launch=f"( {sys.argv[1]} )", shared=True)
factory.connect("media-configure", camera.configure)
server.get_mount_points().add_factory("/live", factory)
if not server.attach(None):
    raise SystemExit("the port is taken")
print(server.get_bound_port(), flush=True)
threading.Thread(target=camera.listen, daemon=True).start()
GLib.MainLoop().run()
