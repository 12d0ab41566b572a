#!/usr/bin/env bash
# Every test, in two runs side by side: those on the real cluster, which mostly wait, and all others. $1: pytest's folder.
set -uo pipefail
set -m # jobs that may be interrupted: pytest then takes its cluster down
pytest=${1:?usage: dev/test.sh FOLDER}/pytest
log=$(mktemp)

ended() { # waits for a job also after a signal, and returns its status
    local status
    while wait "$1"; status=$?; [ "$status" -gt 128 ] && kill -0 "$1" 2>/dev/null; do :; done
    return "$status"
}

"$pytest" tests/e2e tests/cluster >"$log" 2>&1 &
cluster=$!
echo "test: those on the cluster run beside the others, and are shown after them"
"$pytest" --ignore=tests/e2e --ignore=tests/cluster </dev/null &
others=$!
trap 'kill -INT "$cluster" "$others" 2>/dev/null' INT TERM
trap 'rm -f "$log"' EXIT

ended "$others"
status=$?
echo "test: those on the cluster"
tail --lines=+1 --follow --pid="$cluster" "$log"
ended "$cluster" || status=$?
exit "$status"
