#!/bin/sh
# Runs every fuzz test for the time given (default 3s), one after the other.
set -eu
cd "$(dirname "$0")/../.."
time=${1:-3s}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# go test sometimes reports the end of the fuzzing time as a failure; then there
# is no failing input, and the test runs once more.
fuzz() { # fuzz NAME PACKAGE, in the package's directory
	for attempt in 1 2; do
		echo "fuzz $1 in $2"
		if "$work/test" -test.run '^$' -test.fuzz "^$1\$" -test.fuzztime "$time" -test.fuzzcachedir "$work/cache" </dev/null >"$work/output" 2>&1; then
			tail -n 2 "$work/output"
			return 0
		fi
		cat "$work/output"
		if ! grep -q 'context deadline exceeded' "$work/output" || grep -q 'Failing input' "$work/output"; then return 1; fi
	done
	return 1
}

# A package is built once for all of its tests: linking takes longer than they do.
go list -f '{{.ImportPath}} {{.Dir}}' ./... | while read -r pkg dir; do
	names=$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$dir"/*_test.go 2>/dev/null) || continue # without tests
	[ -n "$names" ] || continue
	go test -c -fuzz=. -o "$work/test" "$pkg"
	cd "$dir"
	for name in $names; do fuzz "$name" "$pkg" || exit 1; done
	cd - >/dev/null
done
