#!/usr/bin/env bash
# Fuzzes what reads the text that clients send: query strings, _filter, patch
# documents, XML, GraphQL, FHIRPath, Bundles, page links, resources that profiles
# and questionnaires are about, and what becomes of any text in AuditEvents. Of
# the other Fuzz targets ordinary tests run the seeds; "all" fuzzes those as well.
#
#   ./fuzz.sh [seconds [all]]
#   ./fuzz.sh --keep
#
# seconds (60) is the time for each kind of input, shared by its targets; with
# "all" it is also the time for each other target. With --keep nothing is
# fuzzed: small inputs that earlier runs on this machine found to be worth
# keeping are copied to testdata/fuzz, where ordinary tests read them.
#
# Inputs are made smaller in twenty steps at most: which lines run differs from
# run to run (memories, collections), so that the usual minute goes into inputs
# that cannot be made smaller, and nothing new is tried meanwhile.
#
# It fails only on an input that makes a target fail, which is then in
# testdata/fuzz; a fuzzer that merely ran out of time does not count.
set -euo pipefail
cd "$(dirname "$0")"
export CGO_ENABLED=0

# Package and target, and what share of a kind's time it has, in percent.
inputs='search FuzzQuery 75
search FuzzParse 25
search/filter FuzzParse 100
patch FuzzJSON 34
patch FuzzMerge 33
patch FuzzFHIRPath 33
fhir FuzzParseXML 100
graphql FuzzExecute 100
fhirpath FuzzExpression 100
validate/profile FuzzResource 50
validate/profile FuzzProfile 50
validate/questionnaire FuzzResponse 100
audit FuzzAuditEvents 50
rest FuzzBundle 35
rest FuzzPageToken 15'

kept=12     # inputs for each target
largest=600 # bytes of one of them

others() { # the targets that are not above
	grep -rE --include='*_test.go' -o '^func Fuzz[A-Za-z0-9_]*' . |
		sed -E 's|^\./(.*)/[^/]*:func (.*)$|\1 \2|' | sort |
		grep -vxFf <(cut -d' ' -f1,2 <<<"$inputs") | sed 's/$/ 100/'
}

cache="$(go env GOCACHE)/fuzz/$(go list -m)"

keep() { # package target
	local to="$1/testdata/fuzz/$2"
	[ -d "$cache/$1/$2" ] || return 0
	mkdir -p "$to"
	local room=$((kept - $(find "$to" -type f | wc -l)))
	[ "$room" -gt 0 ] || return 0
	find "$cache/$1/$2" -type f -size "-${largest}c" | sort | awk -v n="$room" "NR <= n" | while read -r file; do cp "$file" "$to/"; done
}

if [ "${1:-}" = --keep ]; then
	while read -r package name _; do keep "$package" "$name"; done <<<"$inputs"
	exit
fi

seconds=${1:-60}
targets=$inputs
if [ "${2:-}" = all ]; then targets=$(printf '%s\n%s' "$inputs" "$(others)"); fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
while read -r package name share; do
	# The targets of a package share one binary.
	binary="$work/${package//\//-}.test"
	if [ ! -e "$binary" ]; then go test -c -fuzz . -o "$binary" "./$package"; fi
	time=$((seconds * 1000 * share / 100))ms
	echo "fuzz $package $name $time"
	if (cd "$package" && "$binary" -test.run "^$name\$" -test.fuzz "^$name\$" -test.fuzztime "$time" -test.parallel 2 -test.fuzzminimizetime 20x -test.fuzzcachedir "$cache/$package") >"$work/log" 2>&1; then continue; fi
	if grep -q 'Failing input written' "$work/log" || ! grep -q 'context deadline exceeded' "$work/log"; then
		cat "$work/log" >&2
		failed=1
	fi
done <<<"$targets"
exit "$failed"
