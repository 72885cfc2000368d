"""What shells complete behind `penstock`: each shell is asked itself, and told what --help says."""

import re
import shutil
import subprocess

import pytest

from penstock import PROGRAM, plain_environment, run

# Each script gets the file of completions and then the words, of which the last is being typed. It
# prints a candidate a line.
ASK = {
    "bash": """source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _penstock; printf '%s\n' "${COMPREPLY[@]}" """,
    # What zsh's own functions would show, for they want a terminal.
    "zsh": """compdef() { : }; _files() { : }; _describe() { [[ $1 != -o ]] || shift; print -l -- ${(P)2%%:*} }
        source "$1"; shift; words=("$@"); CURRENT=$#; _penstock""",
    "fish": """source "$argv[1]"; complete -C (string join ' ' -- $argv[2..-1])""",
}
START = {"bash": ["bash", "--norc", "-c", ASK["bash"], "bash"], "zsh": ["zsh", "-f", "-c", ASK["zsh"], "zsh"], "fish": ["fish", "--no-config", "-c", ASK["fish"]]}
SHELLS = [pytest.param(shell, marks=pytest.mark.skipif(not shutil.which(shell), reason=f"{shell} is not installed")) for shell in START]


@pytest.fixture(params=SHELLS)
def complete(request, tmp_path):
    """What the shell offers after these words, the last of which is being typed."""
    script = tmp_path / "script"
    made = run("completion", request.param)
    assert made.returncode == 0 and made.stderr == ""
    script.write_text(made.stdout)

    def ask(*words):
        environment = {**plain_environment(), "HOME": str(tmp_path)}
        done = subprocess.run([*START[request.param], script, "penstock", *words], capture_output=True, text=True, timeout=60, env=environment, cwd=tmp_path)
        assert done.stderr == "", done.stderr
        candidates = (line.split("\t")[0] for line in done.stdout.split("\n"))
        return {each for each in candidates if each.startswith(words[-1]) and each}

    return ask


def listed(*command):
    """The commands that --help lists below this one."""
    text = run(*command, "--help").stdout.partition("\nCommands:\n")[2].partition("\n\n")[0]
    return set(re.findall(r"^  ([a-z]+) ", text, re.MULTILINE))


def options(*command):
    text = run(*command, "--help").stdout.partition("\nOptions:\n")[2].partition("\n\n")[0]
    return set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", text, re.MULTILINE))


def test_commands_are_those_of_the_help(complete):
    assert complete("") == listed() and {"serve", "sale", "completion"} <= listed()
    assert complete("sale", "") == listed("sale")
    assert complete("sale", "cr") == {"create"}


def test_options_are_those_of_the_help_for_each_command(complete):
    commands = [(command, *rest) for command in listed() for rest in ([(below,) for below in listed(command)] or [()])]
    assert len(commands) > 25
    for command in commands:
        offered = {each for each in complete(*command, "--") if "." not in each}
        assert offered == options(*command) >= {"--help"}, command


def test_settings_are_offered_where_a_command_takes_them(complete):
    table = re.findall(r"^\| `([a-z_.]+)` \|[^|]*\| (\w+)", run("config", "--document").stdout, re.MULTILINE)
    settings = {f"--{name}_file" if kind == "secret" else f"--{name}" for name, kind in table}
    assert len(settings) > 40 and {each for each in complete("serve", "--") if "." in each} == settings
    assert "--operator.token_file" in settings and "--operator.token" not in settings
    assert complete("completion", "--gate") == set()


def test_values_of_a_choice_are_offered_and_files_elsewhere(complete):
    assert complete("serve", "--identity.mode", "") == {"jwt", "header"}
    assert complete("serve", "--log.level", "")  == {"debug", "info", "warn", "error", "off"}
    assert not complete("sale", "create", "drop", "--lot", "") & {"create", "list"}


def test_an_unknown_shell_is_refused():
    done = run("completion", "tcsh")
    assert done.returncode == 2 and "bash, zsh and fish" in done.stderr


@pytest.mark.parametrize("name", ["penstock.bash", "_penstock", "penstock.fish"])
def test_what_is_installed_is_what_the_command_prints(name):
    shell = {"penstock.bash": "bash", "_penstock": "zsh", "penstock.fish": "fish"}[name]
    assert (PROGRAM.parent / name).read_text() == run("completion", shell).stdout
