#!/bin/sh
# Runs every fuzz test for the time given (default 3s), one after the other.
set -eu
cd "$(dirname "$0")/../.."
time=${1:-3s}
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# go test sometimes reports the end of the fuzzing time as a failure; then there
# is no failing input, and the test runs once more.
fuzz() { # fuzz NAME PACKAGE
	for attempt in 1 2; do
		echo "fuzz $1 in $2"
		if go test -run '^$' -fuzz "^$1\$" -fuzztime "$time" "$2" >"$output" 2>&1; then
			tail -n 2 "$output"
			return 0
		fi
		cat "$output"
		if ! grep -q 'context deadline exceeded' "$output" || grep -q 'Failing input' "$output"; then return 1; fi
	done
	return 1
}

go list -f '{{.ImportPath}} {{.Dir}}' ./... | while read -r pkg dir; do
	sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$dir"/*_test.go 2>/dev/null | while read -r name; do
		fuzz "$name" "$pkg" || exit 1
	done || exit 1
done
