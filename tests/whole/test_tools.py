"""
The project's own tools: each says what it is, refuses what it does not know, and finds what it is
there to find.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = sorted(path.name for path in (ROOT / "tools").iterdir() if path.is_file() and os.access(path, os.X_OK))


def run(*command, cwd=ROOT, **environment):
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_says_what_it_is(name):
    told = run(f"tools/{name}", "--help")
    assert told.returncode == 0, told.stderr
    assert name in told.stdout or "embed" in name
    assert told.stdout.strip()


# tools/test hands its arguments to pytest, which refuses them itself, after two builds.
@pytest.mark.parametrize("name", [name for name in TOOLS if name != "test"])
def test_a_tool_refuses_what_it_does_not_know(name):
    told = run(f"tools/{name}", "--no-such-option")
    assert told.returncode == 2, told.stdout + told.stderr
    assert told.stderr


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone")
@pytest.mark.parametrize("left", ["penstock.db", "penstock.db.operator-token", "penstock-sample/penstock.db.jwt-key", "build/penstock"])
def test_what_a_first_try_leaves_is_not_committed_by_mistake(left):
    assert run("git", "check-ignore", "--quiet", left).returncode == 0


@pytest.mark.parametrize(
    "steps, code, shown",
    [
        (["[1/9] Generating src/build_info.h with a custom command"], 0, ""),
        (["no work to do."], 0, ""),
        (["[1/2] Compiling C object a.o", "a.c:1: warning: odd"], 0, "[1/2] Compiling C object a.o\na.c:1: warning: odd\n"),
        (["FAILED: a.o", "build stopped: subcommand failed."], 1, "FAILED: a.o\nbuild stopped: subcommand failed.\n"),
    ],
)
def test_a_build_in_which_nothing_changed_says_nothing(tmp_path, steps, code, shown):
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "build").mkdir()
    (tmp_path / "build/build.ninja").touch()
    (tmp_path / "steps").write_text("".join(f"{step}\n" for step in ["ninja: Entering directory `build'", *steps]).replace("no work", "ninja: no work"))
    (tmp_path / "ninja").write_text(f"#!/bin/sh\ncat steps\nexit {code}\n")
    (tmp_path / "ninja").chmod(0o755)
    told = run("env", f"PATH={tmp_path}:{os.environ['PATH']}", tmp_path / "tools/build", "build", cwd=tmp_path)
    assert (told.returncode, told.stdout, told.stderr) == (code, shown, "")


@pytest.fixture
def tree(tmp_path):
    """A repository of its own with the tools in it, one good file, and a commit."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "src/stock").mkdir(parents=True)
    (tmp_path / "src/stock/thing.c").write_text("int thing_count(void)\n{\n\treturn 1;\n}\n")
    for command in ("init -q -b main", "config user.name Somebody", "config user.email somebody@example.org", "add -A"):
        assert run("git", *command.split(), cwd=tmp_path).returncode == 0
    commit(tmp_path, "all: begin\n\nSo that there is something.")
    return tmp_path


def commit(tree, message):
    somebody = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")  # a new machine knows nobody
    assert run("git", *somebody, "commit", "-q", "--allow-empty", "-m", message, cwd=tree).returncode == 0


def limits(tree, rule):
    # The table of prefixes names folders of the real tree; that they are there is the rule
    # "folders".
    return run(tree / "tools/check-limits", rule, cwd=tree)


@pytest.mark.parametrize(
    "rule, text, found",
    [
        ("files", "/* a line */\n" * 501, "501 lines"),
        ("functions", "int thing_long(void)\n{\n" + "\t;\n" * 59 + "}\n", "thing_long has 61 lines"),
        ("names", "int other_count(void)\n{\n\treturn 1;\n}\n", "other_count is seen by others"),
        ("names", "const int other_limit = 3;\n", "other_limit is seen by others"),
        ("words", "/* A stranger at the desk. */\n", "'stranger'"),
    ],
)
def test_a_breach_of_the_limits_is_found(tree, rule, text, found):
    assert limits(tree, rule).returncode == 0
    (tree / "src/stock/thing.c").write_text(text)
    told = limits(tree, rule)
    assert told.returncode == 1
    assert "src/stock/thing.c:" in told.stdout and found in told.stdout


