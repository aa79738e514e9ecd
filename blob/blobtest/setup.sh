#!/usr/bin/env bash
# Installs versitygw, the S3 server that the tests of S3 run against, beside this
# script. Without it those tests are skipped. It is no part of Tarn's module.
set -euo pipefail
cd "$(dirname "$0")"

version=v1.8.0

if [ ! -x bin/versitygw ]; then
	export GOBIN="$PWD/bin" GOFLAGS=-mod=mod CGO_ENABLED=0
	for pause in 5 15 45 0; do # the network may fail
		if go install "github.com/versity/versitygw/cmd/versitygw@$version"; then break; fi
		if [ "$pause" = 0 ]; then exit 1; fi
		sleep "$pause"
	done
fi
