"""
Somebody who follows the feed of what happened, whatever dies meanwhile, and who says whether it was
whole.
"""

import http.client
import threading
from collections import defaultdict

NEXT = {
    ("held", "order.extended"): "held",
    ("held", "order.confirmed"): "confirmed",
    ("confirmed", "order.paid"): "confirmed",
    ("held", "order.cancelled"): "cancelled",
    ("held", "order.expired"): "expired",
    ("confirmed", "order.refunded"): "cancelled",
    ("held", "order.reduced"): "held",
    ("confirmed", "order.reduced"): "confirmed",
}


class Follower:
    """
    Reads page after page on a thread, and remembers where it is, as a reader of another process
    would.
    """

    def __init__(self, server, limit=50):
        self.server, self.limit = server, limit
        self.after, self.told = None, []
        self.faults = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def read(self, wait="1s"):
        """One page. None: nobody answers now."""
        query = f"limit={self.limit}" + (f"&wait={wait}" if wait else "") + (f"&after={self.after}" if self.after else "")
        try:
            answer = self.server.operate("GET", f"/v1/changes?{query}")
        except (OSError, http.client.HTTPException):
            return None
        if answer.status == 503:
            return None
        if answer.status != 200:
            self.faults.append(answer.body)
            self.stopping.set()
            return None
        page = answer.json
        self.told += page["changes"]
        self.after = page["next"] or self.after
        return page["changes"]

    def run(self):
        while not self.stopping.is_set():
            if self.read() is None:
                self.stopping.wait(0.05)

    def finish(self):
        """Behind the last change that there is."""
        self.stopping.set()
        self.thread.join()
        while self.read(wait=None):
            pass

    def judge(self, states):
        """What is wrong, in words. `states`: each order of the ledger and how it stands."""
        faults, path, seen, units = list(self.faults), {}, set(), {}
        events = defaultdict(int)
        for change in self.told:
            event = change["data"]["event"]
            order, kind = event["id"], event["kind"]
            if change["id"] in seen:
                faults.append(f"{change['id']} was told twice")
            seen.add(change["id"])
            events[kind] += 1
            if kind == "stock.withdrawn":
                continue
            if kind == "order.reserved":
                if order in path:
                    faults.append(f"{order} was reserved twice")
                path[order] = change["data"]["state"]
                units[order] = event["quantity"]
                continue
            if kind == "order.reduced":
                if units.get(order) != event["left"] + event["quantity"]:
                    faults.append(f"{change['id']} takes {event['quantity']} of {units.get(order)} and leaves {event['left']}")
                units[order] = event["left"]
            state = NEXT.get((path.get(order), kind))
            if state is None:
                faults.append(f"{kind} of {order}, which was {path.get(order)}")
            elif state != change["data"]["state"]:
                faults.append(f"{kind} of {order} is told to lead to {change['data']['state']}")
            path[order] = state
        for order, state in states.items():
            if path.get(order) != state:
                faults.append(f"{order} is {state}, but was told to be {path.get(order)}")
        faults += [f"{order} was told, but is not there" for order in path if order not in states]
        return faults
