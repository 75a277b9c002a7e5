#!/usr/bin/env bash
# The official OpenAI clients for Python and Node and the Anthropic client for Python against a running gateway, with the demo's knowledge base and a
# stand-in for the remote model. Everything is kept under .cache/clients and set up once.
#
#   FIRSTLINE=path/to/firstline tests/clients/run.sh     (else target/release/firstline, else target/debug/firstline)
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD cache=$PWD/.cache/clients
python_version=3.52.0 node_version=7.55.0 anthropic_version=0.125.0

firstline=${FIRSTLINE:-}
for candidate in target/release/firstline target/debug/firstline; do
  [ -n "$firstline" ] || { [ -x "$candidate" ] && firstline=$root/$candidate; } || true
done
[ -n "$firstline" ] || { echo "there is no firstline; run: cargo build --release" >&2; exit 1; }

# --- the clients, at exactly these versions
python=$cache/python-$python_version
if [ ! -e "$python/ready" ]; then
  python3 -m venv "$python"
  "$python/bin/pip" install --quiet --disable-pip-version-check "openai==$python_version"
  touch "$python/ready"
fi
anthropic=$cache/anthropic-$anthropic_version
if [ ! -e "$anthropic/ready" ]; then
  python3 -m venv "$anthropic"
  "$anthropic/bin/pip" install --quiet --disable-pip-version-check "anthropic==$anthropic_version"
  touch "$anthropic/ready"
fi
node=$cache/node-$node_version
if [ ! -e "$node/ready" ]; then
  mkdir -p "$node"
  npm install --silent --no-fund --no-audit --prefix "$node" "openai@$node_version"
  touch "$node/ready"
fi

# --- the stand-in and the gateway, ended with this script
work=$(mktemp -d)
started=()
end() {
  for id in "${started[@]}"; do kill "$id" 2>/dev/null || true; wait "$id" 2>/dev/null || true; done
  rm -rf "$work"
}
trap end EXIT

# Waits for the first line of a program that was started, at most half a minute.
first_line() {
  for _ in $(seq 300); do
    if [ -s "$1" ]; then head -1 "$1"; return; fi
    kill -0 "$2" 2>/dev/null || break
    sleep 0.1
  done
  echo "it did not start:" >&2
  cat "$1" "$work/gateway.log" >&2 2>/dev/null || true
  return 1
}

export FIRSTLINE_KEY=clients-key FIRSTLINE_KIOSK_KEY=kiosk-key
digest() { printf %s "$1" | python3 -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'; }

python3 tests/clients/stand_in.py > "$work/stand-in" & started+=($!)
port=$(first_line "$work/stand-in" $!)
sed -e "s|SHOP_YAML|$root/demo/knowledge/shop.yaml|" -e "s|STAND_IN_PORT|$port|" \
    -e "s|KEY_SHA256|$(digest "$FIRSTLINE_KEY")|" -e "s|KIOSK_SHA256|$(digest "$FIRSTLINE_KIOSK_KEY")|" \
    tests/clients/gateway.yaml > "$work/firstline.yaml"
"$firstline" serve --config "$work/firstline.yaml" > "$work/gateway" 2> "$work/gateway.log" & started+=($!)
line=$(first_line "$work/gateway" $!)
export FIRSTLINE_URL
FIRSTLINE_URL=$(sed -n 's/.*OpenAI base URL: \([^)]*\)).*/\1/p' <<< "$line")
echo "gateway at $FIRSTLINE_URL ($firstline), stand-in for the remote model at port $port"

# --- the checks: each client prints a line a check, and its own counts last
passed=0 failed=0
count() {
  local out=$work/$1.out
  "${@:2}" > "$out" 2>&1 || true
  cat "$out"
  local p f
  p=$(grep -c '^ok   ' "$out" || true) f=$(grep -c '^FAIL ' "$out" || true)
  # A client that ends before its last line has failed, whatever it counted.
  tail -1 "$out" | grep -q '^done$' || f=$((f + 1))
  passed=$((passed + p)) failed=$((failed + f))
}
count python "$python/bin/python" tests/clients/client.py
count anthropic "$anthropic/bin/python" tests/clients/anthropic_client.py
count node env NODE_PATH="$node/node_modules" node tests/clients/client.mjs "$node"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
