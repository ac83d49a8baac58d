#!/bin/sh
# Runs every suite, goes on after a failure, and closes with a count of suites.
# A suite whose toolchain is missing says what it lacks and counts as skipped.
# Two that only need processors run at the lowest priority beside some that
# mostly wait: for a kill, for a scrape, for a browser.
set -u
cd "$(dirname "$0")/../.."
passed=0 failed=0 skipped=0 report=
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

suite() { # suite NAME COMMAND...
	name=$1; shift
	echo "== $name: $*"
	start=$(date +%s)
	{ "$@"; echo $? >"$scratch/status"; } 2>&1 | tee "$scratch/output"
	record "$name" "$(cat "$scratch/status")" $(($(date +%s) - start)) "$scratch/output"
}

beside() { # beside NAME COMMAND...: until await NAME
	name=$1; shift
	echo "== $name: $*: beside the next suites; what it says comes behind them"
	{
		start=$(date +%s)
		nice -n 19 "$@" >"$scratch/$name" 2>&1
		echo "$? $(($(date +%s) - start))" >"$scratch/$name.status"
	} &
}

await() { # await NAME
	[ -e "$scratch/$1" ] || return 0
	wait
	echo "== $1"
	cat "$scratch/$1"
	read -r code took <"$scratch/$1.status"
	record "$1" "$code" "$took" "$scratch/$1"
}

record() { # record NAME CODE SECONDS OUTPUT
	details=
	if [ "$2" = 0 ]; then
		passed=$((passed + 1)) state=ok
	else
		failed=$((failed + 1)) state=FAILED
		details=$(grep -E -- '--- FAIL|: failed: |^panic|^FAIL.*\[' "$4" | head -40)
	fi
	report="$report
  $state  $1, $3 s"
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
if command -v golangci-lint >/dev/null 2>&1; then
	beside lint make -s lint
else
	skip lint "no golangci-lint on the PATH"
fi
for tool in helm cfn-lint systemd-analyze promtool; do
	command -v $tool >/dev/null 2>&1 || skip "deploy/$tool" "no $tool on the PATH"
done
beside deploy make -s deploy
suite crash make -s crash
if ! command -v promtool >/dev/null 2>&1 || ! command -v prometheus >/dev/null 2>&1; then
	skip metrics "no prometheus and promtool on the PATH (Debian's package prometheus)"
else
	suite metrics make -s metrics
fi
if command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1; then
	suite console make -s console
else
	skip console "no Chromium on the PATH"
fi
await lint
await deploy
if ! command -v java >/dev/null 2>&1; then
	skip compat "no java on the PATH (needs a JDK 11 or newer and Maven)"
elif ! command -v mvn >/dev/null 2>&1; then
	skip compat "no mvn on the PATH (needs Maven)"
else
	suite compat make -s compat
fi

echo "$report"
echo
echo "suites: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
