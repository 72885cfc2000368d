"""
The guides that a shop reads line by line: each line is run, in its order, and answers what stands
below it.
"""

import json
import os
import re
import subprocess

from penstock import PROGRAM, ROOT, plain_environment

MARK = "--- end of a block ---"


def blocks(name):
    """[(commands, what the last line of their output says at least, or None)]"""
    text = (ROOT / "docs" / name).read_text()
    found = re.findall(r"^```(sh|json)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    made = []
    for kind, content in found:
        if kind == "sh":
            made.append([content, None])
        else:
            assert made[-1][1] is None, content
            made[-1][1] = json.loads(content)
    return made


def test_a_shops_whole_life_is_as_the_guide_tells_it(serve, tmp_path):
    shop = serve(environment={"PENSTOCK_OPERATOR_TOKEN": "", "PENSTOCK_IDENTITY_JWT_KEY": ""})
    told = blocks("integrating.md")
    assert len(told) > 10 and sum(1 for _, said in told if said) > 8
    script = "".join(f"{commands}echo; echo '{MARK}'\n" for commands, _ in told)
    for old, new in (("http://127.0.0.1:8080", shop.public), ("http://127.0.0.1:8081", shop.operator)):
        assert old in script
        script = script.replace(old, new)
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "penstock").symlink_to(PROGRAM)
    environment = plain_environment() | {
        "PATH": f"{bin_folder}:{os.environ['PATH']}", "PENSTOCK_OPERATOR_LISTEN": shop.operator.removeprefix("http://"), "PENSTOCK_GATE_LISTEN": shop.public.removeprefix("http://")
    }  # fmt: skip
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=shop.folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    outputs = done.stdout.split(MARK)[:-1]
    assert len(outputs) == len(told)
    for (commands, said), output in zip(told, outputs):
        assert "urn:penstock:problem" not in output, (commands, output)
        if said is not None:
            answers = re.split(r"(?<=\})(?=\{)", output.strip().splitlines()[-1])
            assert said.items() <= json.loads(answers[-1]).items(), (commands, output)
    assert shop.audit_ledger()[0] == 0
