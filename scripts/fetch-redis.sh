#!/usr/bin/env bash
# A redis-server for the tests: the one that is installed; else, as root on Debian, its package; else the same package
# unpacked into .cache/redis. Where none of it works the tests that need one are skipped, and this says so.
set -uo pipefail
cd "$(dirname "$0")/.."
target=.cache/redis
log=.cache/redis.log
if command -v redis-server >/dev/null || [ -x "$target/usr/bin/redis-server" ]; then
  exit 0
fi
mkdir -p .cache
if command -v apt-get >/dev/null; then
  if [ "$(id -u)" = 0 ]; then
    # It must not start a server of its own: the tests start theirs.
    if { apt-get update && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends redis-server; } >"$log" 2>&1; then
      exit 0
    fi
  fi
  folder=$(mktemp -d)
  packages=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances redis-server 2>>"$log" |
    grep -E '^(redis-|libatomic1|libhiredis|libjemalloc|liblua5|liblzf|lua-)' | grep -v ':' | sort -u)
  if [ -n "$packages" ] && (cd "$folder" && apt-get download $packages) >>"$log" 2>&1; then
    mkdir -p "$target"
    for package in "$folder"/*.deb; do
      dpkg -x "$package" "$target"
    done
  fi
  rm -rf "$folder"
fi
if [ ! -x "$target/usr/bin/redis-server" ]; then
  echo "==============================================================================" >&2
  echo "No redis-server is here and none could be fetched ($log says why)." >&2
  echo "THE TESTS OF SHARED BUDGETS AND OF THE SHARED CACHE ARE SKIPPED." >&2
  echo "==============================================================================" >&2
fi