def test_a_static_name_is_nobody_elses(tree):
    (tree / "src/stock/thing.c").write_text("static int other;\nstatic int count(void)\n{\n\treturn other;\n}\n")
    assert limits(tree, "names").returncode == 0


WIDE = """\
/*
 * A list that is told at length, so that no line of it fits into the columns that there are for it here and now:
 *   - an item that goes on and on, and then a little more, until it is wider than any line of a comment may be
 *   - another
 * What comes after it.
 *   a  ->  b        a drawing that is wider than any line of a comment may be, and yet stays as somebody has drawn it
 */
int thing_count(void)
{
	return 1; /* behind code a comment is as long as it is, however long that may be: clang-format lays these out */
}
"""


def test_comments_are_wrapped_and_lists_and_drawings_stay(tree):
    source = tree / "src/stock/thing.c"
    assert run(tree / "tools/wrap-comments", "--check", cwd=tree).returncode == 0
    source.write_text(WIDE)
    assert run(tree / "tools/wrap-comments", "--check", cwd=tree).returncode == 1
    assert run(tree / "tools/wrap-comments", cwd=tree).returncode == 0
    lines = source.read_text().splitlines()
    assert " *   - an item that goes on and on, and then a little more, until it is wider than any line of a" in lines
    assert " *     comment may be" in lines
    assert " * What comes after it." in lines
    assert [line for line in WIDE.splitlines() if len(line) > 100 and ("drawing" in line or "return" in line)] == [
        line for line in lines if len(line) > 100
    ]
    assert run(tree / "tools/wrap-comments", "--check", cwd=tree).returncode == 0


WIDE_SCRIPT = '''\
#!/usr/bin/env python3
"""A docstring that goes on and on in its only line, and then a little more, until no screen has room for it."""


def thing():
    """
    Another that is told at length, so that no line of it fits into the columns that there are for it here and now:
      a  b        a table that is wider than any line of a comment may be, and yet stays as somebody has drawn it
    """
    # A comment that goes on and on, and then a little more, until it is wider than any line of a
    # comment may be.
    return "a text of the program, which is as long as it is, however long that may be: it is what the program says"
'''


def test_docstrings_and_comments_of_scripts_are_wrapped_and_nothing_else(tree):
    script, functions = tree / "tools/thing", tree / "src/stock/thing.lua"
    script.write_text(WIDE_SCRIPT)
    functions.write_text("-- What is told of a function at such length that no line of a comment has room for all of it, here or there.\n")
    assert run("git", "add", "-A", cwd=tree).returncode == 0
    assert run(tree / "tools/wrap-comments", "--check", cwd=tree).returncode == 1
    assert run(tree / "tools/wrap-comments", cwd=tree).returncode == 0
    lines = script.read_text().splitlines()
    assert [line for line in lines if len(line) > 100] == [line for line in WIDE_SCRIPT.splitlines() if "table" in line or "return" in line]
    assert lines[1:5] == [
        '"""',
        "A docstring that goes on and on in its only line, and then a little more, until no screen has room",
        "for it.",
        '"""',
    ]
    assert functions.read_text().count("\n-- ") == 1
    assert ast.dump(ast.parse(script.read_text())).count("a text of the program") == 1
    assert run(tree / "tools/wrap-comments", "--check", cwd=tree).returncode == 0


RULE = """\
int {thing}_count(const struct {thing} *{thing}, int least)
{{
	int sum = 0;

	if (!{thing}->parts)
		return -1;
	for (int i = 0; i < {thing}->count; i++) {{
		const struct part *part = &{thing}->parts[i];

		while (part->next)
			part = part->next;
		if (part->weight < least)
			continue;
		sum += part->weight * {thing}->factor;
		{thing}_note(part, "counted");
	}}
	if (sum > {thing}->most)
		sum = {thing}->most;
	return sum;
}}
"""


