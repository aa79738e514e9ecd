#!/usr/bin/env bash
# Installs versitygw, the S3 server that the tests of S3 run against, beside this
# script. Without it those tests are skipped. It is no part of Tarn's module.
set -euo pipefail
cd "$(dirname "$0")"

version=v1.8.0

if [ ! -x bin/versitygw ]; then
	GOBIN="$PWD/bin" GOFLAGS=-mod=mod CGO_ENABLED=0 go install "github.com/versity/versitygw/cmd/versitygw@$version"
fi
