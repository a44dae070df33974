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

cluster="" workload="" tpu_type="v5litepod-16" num_slices=1 image="python:3.12" max_restarts=20
project="" zone="" dry_run=""
read_options "cluster workload tpu-type num-slices image max-restarts project zone" dry_run "$@"
set -- ${command[@]+"${command[@]}"}
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
  --tpu-type="$tpu_type" \
  --num-slices="$num_slices" \
  --base-docker-image="$image" \
  --script-dir="$root" \
  --max-restarts="$max_restarts" \
  ${project:+"--project=$project"} ${zone:+"--zone=$zone"} \
  --command="pip install --quiet '.[tpu]' && exec python -P -m experiments.$experiment --coordinator=auto$flags"
