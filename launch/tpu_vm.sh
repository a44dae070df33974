#!/usr/bin/env bash
# Trains an experiment on a Cloud TPU: makes the machine, installs, runs, fetches, deletes.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"

usage() {
  cat <<END
Usage: launch/tpu_vm.sh STEP --name=NAME --zone=ZONE [options] [-- EXPERIMENT [flags]]

Steps:
  create     make the TPU machine; it costs money from here on
  install    copy the last commit of this checkout there, and install it
  run        train; the same command again resumes
  fetch      copy its folder runs/ into this one
  delete     delete the machine and all that is on it
  all        all of these, one after another; if one fails the machine stays, and costs

Options:
  --type=TYPE         accelerator type (default: v5litepod-1)
  --version=VERSION   software of the machine (default: the one for TYPE)
  --project=PROJECT   default: that of gcloud
  --spot              a machine that may be taken away, for less
  --dry_run           print the commands instead of running them

On a slice of several machines add --coordinator=auto to the flags, and a --workdir on a disk that they
share.
END
}

help_if_asked "$@"
step="${1:-}"
case "$step" in
  create | install | run | fetch | delete | all) shift ;;
  *)
    usage >&2
    exit 2
    ;;
esac

name="" zone="" type="v5litepod-1" version="" project="" spot="" dry_run=""
read_options "name zone type version project" "spot dry_run" "$@"
set -- ${command[@]+"${command[@]}"}
[[ -n "$name" && -n "$zone" ]] || die "--name and --zone are needed; launch/tpu_vm.sh --help says more."
place=(${project:+"--project=$project"} "--zone=$zone")
if [[ "$step" == run || "$step" == all ]] && [[ $# -eq 0 ]]; then
  die "What to run? launch/tpu_vm.sh $step ... -- EXPERIMENT [flags]"
fi
if [[ -z "$version" ]]; then
  case "$type" in
    v5litepod-*) version="v2-alpha-tpuv5-lite" ;;
    v5p-*) version="v2-alpha-tpuv5" ;;
    v6e-*) version="v2-alpha-tpuv6e" ;;
    *) die "Which software is for --type=$type? Say --version=VERSION." ;;
  esac
fi

tpu_vm() {
  run gcloud compute tpus tpu-vm "$@"
}

on_all() {
  tpu_vm ssh "$name" "${place[@]}" --worker=all --command="$1"
}

create() {
  tpu_vm create "$name" "${place[@]}" --accelerator-type="$type" --version="$version" \
    ${spot:+--spot}
}

# The machines' own Python is older than 3.11.
install() {
  local archive
  archive="$(mktemp -d)/rnnjax.tar.gz"
  run git -C "$root" archive --format=tar.gz --output="$archive" HEAD
  tpu_vm scp "$archive" "$name:rnnjax.tar.gz" "${place[@]}" --worker=all
  on_all "mkdir -p rnnjax && tar -xzf rnnjax.tar.gz -C rnnjax"
  on_all "command -v python3.11 >/dev/null || (sudo apt-get update -q && sudo apt-get install -qy python3.11 python3.11-venv)"
  on_all "cd rnnjax && export RNNJAX_PYTHON=python3.11 RNNJAX_PIP='jax[tpu]' && bash -c 'set -eu; source launch/venv.sh; prepare_venv'"
  rm -rf "$(dirname "$archive")"
}

train() {
  local flags
  printf -v flags '%q ' "$@"
  local code=0
  on_all "cd rnnjax && RNNJAX_PYTHON=python3.11 RNNJAX_PIP='jax[tpu]' launch/local.sh ${flags% }" || code=$?
  if [[ "$code" == 75 ]]; then
    echo "The training was stopped, and has saved. It goes on with: launch/tpu_vm.sh run --name=$name --zone=$zone -- ${flags% }" >&2
  fi
  return "$code"
}

fetch() {
  run mkdir -p runs
  tpu_vm scp --recurse "$name:rnnjax/runs/*" runs "${place[@]}" --worker=0
}

delete() {
  tpu_vm delete "$name" "${place[@]}" --quiet
}

case "$step" in
  run) train "$@" ;;
  all)
    trap 'echo "The machine $name may still be there, and cost: launch/tpu_vm.sh delete --name=$name --zone=$zone" >&2' ERR
    set -E
    create
    install
    train "$@"
    fetch
    delete
    ;;
  *) "$step" ;;
esac
