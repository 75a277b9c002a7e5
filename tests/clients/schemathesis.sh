#!/usr/bin/env bash
# Requests made from docs/openapi.yaml, right and wrong ones, to a running gateway: no server error of its own, and every answer as described.
#
#   tests/clients/schemathesis.sh [CASES]     (cases an operation, 40 without a number; more words go to schemathesis)
set -euo pipefail
cd "$(dirname "$0")/../.."
version=4.32.5 cases=${1:-40}

# shellcheck source=tests/clients/gateway.sh
source tests/clients/gateway.sh
folder=$cache/schemathesis-$version
if [ "$(cat "$folder/ready" 2>/dev/null)" != "schemathesis==$version" ]; then
  rm -rf "$folder"
  python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version"
  echo "schemathesis==$version" > "$folder/ready"
fi

# The names of models that this gateway has, so that requests get past them; and no header that allows a millisecond, which is a 504 by right.
sed -e '/parameters\/MaxLatency/d' -e 's/^    Model: {type: string,/    Model: {enum: [auto, desk, remote, claude],/' docs/openapi.yaml > "$work/openapi.yaml"
grep -q 'enum: \[auto, desk, remote, claude\]' "$work/openapi.yaml"

# Not checked: that a request which breaks the description is refused, and that one which keeps it is taken. What a body may hold is the
# model's API, of which the description is a part.
"$folder/bin/schemathesis" run "$work/openapi.yaml" --url "${FIRSTLINE_URL%/v1}" --header "authorization: Bearer $FIRSTLINE_KEY" \
  --max-examples "$cases" --seed 1 --generation-deterministic --workers 1 --request-timeout 30 --phases coverage,fuzzing \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance \
  "${@:2}"
