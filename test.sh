#!/usr/bin/env bash
# Runs every check: formatting, static analysis, then all tests.
set -euo pipefail
cd "$(dirname "$0")"
export CGO_ENABLED=0

unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
	echo "not formatted (run gofmt -w): $unformatted" >&2
	exit 1
fi
go vet ./...
go tool staticcheck ./...
# Tests have no time limits of their own: what they wait for takes as long as it
# takes on a busy machine. This one is for a package, against those that hang.
go test -timeout 15m ./... "$@"
