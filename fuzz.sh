#!/usr/bin/env bash
# Fuzzes every Fuzz target of the module, one after the other.
#
#   ./fuzz.sh [seconds [others]]
#   ./fuzz.sh --keep
#
# seconds (60) is the time for each target that reads what clients send as
# text: queries, _filter, patches, XML, GraphQL, Bundles, request lines. others
# (the same) is the time for each of the rest. With --keep it fuzzes nothing,
# and copies small inputs that earlier runs on this machine found to be worth
# keeping to testdata/fuzz, where ordinary tests read them.
#
# It fails only on an input that makes a target fail, which is then in
# testdata/fuzz; a fuzzer that merely ran out of time does not count.
set -euo pipefail
cd "$(dirname "$0")"
export CGO_ENABLED=0

front='^(search|search/filter|patch|graphql) |^fhir FuzzParseXML$|^rest Fuzz(Bundle|RequestLine)$'
kept=24     # inputs for each target
largest=600 # bytes of one of them

targets() { # package and name of each, on a line
	grep -rE --include='*_test.go' -o '^func Fuzz[A-Za-z0-9_]*' . |
		sed -E 's|^\./(.*)/[^/]*:func (.*)$|\1 \2|' | sort
}

keep() { # package name
	local from to
	from="$(go env GOCACHE)/fuzz/$(go list -m)/$1/$2"
	to="$1/testdata/fuzz/$2"
	[ -d "$from" ] || return 0
	mkdir -p "$to"
	local room=$((kept - $(find "$to" -type f | wc -l)))
	[ "$room" -gt 0 ] || return 0
	find "$from" -type f -size "-${largest}c" | sort | head -n "$room" | while read -r file; do cp "$file" "$to/"; done
}

if [ "${1:-}" = --keep ]; then
	targets | while read -r package name; do keep "$package" "$name"; done
	exit
fi

seconds=${1:-60}
others=${2:-$seconds}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0
while read -r package name; do
	time=$others
	if [[ "$package $name" =~ $front ]]; then time=$seconds; fi
	echo "fuzz $package $name ${time}s"
	# A package that does not build, or fails on a kept input, is a failure.
	if ! go test "./$package" -run "^$name\$" >"$log" 2>&1; then
		cat "$log" >&2
		failed=1
		continue
	fi
	if ! go test "./$package" -run '^$' -fuzz "^$name\$" -fuzztime "${time}s" -parallel 2 >"$log" 2>&1 &&
		grep -q 'Failing input written' "$log"; then
		cat "$log" >&2
		failed=1
	fi
done < <(targets)
exit "$failed"
