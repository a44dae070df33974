#!/usr/bin/env bash
# Runs an experiment on this machine, in a virtual environment that it makes at the first run.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"

# A line for each experiment, with the summary in its file; bash alone, as there may be no Python.
list_experiments() {
  local file name line summary
  for file in "$root"/experiments/[!_]*.py; do
    name="${file##*/}"
    summary=""
    while IFS= read -r line; do
      case "$line" in
        '    summary="'*'",') summary="${line#*\"}" ;;
        'if __name__ == "__main__":'*)
          name="${name%.py}"
          if [[ -n "$summary" ]]; then
            printf -v name '%-18s%s' "$name" "${summary%\",}"
          fi
          printf '  %s\n' "$name"
          ;;
      esac
    done <"$file"
  done
}

usage() {
  cat <<END
Usage: launch/local.sh EXPERIMENT [flags]

Experiments:
$experiments

The flags go to the experiment; launch/local.sh EXPERIMENT --help lists them.
RNNJAX_VENV, RNNJAX_PYTHON and RNNJAX_PIP choose the virtual environment's folder (default:
.venv in the checkout), its Python, and further requirements for pip.
END
}

experiments="$(list_experiments)"
case "${1:-}" in
  "")
    usage >&2
    exit 2
    ;;
  -h | --help)
    usage
    exit 0
    ;;
esac

experiment="$1"
shift
if [[ $'\n'"$experiments"$'\n' != *$'\n'"  $experiment"[[:space:]]* ]]; then
  die "There is no experiment '$experiment'. Valid:" "$experiments"
fi

prepare_venv
use_large_pages
# -P: a folder named experiments in the current directory does not get in the way.
exec "$venv_python" -P -m "experiments.$experiment" "$@"
