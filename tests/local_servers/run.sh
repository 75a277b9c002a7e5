#!/bin/sh
# The gateway before a real llama.cpp server with tiny random models. Builds llama-cpp-python (20 minutes on two cores) once,
# under .cache; then a run takes a minute.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
work="$root/.cache/local_servers"
python=${LOCAL_SERVER_PYTHON:-$work/venv/bin/python}
if [ ! -x "$python" ]; then
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet --disable-pip-version-check 'llama-cpp-python[server]==0.3.36' gguf==0.19.0
fi
cargo build --release --locked --manifest-path "$root/Cargo.toml"
python3 "$root/scripts/fetch-runtime.py"
mkdir -p "$root/.cache/conformance"
"$python" "$root/tests/local_servers/make_gguf.py" "$work/models"
cd "$root"
exec "$python" "$root/tests/local_servers/check.py" "$root/target/release/firstline" "$work/models" "$root/.cache/conformance/local.json"
