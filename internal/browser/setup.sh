#!/usr/bin/env bash
# Installs what the browser tests run beside Tarn: Chromium (Debian's package),
# the npm packages of package-lock.json, and the one file of fhirclient, the
# SMART library that apps use, whose own build tools are not needed.
# Without all this the browser tests are skipped.
set -euo pipefail
cd "$(dirname "$0")"

fhirclient=fhirclient-2.6.3
checksum=e78e721b55faaea51a660e442c3d107081d3ab89e3f69ab428cbe6cddc32ea3c

if ! command -v chromium >/dev/null; then
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
fi
if [ ! -d node_modules/oidc-provider ]; then
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
fi
if [ ! -f node_modules/fhir-client.js ]; then
	npm pack --silent "${fhirclient/-/@}" >/dev/null
	echo "$checksum  $fhirclient.tgz" | sha256sum --check --quiet
	tar -xzf "$fhirclient.tgz" -O package/build/fhir-client.min.js >node_modules/fhir-client.js
	rm "$fhirclient.tgz"
fi
