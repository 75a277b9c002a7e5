# Sourced by the scripts beside it, from the repository's root: starts the stand-in and the gateway, and ends both with the script.
# Sets FIRSTLINE_URL, FIRSTLINE_KEY and FIRSTLINE_KIOSK_KEY, `work` (a folder that goes too) and `cache`.
# shellcheck shell=bash

root=$PWD cache=$PWD/.cache/clients
firstline=${FIRSTLINE:-}
for candidate in target/release/firstline target/debug/firstline; do
  [ -n "$firstline" ] || { [ -x "$candidate" ] && firstline=$root/$candidate; } || true
done
[ -n "$firstline" ] || { echo "there is no firstline; run: cargo build --release" >&2; exit 1; }

# --- the stand-in and the gateway, ended with this script
work=$(mktemp -d)
started=()
end() {
  for id in "${started[@]}"; do kill "$id" 2>/dev/null || true; wait "$id" 2>/dev/null || true; done
  rm -rf "$work"
}
trap end EXIT

# Waits for the first line of a program that was started: two minutes at most, for a busy machine takes its time.
first_line() {
  for _ in $(seq 1200); do
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
