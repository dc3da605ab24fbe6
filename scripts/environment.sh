# Sourced by start and test: makes .venv fit pyproject.toml and constraints.txt, and says what it does.
# shellcheck shell=bash

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="$ROOT/.venv"
PYTHON="$VENV/bin/python"

say() { printf '%s\n' "$*" >&2; }

fail() { # fail CODE MESSAGE
  printf '✗ %s\n' "$2" >&2
  exit "$1"
}

can_apt() { [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; }

apt_install() { # apt_install PACKAGE…: quiet; false when it did not work
  say "· apt-get install $*"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 && return
  apt-get update -qq >/dev/null 2>&1 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1
}

find_python() { # the first Python that is new enough
  local candidate
  for candidate in "${BRIGHTRUN_PYTHON:-}" python3 python3.11 python3.12 python3.13 python3.14; do
    [[ -n $candidate ]] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$candidate"; return; }
  done
  return 1
}

make_venv() {
  local python
  python="$(find_python)" || { can_apt && apt_install python3 python3-venv && python="$(find_python)"; } ||
    fail 1 "Python 3.11 or newer is needed and was not found; install it (or let BRIGHTRUN_PYTHON name it) and start again"
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    { can_apt && apt_install python3-venv && "$python" -c 'import ensurepip, venv' 2>/dev/null; } ||
      fail 1 "$python cannot make virtual environments; install its venv package (Debian, Ubuntu: apt install python3-venv)"
  fi
  say "· virtual environment in .venv ($("$python" --version))"
  "$python" -m venv --clear "$VENV" >&2 || fail 1 "the virtual environment could not be made in $VENV"
}

wanted() { # wanted EXTRAS: what the environment must have been made from
  "$PYTHON" - "$1" "$ROOT/pyproject.toml" "$ROOT/scripts/constraints.txt" <<'PY'
import hashlib, pathlib, sys
files = b"".join(pathlib.Path(name).read_bytes() for name in sys.argv[2:])
print(hashlib.sha256(files + sys.argv[1].encode() + sys.version.encode() + sys.prefix.encode()).hexdigest())
PY
}

show_pip() { # one line in place on a terminal, a line every tenth package elsewhere
  local count=0 line rest
  while IFS= read -r line; do
    printf '%s\n' "$line" >>"$VENV/install.log"
    case "$line" in
      Collecting*)
        count=$((count + 1)) rest="${line#Collecting }"
        if [[ -t 2 ]]; then printf '\r\033[K  %d packages: %s' "$count" "${rest%% *}" >&2
        elif ((count % 10 == 1)); then say "  $count packages: ${rest%% *}"; fi ;;
      "Installing collected packages"*)
        [[ -t 2 ]] && printf '\r\033[K' >&2
        say "  unpacking $count packages; PyTorch is large, this takes a minute" ;;
    esac
  done
}

# Read by nobody, or by whoever needs one of hundreds: Python compiles that one when it is imported.
SELDOM='/tests?/|/transformers/models/(?!auto/|llama/)|/phonenumbers/'

compile() { # compile DIRECTORY: bytecode beside the sources, whatever PYTHONDONTWRITEBYTECODE says
  "$PYTHON" -m compileall -q -j 0 -x "$SELDOM" "$1" >/dev/null || true # packages carry files for other versions of Python
}

need_environment() { # need_environment EXTRAS, e.g. train,serve
  if command -v flock >/dev/null; then
    exec 9>"$ROOT/.venv.lock"
    flock -n 9 || { say "· another start is making the environment; waiting for it"; flock 9; }
  fi
  "$PYTHON" -c '' 2>/dev/null || make_venv
  local stamp="$VENV/.ready-$1" want
  want="$(wanted "$1")"
  if [[ "$(cat "$stamp" 2>/dev/null)" != "$want" ]]; then
    say "· packages: brightrun[$1], versions as in scripts/constraints.txt"
    : >"$VENV/install.log"
    # compiled below, by all cores; pip uses one
    if ! "$PYTHON" -m pip install --no-compile --progress-bar off --disable-pip-version-check \
        -c "$ROOT/scripts/constraints.txt" -e "$ROOT[$1]" 2>&1 | show_pip; then
      fail 1 "packages could not be installed: $(grep -m1 -E '^ERROR' "$VENV/install.log" || tail -n1 "$VENV/install.log") (all of it: $VENV/install.log)"
    fi
    compile "$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
    echo "$want" >"$stamp"
  fi
  compile "$ROOT/brightrun_tui" # of an editable installation; nothing to do where nothing changed
  exec 9>&-
  export PATH="$VENV/bin:$PATH"
}
