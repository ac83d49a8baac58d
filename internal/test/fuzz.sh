#!/bin/sh
# Runs every fuzz test for the time given (default 10s), one after the other.
set -eu
cd "$(dirname "$0")/../.."
time=${1:-10s}
go list -f '{{.ImportPath}} {{.Dir}}' ./... | while read -r pkg dir; do
	sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$dir"/*_test.go 2>/dev/null | while read -r name; do
		echo "fuzz $name in $pkg"
		go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "$pkg" || exit 1
	done || exit 1
done
