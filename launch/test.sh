#!/usr/bin/env bash
# Lints, type-checks and tests the checkout, in a virtual environment that it makes at the first run.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"

usage() {
  cat <<END
Usage: launch/test.sh [pytest arguments]

Runs ruff, mypy and pytest. The arguments go to pytest, for example: tests/cells -k lstm
$venv_help
END
}

help_if_asked "$@"
prepare_venv dev
cd "$root"
"$venv_python" -m ruff check .
"$venv_python" -m ruff format --check .
"$venv_python" -m mypy
exec "$venv_python" -m pytest -n 2 --dist worksteal --durations=15 "$@"
