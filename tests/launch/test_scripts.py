"""The shell scripts: what they would run, and what they do when a tool fails."""

import re
import shlex
import subprocess

import pytest
import yaml

from tests.launch.fake_tools import ROOT

SCRIPTS = sorted(path.name for path in (ROOT / "launch").glob("*.s[hb]*"))
VM = ROOT / "launch/tpu_vm.sh"
HERE = ("--name=mine", "--zone=us-west4-a")
XPK = ROOT / "launch/xpk.sh"


def test_there_are_scripts():
    assert {"local.sh", "slurm.sbatch", "tpu_vm.sh", "xpk.sh"} <= set(SCRIPTS)


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


def test_xpk_submits_a_workload_that_restarts(tools):
    tools.add("xpk")
    flags = ["--preset=large", "--workdir=/mnt/my runs/a"]
    (words,) = dry(
        tools,
        XPK,
        "--cluster=c",
        "--workload=w",
        "--num-slices=2",
        "--dry_run",
        "--",
        "char_lm",
        *flags,
    )
    assert words[:3] == ["xpk", "workload", "create"]
    assert {"--cluster=c", "--workload=w", "--tpu-type=v5litepod-16", "--num-slices=2"} < {*words}
    assert "--max-restarts=20" in words
    _, _, inside = words[-1].partition("python -P -m ")
    assert shlex.split(inside) == ["experiments.char_lm", "--coordinator=auto", *flags]


def test_xpk_wants_a_folder_that_outlives_the_pods(tools):
    result = tools.run(XPK, "--cluster=c", "--workload=w", "--dry_run", "--", "char_lm")
    assert result.returncode == 2
    assert "Add --workdir=FOLDER" in result.stderr


@pytest.fixture
def sky():
    return yaml.safe_load((ROOT / "launch/sky.yaml").read_text())


def test_the_scripts_of_sky_are_bash(sky):
    for part in ("setup", "run"):
        subprocess.run(["bash", "-n"], input=sky[part], text=True, check=True)


def run_sky(sky, tools, folder):
    """The code with which its job ends, and what it called."""
    tools.add("bash", 'echo training >>"$CALLS"; exit 5')
    tools.add("sleep", "exec /bin/sleep 60")
    result = subprocess.run(
        ["/bin/bash", "-c", sky["run"]],
        cwd=folder,
        env=tools.environment(
            BUCKET="gs://b",
            EXPERIMENT="ner",
            FLAGS="--x=1",
            EXTRA="gpu",
            CALLS=str(tools.calls_file),
        ),
        timeout=30,
        check=False,
    )
    return result.returncode, [call for call in tools.calls() if not call.startswith("sleep")]


@pytest.mark.parametrize("is_new", [False, True])
def test_sky_needs_a_bucket_and_copies_runs_back_and_forth(sky, tools, tmp_path, is_new):
    assert sky["envs"]["BUCKET"] is None  # SkyPilot asks for it
    empty = "echo One or more URLs matched no objects. >&2; exit 1"
    tools.add("gcloud", f'case "$*" in *" ls "*) {empty} ;; esac' if is_new else "")
    code, (listed, *fetched, installed, trained, copied) = run_sky(sky, tools, tmp_path)
    assert code == 5
    assert listed == "gcloud storage ls gs://b"
    assert fetched == ["gcloud storage rsync --recursive gs://b runs"] * (not is_new)
    assert "prepare_venv gpu" in installed
    assert "experiments.ner --x=1" in installed
    assert trained == "training"
    assert re.match(r"gcloud storage rsync --recursive --delete\S* runs gs://b", copied)


@pytest.mark.parametrize("fails", ["ls", "rsync"])
def test_sky_deletes_nothing_in_a_bucket_that_it_cannot_read(sky, tools, tmp_path, fails):
    tools.add("gcloud", f'case "$*" in *" {fails} "*) echo no network >&2; exit 1 ;; esac')
    code, calls = run_sky(sky, tools, tmp_path)
    assert code == 1
    assert calls[-1].startswith(f"gcloud storage {fails} ")
    assert not any("--delete" in call for call in calls)
