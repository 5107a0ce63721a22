"""A broker of a few lines, which misbehaves on request."""

import socket
import struct
import threading
import time


class TinyBroker:
    """Speaks as much MQTT as a publisher needs, and misbehaves on request.

    Args:
        behaviour: "old" knows no MQTT 5, "rude" hangs up instead of saying so, "silent" never
            answers, "strict" lets nobody in, "forgetful" acknowledges nothing,
            "narrow" takes packets of at most 1,500 bytes.
        denied: What topics begin with that nobody may write.
    """

    def __init__(self, behaviour="", *, denied=None):
        self.behaviour = behaviour
        self.denied = denied
        self.levels = []
        self.passwords = []
        self.published = []
        self.heads = []  # of messages, with their topics
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._channels = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._server.close()
        for channel in self._channels:
            channel.close()

    def of(self, topic):
        return [payload for name, payload in list(self.published) if name == topic]

    def send(self, topic, payload, *, retained=False):
        name = topic.encode()
        body = struct.pack("!H", len(name)) + name + (b"\0" if self.levels[-1] == 5 else b"")
        self._channels[-1].sendall(packet(0x30 | retained, body + payload))

    def promise(self, length):
        """Begin a message of so many bytes, and send only a few of them."""
        self._channels[-1].sendall(heading(0x30, length) + bytes(64))

    def send_raw(self, data):
        self._channels[-1].sendall(data)

    def hang_up(self):
        self._channels[-1].shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                channel, _ = self._server.accept()
            except OSError:
                return
            self._channels.append(channel)
            threading.Thread(target=self._serve, args=(channel,), daemon=True).start()

    def _serve(self, channel):
        try:
            with channel.makefile("rb") as stream:
                while head := stream.read(1):
                    self._answer(channel, head[0], stream.read(remaining_length(stream)))
        except (OSError, ValueError):
            pass
        finally:
            channel.close()

    def _answer(self, channel, head, body):
        kind = head & 0xF0
        if kind == 0x10:
            self._greet(channel, body)
        elif kind == 0x30:
            self._take(channel, head, body)
        elif kind == 0x80:
            extra = b"\0" if self.levels[-1] == 5 else b""
            channel.sendall(packet(0x90, body[:2] + extra + b"\1\1"))
        elif kind == 0xC0:
            channel.sendall(packet(0xD0, b""))

    def _greet(self, channel, body):
        level = body[6]
        self.levels.append(level)
        self.passwords.append(body)
        newest = level == 5
        if self.behaviour == "silent":
            return
        if newest and self.behaviour == "rude":
            channel.shutdown(socket.SHUT_RDWR)
        elif newest and self.behaviour == "old":
            channel.sendall(packet(0x20, b"\0\1"))
            channel.shutdown(socket.SHUT_RDWR)
        elif self.behaviour == "strict":
            channel.sendall(packet(0x20, b"\0\x87\0" if newest else b"\0\5"))
        elif newest and self.behaviour == "narrow":
            channel.sendall(packet(0x20, b"\0\0\5\x27" + (1500).to_bytes(4, "big")))
        else:
            channel.sendall(packet(0x20, b"\0\0\0" if newest else b"\0\0"))

    def _take(self, channel, head, body):
        (length,) = struct.unpack("!H", body[:2])
        topic, rest = body[2 : 2 + length].decode(), body[2 + length :]
        number = rest[:2] if head & 0x06 else b""
        rest = rest[len(number) + (self.levels[-1] == 5) :]
        self.heads.append((topic, head))
        self.published.append((topic, rest if topic.endswith("/picture") else rest.decode()))
        if head & 0x06 and self.behaviour != "forgetful":
            is_denied = self.denied and topic.startswith(self.denied)
            channel.sendall(packet(0x40, number + (b"\x87" if is_denied else b"")))


def heading(head, length):
    encoded = b""
    while True:
        length, digit = divmod(length, 128)
        encoded += bytes([digit | (0x80 if length else 0)])
        if not length:
            return bytes([head]) + encoded


def packet(head, body):
    return heading(head, len(body)) + body


def remaining_length(stream):
    length = shift = 0
    while True:
        (digit,) = stream.read(1)
        length |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            return length


def wait_until(condition, *, seconds=20.0):
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.01)