def test_a_rule_that_stands_twice_is_found_under_other_names(tree):
    assert run(tree / "tools/check-duplicates", cwd=tree).returncode == 0
    for thing in ("box", "crate"):
        (tree / f"src/stock/{thing}.c").write_text(RULE.format(thing=thing))
    told = run(tree / "tools/check-duplicates", cwd=tree)
    assert told.returncode == 1
    assert told.stdout.startswith("src/stock/box.c:1-") and "src/stock/crate.c:1-" in told.stdout


@pytest.mark.parametrize(
    "message, found",
    [
        ("core: " + "long " * 20 + "\n\nWhy.", "105 characters"),
        ("Fixed it\n\nWhy.", "is not `area: summary`"),
        ("core: mend it", "has no body"),
        ("core: mend it\n\nSigned-off-by: Somebody", "has no body"),
    ],
)
def test_a_commit_that_breaks_the_rule_is_found(tree, message, found):
    commit(tree, "core: mend something\n\nBecause it was broken.")
    told = run(tree / "tools/check-commits", cwd=tree)
    assert (told.returncode, told.stdout) == (0, "")
    commit(tree, message)
    told = run(tree / "tools/check-commits", cwd=tree)
    assert told.returncode == 1
    assert found in told.stdout
    assert run(tree / "tools/check-commits", "HEAD", cwd=tree).returncode == 0


def test_commits_are_checked_in_a_shallow_clone(tree, tmp_path_factory):
    commit(tree, "bad")
    commit(tree, "core: mend something\n\nBecause it was broken.")
    clone = tmp_path_factory.mktemp("clone") / "shallow"
    assert run("git", "clone", "-q", "--depth", "1", f"file://{tree}", clone).returncode == 0
    assert run(clone / "tools/check-commits", cwd=clone).returncode == 0
    commit(clone, "worse")
    told = run(clone / "tools/check-commits", cwd=clone)
    assert told.returncode == 1
    assert "worse" in told.stdout and "bad" not in told.stdout


# --- What a debugger shows ---


def gdb(program, breakpoint, *commands):
    """What gdb prints for each command where the unit test first stops."""
    if not shutil.which("gdb"):
        pytest.skip("gdb is not installed")
    folder = Path(os.environ["PENSTOCK_TESTING"]).parent / "tests"
    words = ["gdb", "-q", "-batch", "-nx", "-ex", "set pagination off", "-ex", "source tools/gdb/penstock.py"]
    for command in (f"break {breakpoint}", "run", *commands):
        words += ["-ex", command]
    told = run(*words, folder / program)
    said = told.stdout + told.stderr
    assert "Error" not in told.stderr and "Python Exception" not in said, said
    return told.stdout


def test_a_debugger_shows_an_event():
    told = gdb("test_model_event", "event_encode", "print *event", "print event->buyer")
    assert "$1 = reserved 017f22e2-79b0-7cc3-98c4-dc0c0c07398f: sale 7, epoch 3, lot 2, 1 units, at 2027-01-01T10:00:00.123Z" in told
    assert 'buyer "b1"' in told and '$2 = "b1"' in told


def test_a_debugger_shows_a_sale():
    told = gdb("test_model_sale", "sale_copy", "print *sale")
    assert "$1 = sale 0" in told
    assert "lots [AJ1-42: 0 allocated, 0 held, 0 confirmed, AJ1-43: 7 allocated, 0 held, 0 confirmed]" in told


def test_a_debugger_shows_a_lane_and_what_waits_in_it():
    told = gdb("test_base_lane", "lane_pop", "print *lane", "penstock-lane lane")
    assert "$1 = lane of 4: 0 urgent and 1 normal" in told
    assert "\nnormal: 0x" in told


# A world whose promise is broken where operation 3 and fault 17 meet, and another one where
# operation 5 is alone.
WORLD = """#!/usr/bin/env python3
import sys
left_out = set()
arguments = sys.argv[1:]
if "--without" in arguments:
    for part in arguments[arguments.index("--without") + 1].split(","):
        low, _, high = part.partition("-")
        left_out |= set(range(int(low), int(high or low) + 1))
kept = set(range(20)) - left_out
if "--plan" in arguments:
    for item in range(20):
        print(f"{item:3}  0.{item:03} s  something")
    sys.exit(0)
if "--trace" in arguments:
    print("the trace of", sorted(kept))
if {3, 17} <= kept:
    print("breach: p1-log: at 1.5 s: one too many")
    sys.exit(1)
if 5 in kept:
    print("breach: unanswered: at 2 s: nobody")
    sys.exit(1)
"""


