#!/bin/sh
# Runs on a rented machine: sees to an interpreter that has everything the worker imports.
# $1 names the wanted set of packages; $2 is an interpreter to look at first (may be empty). May be run again.
set -u
home="$HOME/.brightrun"; stamp="$home/env.$1"; given="$2"
check='import torch, transformers, peft, bitsandbytes, pydantic, safetensors, tokenizers'
good() { [ -n "$1" ] && "$1" -c "$check" >/dev/null 2>&1; }
if [ -s "$stamp" ] && good "$(cat "$stamp")"; then echo "packages are ready"; exit 0; fi
if good "$given"; then echo "$given" > "$stamp"; echo "packages are ready"; exit 0; fi
base=""
for candidate in "$given" python3.12 python3.11 python3.13 python3; do
  [ -n "$candidate" ] || continue
  "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
  base="$candidate"
  break
done
[ -n "$base" ] || { echo "no Python 3.11 or newer on this machine; choose another image"; exit 3; }
echo "making the environment"
"$base" -m venv --system-site-packages "$home/env" || { echo "python venv is missing in this image"; exit 4; }
pins="$home/constraints.txt"
recent='import torch; v = torch.__version__.split("."); raise SystemExit((int(v[0]), int(v[1])) < (2, 8))'
if "$home/env/bin/python" -c "$recent" 2>/dev/null; then
  grep -v '^torch==' "$pins" > "$pins.own"
  pins="$pins.own"
fi
echo "installing the training packages"
"$home/env/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
  -c "$pins" -r "$home/requirements.txt" || { echo "the training packages could not be installed"; exit 5; }
good "$home/env/bin/python" || { "$home/env/bin/python" -c "$check"; exit 6; }
echo "$home/env/bin/python" > "$stamp"
echo "packages are ready"
