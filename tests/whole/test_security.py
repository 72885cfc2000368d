"""What SECURITY.md says of the binary is in it."""

import re
import subprocess

from penstock import PROGRAM


def readelf(option):
    return subprocess.run(["readelf", "-W", option, str(PROGRAM)], capture_output=True, text=True, check=True).stdout


def test_the_program_is_position_independent_with_full_relro():
    assert re.search(r"Type:\s+DYN", readelf("-h"))
    assert "GNU_RELRO" in readelf("-l")
    assert re.search(r"\bNOW\b", readelf("-d"))
    assert re.search(r"GNU_STACK.* RW ", readelf("-l"))


def test_the_program_checks_its_stack_and_its_copies():
    symbols = readelf("--dyn-syms")
    assert "__stack_chk_fail" in symbols
    assert re.search(r"__(snprintf|memcpy|read)_chk", symbols)
