# shellcheck shell=bash
# Sourced by the other scripts. Sets `root` (the checkout) and `venv_python`, and defines
# `venv_help`, `die`, `help_if_asked`, `run`, `read_options`, `prepare_venv` and `use_large_pages`.

# What the variables of the environment choose, for the --help of the scripts.
venv_help="RNNJAX_VENV, RNNJAX_PYTHON and RNNJAX_PIP choose the virtual environment's folder (default:
.venv in the checkout), its Python, and further requirements for pip."

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
venv="${RNNJAX_VENV:-$root/.venv}"
if [[ "$venv" != /* ]]; then
  venv="$PWD/$venv"
fi
venv_python="$venv/bin/python"

die() {
  printf '%s\n' "$@" >&2
  exit 2
}

# Prints the script's `usage` and ends, if its first argument asks for that.
help_if_asked() {
  if [[ "${1:-}" == -h || "${1:-}" == --help ]]; then
    usage
    exit 0
  fi
}

# Runs a command, or only prints it where `dry_run` is set.
run() {
  if [[ -n "${dry_run:-}" ]]; then
    printf '%q ' "$@"
    printf '\n'
  else
    "$@"
  fi
}

# read_options "NAME ..." "SWITCH ..." ARGUMENT...: sets a variable for each --NAME=value or --SWITCH,
# with _ for - in its name. What follows -- becomes the array `command`.
read_options() {
  local options=" $1 " switches=" $2 " option
  shift 2
  while [[ $# -gt 0 && "$1" != "--" ]]; do
    help_if_asked "$1"
    option="${1%%=*}"
    option="${option#--}"
    if [[ "$1" == --*=* && "$options" == *" $option "* ]]; then
      printf -v "${option//-/_}" '%s' "${1#*=}"
    elif [[ "$1" == "--$option" && "$switches" == *" $option "* ]]; then
      printf -v "$option" 1
    else
      die "Unknown option '$1': launch/${0##*/} --help lists them. Flags of the experiment follow --."
    fi
    shift
  done
  command=("${@:2}")
}

# glibc then asks Linux for pages of 2 MiB: a large training step meets fewer new pages.
use_large_pages() {
  export GLIBC_TUNABLES="${GLIBC_TUNABLES-glibc.malloc.hugetlb=1}"
}

is_new_enough() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# Prints the name of a Python that can make the environment.
find_python() {
  local candidate without_venv=""
  if [[ -n "${RNNJAX_PYTHON:-}" ]]; then
    is_new_enough "$RNNJAX_PYTHON" ||
      die "RNNJAX_PYTHON=$RNNJAX_PYTHON is not a Python 3.11 or newer that runs here."
    set -- "$RNNJAX_PYTHON"
  else
    set -- python3 python3.12 python3.11 python3.13 python3.14 python
  fi
  for candidate in "$@"; do
    if is_new_enough "$candidate"; then
      if "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        printf '%s\n' "$candidate"
        return
      fi
      without_venv="$candidate"
    fi
  done
  if [[ -n "$without_venv" ]]; then
    die "$without_venv lacks the modules that make a virtual environment." \
      "Install them (on Debian and Ubuntu: apt install python3-venv) and run this again."
  fi
  die "rnnjax needs Python 3.11 or newer, and none was found on PATH." \
    "Install one, or name it: RNNJAX_PYTHON=/path/to/python3.12"
}

make_venv() {
  local python
  if [[ -e "$venv" && ! -f "$venv/pyvenv.cfg" && -n "$(ls -A "$venv")" ]]; then
    die "$venv exists and is no virtual environment: remove it, or set RNNJAX_VENV to another folder."
  fi
  python="$(find_python)"
  echo "Making a virtual environment in $venv with $("$python" --version)" >&2
  "$python" -m venv "$venv" || die "Could not make the virtual environment $venv (see above)."
}

# prepare_venv [EXTRA]: after it, rnnjax is installed from the checkout, with that extra.
# Installs only once, and again when the requirements have changed.
prepare_venv() {
  local extra="${1:-}" stamp="$venv/rnnjax-installed" wanted
  if ! "$venv_python" -m pip --version >/dev/null 2>&1; then
    rm -f "$venv"/rnnjax-*
    make_venv
  fi
  is_new_enough "$venv_python" ||
    die "$venv holds a Python older than 3.11: remove it, or set RNNJAX_VENV to another folder."

  wanted="$(
    {
      cat "$root/setup.cfg" "$root/pyproject.toml"
      printf '%s\n' "$root" "${RNNJAX_PIP:-}"
    } | cksum
  )"
  # An environment with an extra serves those who want none.
  if grep -qsx "$wanted ${extra:-.*}" "$stamp"; then
    return
  fi

  grep -qs "^$wanted " "$stamp" || rm -f "$stamp" # else with other extras
  echo "Installing rnnjax${extra:+[$extra]} in $venv (minutes, the first time)" >&2
  # shellcheck disable=SC2086  # RNNJAX_PIP is a list
  "$venv_python" -m pip install --quiet --disable-pip-version-check \
    --editable "$root${extra:+[$extra]}" ${RNNJAX_PIP:-} ||
    die "" "pip could not install rnnjax${extra:+[$extra]} in $venv: its message is above." \
      "Check the network and the disk, then run this again."
  printf '%s\n' "$wanted $extra" >>"$stamp"
}
