#!/usr/bin/env bash
# Clients that people have, at pinned versions, against a running gateway with the demo's knowledge base and a stand-in for the remote
# model. Everything is kept under .cache/clients and set up once, each client apart.
#
#   tests/clients/run.sh [NAME …]                        (all without a name; `list` says which there are)
#   FIRSTLINE=path/to/firstline tests/clients/run.sh     (else target/release/firstline, else target/debug/firstline)
set -euo pipefail
cd "$(dirname "$0")/../.."

# name, kind, file, packages; the first package is the client that is meant.
clients=(
  "python        python client.py             openai==3.52.0"
  "anthropic     python anthropic_client.py   anthropic==0.125.0"
  "node          node   client.mjs            openai@7.55.0"
  "anthropic-node node  anthropic_client.mjs  @anthropic-ai/sdk@1.12.0"
  "langchain     python langchain_client.py   langchain-openai==1.7.3 langchain-tests==1.1.9"
  "litellm       python litellm_client.py     litellm==1.106.2 mcp==2.3.0"
  "instructor    python instructor_client.py  instructor==1.17.0"
  "pydantic-ai   python pydantic_ai_client.py pydantic-ai-slim[openai,anthropic]==2.68.0"
  "llama-index   python llama_index_client.py llama-index-llms-openai-like==0.8.1"
  "llm           python llm_client.py         llm==0.36"
  "ai-sdk        node   ai_sdk.mjs            ai@7.0.173 @ai-sdk/openai@4.0.118 @ai-sdk/openai-compatible@3.0.92 zod@4.6.7"
  "aider         python aider_client.py       aider-chat==0.86.2"
  "recorded      plain  recorded.py"
)
known=$(for client in "${clients[@]}"; do echo "${client%% *}"; done)
if [ "${1:-}" = list ]; then echo "$known"; exit; fi
wanted=("$@")
[ $# -gt 0 ] || mapfile -t wanted <<< "$known"
for name in "${wanted[@]}"; do
  grep -qx -- "$name" <<< "$known" || { echo "there is no client \`$name\`; there are:" $known >&2; exit 1; }
done

# --- a client's packages in a folder of their own, which is printed
folder_of() {
  local name=$1 kind=$2; shift 2
  local version=${1##*@} folder
  folder=$cache/$name-${version##*==}
  if [ "$(cat "$folder/ready" 2>/dev/null)" != "$*" ]; then
    rm -rf "$folder"
    mkdir -p "$folder"
    if [ "$kind" = node ]; then
      npm install --silent --no-fund --no-audit --prefix "$folder" "$@" >&2
    else
      python3 -m venv "$folder" >&2
      "$folder/bin/pip" install --quiet --disable-pip-version-check "$@" >&2
    fi
    echo "$*" > "$folder/ready"
  fi
  echo "$folder"
}

# shellcheck source=tests/clients/gateway.sh
source tests/clients/gateway.sh

# --- the checks: each client prints a line a check, and `done` last
passed=0 failed=0
count() {
  local name=$1 out=$work/$1.out p f; shift
  timeout 900 "$@" > "$out" 2>&1 || true
  cat "$out"
  p=$(grep -c '^ok   ' "$out" || true) f=$(grep -c '^FAIL ' "$out" || true)
  # A client that ends before its last line has failed, whatever it counted.
  tail -1 "$out" | grep -q '^done$' || f=$((f + 1))
  passed=$((passed + p)) failed=$((failed + f))
  summary+=("$name: $p passed, $f failed")
}
export PYTHONDONTWRITEBYTECODE=1 CLIENTS_WORK=$work
summary=()
for client in "${clients[@]}"; do
  read -r name kind file packages <<< "$client"
  [[ " ${wanted[*]} " = *" $name "* ]] || continue
  # shellcheck disable=SC2086  # the packages are words
  [ "$kind" = plain ] || folder=$(folder_of "$name" "$kind" $packages) || { summary+=("$name: not installed"); failed=$((failed + 1)); continue; }
  case $kind in
    plain) count "$name" python3 "tests/clients/$file" ;;
    python) count "$name" "$folder/bin/python" "tests/clients/$file" ;;
    node) count "$name" node "tests/clients/$file" "$folder" ;;
  esac
done
printf '%s\n' "${summary[@]}"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
