"""HTTP/1.1 byte by byte: what a strict client may send and see, without a library between."""

import json
import socket
import urllib.parse
from dataclasses import dataclass


@dataclass
class Reply:
    version: str
    status: int
    headers: list  # (lower-case name, value) in order
    body: bytes

    def header(self, name):
        values = [value for key, value in self.headers if key == name.lower()]
        assert len(values) <= 1, f"{name} is repeated: {values}"
        return values[0] if values else None

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["code"]


class Closed(Exception):
    """The server has ended the connection."""


class Wire:
    def __init__(self, base, timeout=30.0):
        address = urllib.parse.urlsplit(base)
        self.socket = socket.create_connection((address.hostname, address.port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def finish(self):
        """Half-close: nothing more will be sent."""
        self.socket.shutdown(socket.SHUT_WR)

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise Closed(self.buffer)
        self.buffer += data

    def read_until(self, mark):
        while mark not in self.buffer:
            self.more()
        found, self.buffer = self.buffer.split(mark, 1)
        return found

    def read(self, head=False):
        """One answer; head: it is to a HEAD request, and has no body whatever its length says."""
        lines = self.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, _reason = lines[0].split(" ", 2)
        headers = [(name.lower(), value.strip()) for name, value in (line.split(":", 1) for line in lines[1:])]
        reply = Reply(version, int(status), headers, b"")
        length = int(reply.header("content-length") or 0)
        if not head and reply.status not in (100, 204, 304):
            while len(self.buffer) < length:
                self.more()
            reply.body, self.buffer = self.buffer[:length], self.buffer[length:]
        return reply

    def closed(self):
        """True when nothing but the end comes."""
        try:
            self.more()
        except (Closed, ConnectionResetError):
            return self.buffer == b""
        return False

    def ask(self, data, head=False):
        self.send(data)
        return self.read(head)
