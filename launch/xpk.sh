#!/usr/bin/env bash
# Trains an experiment on a TPU slice of a GKE cluster, through xpk (pip install xpk).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"

usage() {
  cat <<END
Usage: launch/xpk.sh --cluster=CLUSTER --workload=NAME [options] -- EXPERIMENT [flags]

Options:
  --tpu-type=TYPE       a slice (default: v5litepod-16)
  --num-slices=N        default: 1
  --project=, --zone=   of the cluster; default: those of gcloud
  --image=IMAGE         what the checkout is put on (default: python:3.12)
  --max-restarts=N      after preemptions (default: 20); each one resumes
  --dry_run             print the command instead of running it

The flags must name a --workdir on a disk that all pods of the workload share and that outlives them.
The pods find each other by --coordinator=auto, which is added.
END
}

cluster="" workload="" type="v5litepod-16" slices=1 image="python:3.12" restarts=20 dry_run=""
place=()
while [[ $# -gt 0 && "$1" != "--" ]]; do
  case "$1" in
    -h | --help)
      usage
      exit 0
      ;;
    --cluster=*) cluster="${1#*=}" ;;
    --workload=*) workload="${1#*=}" ;;
    --tpu-type=*) type="${1#*=}" ;;
    --num-slices=*) slices="${1#*=}" ;;
    --image=*) image="${1#*=}" ;;
    --max-restarts=*) restarts="${1#*=}" ;;
    --project=* | --zone=*) place+=("$1") ;;
    --dry_run) dry_run=1 ;;
    *) die "Unknown option '$1': launch/xpk.sh --help lists them. Flags of the experiment follow --." ;;
  esac
  shift
done
if [[ "${1:-}" == "--" ]]; then
  shift
fi
[[ -n "$cluster" && -n "$workload" && $# -gt 0 ]] || {
  usage >&2
  exit 2
}
[[ " $*" == *" --workdir="* ]] || die "Which disk outlives the pods? Add --workdir=FOLDER to the flags."

experiment="$1"
shift
flags=""
if [[ $# -gt 0 ]]; then
  printf -v flags ' %q' "$@"
fi
run xpk workload create \
  --cluster="$cluster" \
  --workload="$workload" \
  --tpu-type="$type" \
  --num-slices="$slices" \
  --base-docker-image="$image" \
  --script-dir="$root" \
  --max-restarts="$restarts" \
  ${place[@]+"${place[@]}"} \
  --command="pip install --quiet '.[tpu]' && exec python -P -m experiments.$experiment --coordinator=auto$flags"