@pytest.fixture
def world(tmp_path):
    program = tmp_path / "world"
    program.write_text(WORLD)
    program.chmod(0o755)
    return program


def test_a_world_that_fails_is_made_small_while_the_same_assertion_is_broken(world):
    told = run("tools/simulate", "--program", world, "--shrink", "--seed", "7")
    assert told.returncode == 1, told.stderr
    lines = told.stdout.splitlines()
    assert lines[0] == "p1-log: 20 operations and faults"
    assert [line.split()[0] for line in lines if line.startswith("\t")] == ["3", "17"]
    assert f"again: {world} --seed 7 --without 0-2,4-16,18-19" in lines
    assert "the trace of [3, 17]" in lines


def test_a_world_in_which_all_is_well_is_not_made_small(world):
    told = run("tools/simulate", "--program", world, "--shrink", "--seed", "7", "--without", "3")
    assert told.returncode == 2  # it chooses what to leave out by itself
    world.write_text(WORLD.replace("{3, 17} <= kept", "False").replace("5 in kept", "False"))
    told = run("tools/simulate", "--program", world, "--shrink", "--seed", "7")
    assert told.returncode == 0
    assert "nothing is broken" in told.stdout


# --- The closing lines of a run of tests ---

UNIT = """\
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static void test_well(void **state) { (void)state; }
static void test_unequal(void **state) { (void)state; assert_int_equal(-16, 0); }
static void test_told(void **state) { (void)state; fail_msg("two\\nlines"); }
static void test_stands(void **state) { (void)state; pause(); }
static void test_aborts(void **state) { (void)state; abort(); }

int main(int count, char **arguments)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_well), cmocka_unit_test(test_unequal), cmocka_unit_test(test_told)};
	const struct CMUnitTest stands[] = {cmocka_unit_test(test_well), cmocka_unit_test(test_stands)};
	const struct CMUnitTest aborts[] = {cmocka_unit_test(test_aborts)};

	if (count == 1)
		return cmocka_run_group_tests(tests, NULL, NULL);
	return arguments[1][0] == 's' ? cmocka_run_group_tests(stands, NULL, NULL) : cmocka_run_group_tests(aborts, NULL, NULL);
}
"""
UNITS = """\
project('units', 'c')
unit = executable('unit', 'unit.c', dependencies: dependency('cmocka'))
test('ledger', unit, suite: 'contract')
test('stands', unit, args: ['stands'], timeout: 1)
test('aborts', unit, args: ['aborts'])
test('says', find_program('sh'), args: ['-c', 'echo one >&2; echo "x.c:3: assertion failed: a == b" >&2; exit 1'])
test('fine', find_program('true'))
"""
WHOLE = """\
import pytest

@pytest.fixture
def broken():
    raise ValueError("it would not start")

def test_unequal():
    bought = 3
    assert bought == 4

def test_of_a_broken_fixture(broken):
    pass

def test_well():
    pass
"""


def test_closing_lines_name_each_failed_test_and_its_assertion(tmp_path):
    (tmp_path / "unit.c").write_text(UNIT)
    (tmp_path / "meson.build").write_text(UNITS)
    (tmp_path / "test_whole.py").write_text(WHOLE)
    assert run("meson", "setup", "build", cwd=tmp_path).returncode == 0
    assert run("meson", "test", "-C", "build", cwd=tmp_path).returncode != 0
    assert run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=whole.xml", "test_whole.py", cwd=tmp_path).returncode == 1
    told = run("tools/summary", tmp_path / "build/meson-logs/testlog.json", tmp_path / "whole.xml")
    assert told.returncode == 1
    *failed, last = told.stdout.splitlines()
    assert last == "2 passed, 6 failed"
    assert sorted(failed) == [
        "failed: contract / ledger: test_told: ERROR: two lines ../unit.c:11",
        "failed: contract / ledger: test_unequal: 0xfffffffffffffff0 != 0 ../unit.c:10",
        "failed: test_whole.py::test_of_a_broken_fixture: failed on setup with \"ValueError: it would not start\" test_whole.py:5",
        "failed: test_whole.py::test_unequal: assert 3 == 4 test_whole.py:9",
        "failed: units / aborts: test_aborts: ended with -6",
        "failed: units / says: x.c:3: assertion failed: a == b",
        "failed: units / stands: test_stands: no end within 1 s",
    ]


