"""Ports for servers that are told where to listen (a server of our own binds port 0 and says which
it got).

A port that the kernel hands out is free only until it hands it to the next one, a client's
connection maybe. These lie outside of the range that it hands out from, and each is held by a lock
on a file until the process that asked for it has ended: no two tests of a machine have the same,
also between a server's end and its next start.
"""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

LOWEST = 10_000  # what lies below belongs to services that a machine has
FOLDER = Path(tempfile.gettempdir()) / f"penstock-ports-{os.getuid()}"
held = []  # open files, each with the lock of its port


def outside_of_the_kernels_range():
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    ports = [*range(LOWEST, low), *range(max(high + 1, LOWEST), 65_536)]
    if len(ports) < 1000:
        raise RuntimeError(f"net.ipv4.ip_local_port_range is {low} to {high}, which leaves too few ports for tests")
    return ports


def lock(port):
    file = open(FOLDER / str(port), "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def is_free(port, address):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def free_port(address="127.0.0.1"):
    FOLDER.mkdir(exist_ok=True)
    ports = outside_of_the_kernels_range()
    random.SystemRandom().shuffle(ports)
    for port in ports:
        file = lock(port)
        if file and is_free(port, address):
            held.append(file)
            return port
        if file:
            file.close()
    raise RuntimeError("no port is free")
