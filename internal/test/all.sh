#!/bin/sh
# Runs every suite, goes on after a failure, and closes with a count of suites.
# A suite whose toolchain is missing says what it lacks and counts as skipped.
set -u
cd "$(dirname "$0")/../.."
passed=0 failed=0 skipped=0 report=
output=$(mktemp) status=$(mktemp)
trap 'rm -f "$output" "$status"' EXIT

suite() { # suite NAME COMMAND...
	name=$1; shift
	echo "== $name: $*"
	start=$(date +%s) details=
	{ "$@"; echo $? >"$status"; } 2>&1 | tee "$output"
	if [ "$(cat "$status")" = 0 ]; then
		passed=$((passed + 1)) state=ok
	else
		failed=$((failed + 1)) state=FAILED
		details=$(grep -E -- '--- FAIL|: failed: |^panic|^FAIL.*\[' "$output" | head -40)
	fi
	report="$report
  $state  $name, $(($(date +%s) - start)) s"
	[ -z "$details" ] || report="$report
$details"
}

skip() { # skip NAME REASON
	echo "== $1: skipped, $2"
	skipped=$((skipped + 1))
	report="$report
  skipped  $1: $2"
}

suite build make -s build
suite unit make -s unit
suite race make -s race
suite fuzz make -s fuzz
suite crash make -s crash
if ! command -v java >/dev/null 2>&1; then
	skip compat "no java on the PATH (needs a JDK 11 or newer and Maven)"
elif ! command -v mvn >/dev/null 2>&1; then
	skip compat "no mvn on the PATH (needs Maven)"
else
	suite compat make -s compat
fi
if command -v golangci-lint >/dev/null 2>&1; then
	suite lint make -s lint
else
	skip lint "no golangci-lint on the PATH"
fi

echo "$report"
echo
echo "suites: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