def test_closing_lines_are_few_where_much_failed(tmp_path):
    report = tmp_path / "testlog.json"
    entry = {"name": "units / one", "result": "FAIL", "returncode": 1, "stderr": "why " * 1000}
    report.write_text("".join(json.dumps(entry) + "\n" for _ in range(100)))
    told = run("tools/summary", report).stdout.splitlines()
    assert told[-2:] == ["failed: and 70 more", "0 passed, 100 failed"]
    assert len(told) == 32
    assert all(len(line) < 450 for line in told)


# --- A second try, which CI has ---

# `! mkdir` fails the first time, and is well from then on.
TRIED_UNITS = """\
project('units', 'c')
test('well', find_program('true'))
test('once', find_program('sh'), args: ['-c', 'echo "x.c:7: too soon" >&2; ! mkdir once 2>/dev/null'], workdir: meson.current_source_dir())
test('never', find_program('sh'), args: ['-c', 'echo "x.c:3: never" >&2; exit 1'])
"""
TRIED_WHOLE = """\
from pathlib import Path

def test_well():
    pass

def test_once():
    seen = Path("seen").exists()
    Path("seen").touch()
    assert seen

def test_never():
    assert 1 == 2
"""


def of_tries(tmp_path, tries, leave_out):
    (tmp_path / "meson.build").write_text("".join(line for line in TRIED_UNITS.splitlines(True) if f"'{leave_out}'" not in line))
    (tmp_path / "test_whole.py").write_text(TRIED_WHOLE.replace(f"def test_{leave_out}", "def left_out"))
    assert run("meson", "setup", "build", cwd=tmp_path).returncode == 0
    tool = ROOT / "tools/run-tests"
    status = [
        run(tool, "meson", "build", cwd=tmp_path, TEST_TRIES=tries).returncode,
        run(tool, "pytest", "whole.xml", "-q", "-n", "2", cwd=tmp_path, TEST_TRIES=tries).returncode,
    ]
    told = run("tools/summary", tmp_path / "build/meson-logs/testlog.json", tmp_path / "whole.xml")
    return [code == 0 for code in status], told.returncode, told.stdout.splitlines()


def test_what_fails_once_is_named_as_unsteady_and_refuses_nothing(tmp_path):
    well, status, told = of_tries(tmp_path, "2", leave_out="never")
    assert (well, status) == ([True, True], 0)
    assert told == ["unsteady: once: x.c:7: too soon", "unsteady: test_whole.py::test_once: assert False test_whole.py:9", "4 passed, 0 failed"]


def test_what_fails_again_fails_the_run(tmp_path):
    well, status, told = of_tries(tmp_path, "2", leave_out="nothing")
    assert (well, status) == ([False, False], 1)
    assert [line for line in told if line.startswith("failed: ")] == ["failed: never: x.c:3: never", "failed: test_whole.py::test_never: assert 1 == 2 test_whole.py:12"]
    assert told[-1] == "4 passed, 2 failed"


def test_nobody_else_has_a_second_try(tmp_path):
    well, status, told = of_tries(tmp_path, "1", leave_out="never")
    assert (well, status) == ([False, False], 1)
    assert told[-1] == "2 passed, 2 failed"


def test_much_that_failed_is_not_run_again(tmp_path):
    (tmp_path / "test_whole.py").write_text("".join(f"def test_{number}():\n    assert False\n\n" for number in range(4)))
    assert run(ROOT / "tools/run-tests", "pytest", "whole.xml", "-q", cwd=tmp_path, TEST_TRIES="2").returncode == 1
    assert not (tmp_path / "second-whole.xml").exists()
