"""A process that stands still, as on a machine that is paused: it keeps its connections and says
nothing.

SIGSTOP is taken by one thread of the process, and only then are the others stopped. On a busy
machine that thread may wait for a processor, and the others work on meanwhile: a broker
acknowledged what it should never have seen.
"""

import signal
import time
from pathlib import Path


def state_of(task):
    try:
        return (task / "stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:  # it has ended
        return "X"


def freeze(process, seconds=30):
    """Returns when no thread of it runs any more; at once where it has ended."""
    process.send_signal(signal.SIGSTOP)
    if process.returncode is not None:
        return
    tasks = Path(f"/proc/{process.pid}/task")
    deadline = time.monotonic() + seconds
    while not all(state_of(task) in "TXZ" for task in tasks.iterdir()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {process.pid} did not stand still within {seconds} s")
        time.sleep(0.001)


def thaw(process):
    process.send_signal(signal.SIGCONT)
