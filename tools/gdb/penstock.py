"""What a debugger shows of Penstock's own types: a lane, a sale, an event, and what they are made
of (ids, slices, times).

In gdb: `source tools/gdb/penstock.py`; from then on `print *lane`, `print *sale` and `print *event`
show what is meant, and `penstock-lane EXPRESSION` lists what waits in a lane. `print/r` shows the
bare members.
"""

import datetime

import gdb
import gdb.printing

NO_TIME = -1


def time_text(ms):
    if ms == NO_TIME:
        return "none"
    try:
        moment = datetime.datetime.fromtimestamp(int(ms) / 1000, datetime.timezone.utc)
    except (OverflowError, ValueError, OSError):
        return f"{int(ms)} ms"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def id_text(value):
    digits = "".join(f"{int(value['bytes'][i]):02x}" for i in range(16))
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def slice_text(value):
    size = int(value["size"])
    if int(value["data"]) == 0:
        return ""
    data = gdb.selected_inferior().read_memory(int(value["data"]), min(size, 200)).tobytes() if size else b""
    return data.decode("utf-8", "backslashreplace") + ("…" if size > 200 else "")


def array_text(value):
    """A char array up to its NUL."""
    return value.string("utf-8", "backslashreplace")


def enum_text(value, prefix):
    return str(value).removeprefix(prefix).lower()


class Printer:
    def __init__(self, value):
        self.value = value


class UuidPrinter(Printer):
    def to_string(self):
        return id_text(self.value)


class SlicePrinter(Printer):
    def to_string(self):
        return slice_text(self.value)

    def display_hint(self):
        return "string"


class EventPrinter(Printer):
    def to_string(self):
        event = self.value
        text = (f"{enum_text(event['kind'], 'EVENT_')} {id_text(event['id'])}: sale {int(event['sale'])}, epoch {int(event['epoch'])}, "
                f"lot {int(event['lot'])}, {int(event['quantity'])} units, at {time_text(event['at_ms'])}")
        if int(event["hold_expires_at_ms"]):
            text += f", held until {time_text(event['hold_expires_at_ms'])}"
        for name in ("buyer", "key", "actor"):
            if int(event[name]["size"]):
                text += f', {name} "{slice_text(event[name])}"'
        return text


class SalePrinter(Printer):
    def to_string(self):
        sale = self.value
        lots = ", ".join(self.lot(sale["lots"][i]) for i in range(min(int(sale["lot_count"]), 16)))
        more = ", …" if int(sale["lot_count"]) > 16 else ""
        return (f"sale {int(sale['number'])} \"{array_text(sale['id'])}\" {enum_text(sale['state'], 'SALE_')}: epoch {int(sale['epoch'])}, "
                f"barrier {int(sale['barrier'])}, version {int(sale['version'])}, opens {time_text(sale['opens_at_ms'])}, "
                f"closes {time_text(sale['closes_at_ms'])}, lots [{lots}{more}]")

    @staticmethod
    def lot(lot):
        return f"{array_text(lot['sku'])}: {int(lot['allocated'])} allocated, {int(lot['held'])} held, {int(lot['confirmed'])} confirmed"


def lane_classes():
    return [enum_text(field.name, "LANE_") for field in sorted(gdb.lookup_type("enum lane_class").fields(), key=lambda field: field.enumval)]


class LanePrinter(Printer):
    def to_string(self):
        lane = self.value
        waiting = " and ".join(f"{int(lane['rings'][i]['count'])} {name}" for i, name in enumerate(lane_classes()))
        text = f"lane of {int(lane['capacity'])}: {waiting}"
        if bool(lane["wanted"]):
            text += ", its consumer waits"
        # What is atomic has no plain value in every gdb.
        return text + (", closed" if int(lane["closed"].cast(gdb.lookup_type("unsigned char"))) else "")


class LaneCommand(gdb.Command):
    """penstock-lane EXPRESSION: what waits in a lane, the next first."""

    def __init__(self):
        super().__init__("penstock-lane", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        lane = gdb.parse_and_eval(argument)
        lane = lane.dereference() if lane.type.strip_typedefs().code == gdb.TYPE_CODE_PTR else lane
        for number, name in enumerate(lane_classes()):
            ring = lane["rings"][number]
            for i in range(int(ring["count"])):
                print(f"{name}: {ring['items'][(int(ring['head']) + i) % int(lane['capacity'])]}")


def printers():
    collection = gdb.printing.RegexpCollectionPrettyPrinter("penstock")
    for name, printer in (("uuid", UuidPrinter), ("slice", SlicePrinter), ("event", EventPrinter), ("sale", SalePrinter), ("lane", LanePrinter)):
        collection.add_printer(name, f"^{name}$", printer)
    return collection


gdb.printing.register_pretty_printer(None, printers(), replace=True)
LaneCommand()
