"""A TCP proxy of the tests' own, to lose what a server says: the requests get through, the answers
do not; or to say something else.

What it does is set by `mode`, for all its connections at once, and may be changed at any time:

  pass   both ways
  hold   what the server says is kept, and goes on its way when the mode is `pass` again
  slow   what the server says comes `delay` seconds later
  drop   what the server says is thrown away
  flip   now and then one bit of what the server says is another
  answer what a client says with `answers[0]` in it does not get through: the client hears `answers[1]`
  cut    every connection is closed, and new ones are closed at once
"""

import contextlib
import random
import select
import socket
import threading
import time

MODES = ("pass", "hold", "slow", "drop", "flip", "answer", "cut")
CHUNK = 65536
FLIP_EACH = 4  # of so many pieces one is changed


class Proxy:
    def __init__(self, target_port, target_host="127.0.0.1"):
        self.target = (target_host, target_port)
        self.mode = "pass"
        self.random = random.Random(0)
        self.flipped = 0
        self.answers = None  # (what is looked for, what is answered instead)
        self.answered = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        # Whoever changes the mode wakes the loop by it.
        self.waker, self.woken = socket.socketpair()
        self.pairs = {}  # each end of a connection -> the other
        self.servers = set()  # those ends that lead to the server
        self.kept = {}  # client's end -> what is held back from it
        self.delay = 0.1
        self.late = []  # (when it is due, client's end, what it is), in this order
        self.changed = threading.Condition()
        self.ending = False
        self.thread = threading.Thread(target=self.run, name="proxy", daemon=True)

    def start(self):
        self.thread.start()
        return self

    def set(self, mode):
        """
        In force when it returns: nothing that the server says afterwards is treated in the old way.
        """
        assert mode in MODES, mode
        with self.changed:
            self.wanted = mode
            self.waker.send(b"!")
            assert self.changed.wait_for(lambda: self.mode == mode, 10), f"the proxy did not turn to {mode}"

    def stop(self):
        self.ending = True
        self.waker.send(b"!")
        if self.thread.ident:
            self.thread.join(10)
        for place in (self.listener, self.waker, self.woken):
            place.close()

    # --- The loop ---

    def run(self):
        while not self.ending:
            left = max(0, self.late[0][0] - time.monotonic()) if self.late else None
            ready, _, _ = select.select([self.woken, self.listener, *self.readable()], [], [], left)
            self.give_late(time.monotonic())
            # The mode first, so that what is read after it is treated in the new way.
            if self.woken in ready:
                self.turn()
                continue
            for place in ready:
                if place is self.listener:
                    self.accept()
                elif place in self.pairs:
                    self.carry(place)
        self.cut()

    def readable(self):
        return list(self.pairs)

    def turn(self):
        self.woken.recv(CHUNK)
        if self.ending:
            return
        with self.changed:
            self.mode = self.wanted
            if self.mode == "cut":
                self.cut()
            self.give_late(float("inf"))
            if self.mode == "pass":
                for client, data in list(self.kept.items()):
                    self.give(client, data)
            self.kept.clear()
            self.changed.notify_all()

    def accept(self):
        client, _ = self.listener.accept()
        if self.mode == "cut":
            client.close()
            return
        try:
            server = socket.create_connection(self.target, timeout=5)
        except OSError:
            client.close()
            return
        for place in (client, server):
            place.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            place.settimeout(5)
        self.pairs[client], self.pairs[server] = server, client
        self.servers.add(server)

    def carry(self, place):
        other = self.pairs[place]
        try:
            data = place.recv(CHUNK)
        except OSError:
            data = b""
        if not data:
            self.close(place)
        elif self.mode == "answer" and place not in self.servers and self.answers[0] in data:
            self.answered += 1
            self.give(place, self.answers[1])
        elif place not in self.servers or self.mode in ("pass", "answer"):
            self.give(other, data)
        elif self.mode == "flip":
            self.give(other, self.flip(data))
        elif self.mode == "slow":
            self.late.append((time.monotonic() + self.delay, other, data))
        elif self.mode == "hold":
            self.kept[other] = self.kept.get(other, b"") + data

    def flip(self, data):
        if self.random.randrange(FLIP_EACH):
            return data
        data = bytearray(data)
        data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
        self.flipped += 1
        return bytes(data)

    def give_late(self, now):
        while self.late and self.late[0][0] <= now:
            _, place, data = self.late.pop(0)
            if place in self.pairs:
                self.give(place, data)

    def give(self, place, data):
        try:
            place.sendall(data)
        except OSError:
            self.close(place)

    def close(self, place):
        for end in (place, self.pairs.pop(place, None)):
            if end:
                self.pairs.pop(end, None)
                self.servers.discard(end)
                self.kept.pop(end, None)
                with contextlib.suppress(OSError):
                    end.close()

    def cut(self):
        for place in list(self.pairs):
            self.close(place)
