#!/bin/sh
# The whole conformance matrix: builds, exports, runs, and writes docs/families.md. With names of families: only those, no page.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
here="$root/models/conformance"
work="$root/.cache/conformance"
export OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 HF_HUB_DISABLE_PROGRESS_BARS=1

environment() { # NAME REQUIREMENTS
  if [ ! -x "$work/$1/bin/python" ]; then
    python3 -m venv "$work/$1"
    "$work/$1/bin/pip" install --quiet --disable-pip-version-check -r "$2"
  fi
}

mkdir -p "$work"
environment current "$here/requirements.txt"
environment optimum "$root/models/testing/requirements-optimum.txt"
cargo build --release --locked --manifest-path "$root/Cargo.toml"
python3 "$root/scripts/fetch-runtime.py"

"$work/current/bin/python" "$here/build.py" "$work/models" "$@"
"$work/current/bin/python" "$here/export.py" "$work/models" genai "$@"
"$work/current/bin/python" "$here/export.py" "$work/models" transformers "$@"
"$work/optimum/bin/python" "$here/export.py" "$work/models" optimum "$@"
page="$root/docs/families.md"
[ $# -eq 0 ] || page="$work/families.md"
cd "$root"
local="$work/local.json"
if [ -f "$local" ]; then
  exec "$work/current/bin/python" "$here/matrix.py" "$work/models" "$root/target/release/firstline" "$page" --local "$local"
fi
exec "$work/current/bin/python" "$here/matrix.py" "$work/models" "$root/target/release/firstline" "$page"
