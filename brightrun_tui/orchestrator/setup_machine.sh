#!/bin/sh
# Runs on a rented machine: sees to an interpreter that has everything the worker imports, with a torch that its driver can run.
# $1 names the wanted set of packages; $2 is an interpreter to look at first (may be empty); the others are packages without
# which an interpreter is not used as it is. May be run again.
set -u
home="$HOME/.brightrun"; stamp="$home/env.$1"; given="$2"; shift 2; needed="$*"
# torch must load; that the rest is there is enough here, since the GPU's proof and the worker import it.
check='import sys, torch
from importlib.metadata import version
for name in sys.argv[1:]: version(name)'
keep_torch='import re, sys
from importlib.metadata import requires, version
kept = {"torch"} | {re.match(r"[A-Za-z0-9._-]+", one)[0].lower() for one in requires("torch") or ()}
sys.stdout.writelines(line for line in sys.stdin if line.partition("==")[0].lower() not in kept)
print("torch==" + version("torch"))'
good() { [ -n "$1" ] && "$1" -c "$check" $needed >/dev/null 2>&1; }
if [ -s "$stamp" ] && good "$(cat "$stamp")"; then echo "packages are ready"; exit 0; fi
if good "$given"; then echo "$given" > "$stamp"; echo "packages are ready"; exit 0; fi

# The newest CUDA that the driver runs, as in "CUDA Version: 12.8"; empty where there is no GPU.
cuda=$(nvidia-smi 2>/dev/null | sed -n 's/.*CUDA Version: *\([0-9][0-9]*\.[0-9]\).*/\1/p' | head -n 1)
case "$cuda" in
  "") build="" ;;
  12.[67]) build=cu126 ;;
  12.[89]) build=cu128 ;;
  1[3-9].*|[2-9][0-9].*) build=cu130 ;;
  *) echo "the driver runs CUDA $cuda, and torch needs 12.6 or newer; choose another machine"; exit 7 ;;
esac

# A torch that is there, new enough, and runs with this driver is used: it takes 3 GB to bring another one.
fits='import sys, torch; v = torch.__version__.split(".")
sys.exit((int(v[0]), int(v[1])) < (2, 8) or (sys.argv[1] != "" and not torch.cuda.is_available()))'
base=""; theirs=""
for candidate in "$given" /venv/main/bin/python python3.12 python3.11 python3.13 python3; do
  [ -n "$candidate" ] || continue
  "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
  [ -n "$base" ] || base="$candidate"
  if "$candidate" -c "$fits" "$cuda" 2>/dev/null; then base="$candidate"; theirs="$candidate"; break; fi
done
[ -n "$base" ] || { echo "no Python 3.11 or newer on this machine; choose another image"; exit 3; }
echo "making the environment"
"$base" -m venv --system-site-packages "$home/env" || { echo "python venv is missing in this image"; exit 4; }
python="$home/env/bin/python"; pins="$home/constraints.txt"

# uv is several times faster with 3 GB of wheels; it does not see packages of an image, so it is not a help where those are used.
fetch() {
  if [ -z "$theirs" ] && command -v uv >/dev/null 2>&1; then
    uv pip install --python "$python" "$@"
  else
    "$python" -m pip install --disable-pip-version-check --no-input --progress-bar off "$@"
  fi || { echo "the training packages could not be installed"; exit 5; }
}

if [ -n "$theirs" ]; then
  # an environment made from another one does not see its packages by itself
  "$theirs" -c 'import os, torch; print(os.path.dirname(os.path.dirname(torch.__file__)))' \
    > "$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/image.pth"
  echo "using the image's torch ($base)"
elif [ -n "$build" ]; then
  # Not every torch is built for every CUDA, and PyPI's is built for the newest one: of this CUDA's own index alone, the newest
  # that is there.
  echo "installing torch for CUDA $cuda ($build)"
  fetch --index-url "https://download.pytorch.org/whl/$build" "torch>=2.8,<=$(sed -n 's/^torch==//p' "$pins")"
fi
if [ -n "$theirs$build" ]; then
  # that torch stays, and so does what it needs: with our pins of these another one would have to come in its place
  "$python" -c "$keep_torch" < "$pins" > "$pins.own" || { echo "torch is not there"; exit 5; }
  pins="$pins.own"
fi
echo "installing the training packages"
fetch -c "$pins" -r "$home/requirements.txt"
good "$python" || { "$python" -c "$check" $needed; exit 6; }
echo "$python" > "$stamp"
echo "packages are ready"
