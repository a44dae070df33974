#!/usr/bin/env bash
# Runs an experiment on this machine, in a virtual environment that it makes at the first run.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"

list_experiments() {
  local file name
  for file in "$root"/experiments/*.py; do
    name="$(basename "$file" .py)"
    if grep -q '__name__ == "__main__"' "$file"; then
      printf '  %s\n' "$name"
    fi
  done
}

usage() {
  cat <<END
Usage: launch/local.sh EXPERIMENT [flags]

Experiments:
$(list_experiments)

The flags go to the experiment; launch/local.sh EXPERIMENT --help lists them.
RNNJAX_VENV, RNNJAX_PYTHON and RNNJAX_PIP choose the virtual environment's folder (default:
.venv in the checkout), its Python, and further requirements for pip.
END
}

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
experiments="$(list_experiments)"
if [[ $'\n'"$experiments"$'\n' != *$'\n'"  $experiment"$'\n'* ]]; then
  die "There is no experiment '$experiment'. Valid:" "$experiments"
fi

prepare_venv
use_large_pages
# -P: a folder named experiments in the current directory does not get in the way.
exec "$venv_python" -P -m "experiments.$experiment" "$@"
