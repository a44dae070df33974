"""The shell scripts: what they would run, and what they do when a tool fails."""

import shlex
import subprocess

import pytest

from tests.launch.fake_tools import ROOT

SCRIPTS = sorted(path.name for path in (ROOT / "launch").glob("*.s[hb]*"))
VM = ROOT / "launch/tpu_vm.sh"
HERE = ("--name=mine", "--zone=us-west4-a")


def test_there_are_scripts():
    assert {"local.sh", "slurm.sbatch", "tpu_vm.sh"} <= set(SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_bash_can_read_it(script):
    subprocess.run(["bash", "-n", ROOT / "launch" / script], check=True)


def dry(tools, *command):
    """The commands that a script prints, as lists of words."""
    result = tools.run(*command)
    assert result.returncode == 0, result.stderr
    assert tools.calls() == []
    return [shlex.split(line) for line in result.stdout.splitlines()]


def test_tpu_vm_makes_installs_runs_fetches_and_deletes_in_this_order(tools):
    for name in ("gcloud", "git"):
        tools.add(name)
    flags = ["--preset=large", "--config.data=my file.txt"]
    commands = dry(
        tools,
        VM,
        "all",
        *HERE,
        "--type=v5litepod-16",
        "--spot",
        "--dry_run",
        "--",
        "char_lm",
        *flags,
    )
    assert all("--zone=us-west4-a" in words for words in commands if words[0] == "gcloud")
    did = [words[4] for words in commands if words[0] == "gcloud"]
    assert did == ["create", "scp", "ssh", "ssh", "ssh", "ssh", "scp", "delete"]
    create = commands[0]
    assert create[5] == "mine"
    assert {"--accelerator-type=v5litepod-16", "--spot", "--version=v2-alpha-tpuv5-lite"} < {
        *create
    }
    ran = next(words[-1] for words in commands if "local.sh" in words[-1])
    _, _, inside = ran.partition("launch/local.sh ")
    assert shlex.split(inside) == ["char_lm", *flags]  # the shell over there sees the same words


def test_tpu_vm_runs_what_it_prints(tools):
    tools.add("gcloud")
    assert tools.run(VM, "delete", *HERE).returncode == 0
    assert tools.calls() == ["gcloud compute tpus tpu-vm delete mine --zone=us-west4-a --quiet"]


def test_a_failure_leaves_the_machine_and_says_so(tools):
    tools.add("gcloud", 'case "$*" in *local.sh*) exit 7 ;; esac')
    result = tools.run(VM, "all", *HERE, "--", "char_lm")
    assert result.returncode == 7
    assert "launch/tpu_vm.sh delete --name=mine --zone=us-west4-a" in result.stderr
    assert not any("delete" in call for call in tools.calls())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "--name=a"], "--name and --zone are needed"),
        (["create", *HERE, "--typ=v6e-8"], "Unknown option '--typ=v6e-8'"),
        (["create", *HERE, "--type=v9-8"], "Which software is for --type=v9-8?"),
        (["run", *HERE], "What to run?"),
        (["destroy", *HERE], "Usage: launch/tpu_vm.sh"),
    ],
)
def test_tpu_vm_refuses_before_it_calls_anybody(tools, arguments, said):
    tools.add("gcloud")
    result = tools.run(VM, *arguments)
    assert result.returncode == 2
    assert said in result.stderr
    assert tools.calls() == []
