#!/usr/bin/env bash
# Runs an experiment on this machine, in a virtual environment that it makes at the first run.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"

# A line for each experiment, with the summary in its file; there may be no Python yet.
list_experiments() {
  local file
  for file in "$root"/experiments/[!_]*.py; do
    if grep -q '^if __name__ == "__main__":' "$file"; then
      printf '  %-18s%s\n' "$(basename "$file" .py)" "$(sed -n 's/^    summary="\(.*\)",$/\1/p' "$file")" | sed 's/ *$//'
    fi
  done
}

usage() {
  cat <<END
Usage: launch/local.sh EXPERIMENT [flags]

Experiments:
$experiments

The flags go to the experiment; launch/local.sh EXPERIMENT --help lists them.
$venv_help
END
}

experiments="$(list_experiments)"
help_if_asked "$@"
if [[ -z "${1:-}" ]]; then
  usage >&2
  exit 2
fi

experiment="$1"
shift
if [[ $'\n'"$experiments"$'\n' != *$'\n'"  $experiment"[[:space:]]* ]]; then
  die "There is no experiment '$experiment'. Valid:" "$experiments"
fi

prepare_venv
extra="${experiment/#naming/names}"
if grep -q "^$extra =\$" "$root/setup.cfg"; then
  (prepare_venv "$extra") || echo "Going on without rnnjax[$extra]." >&2
fi
use_large_pages
# -P: a folder named experiments in the current directory does not get in the way.
exec "$venv_python" -P -m "experiments.$experiment" "$@"
