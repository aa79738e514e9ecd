#!/usr/bin/env bash
# Installs what the browser tests run beside Tarn: Chromium (Debian's package),
# the npm packages of package-lock.json, and the one file of fhirclient, the
# SMART library that apps use, whose own build tools are not needed.
# Without all this the browser tests are skipped.
set -euo pipefail
cd "$(dirname "$0")"

fhirclient=fhirclient-2.6.3
checksum=e78e721b55faaea51a660e442c3d107081d3ab89e3f69ab428cbe6cddc32ea3c

# again repeats what may fail because of the network, with longer and longer pauses.
again() {
	local n
	for n in 5 15 45; do
		if "$@"; then return; fi
		echo "again in $n s: $*" >&2
		sleep "$n"
	done
	"$@"
}

apt() { # waits for others that install packages
	DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 -o Acquire::Retries=5 "$@" >/dev/null
}

if ! command -v chromium >/dev/null; then
	again apt update
	again apt install -y --no-install-recommends chromium fonts-dejavu-core
fi
# What is there only in part counts for nothing: npm ci begins anew.
if [ ! -f node_modules/complete ]; then
	again npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	touch node_modules/complete
fi
if [ ! -f node_modules/fhir-client.js ]; then
	again npm pack --silent "${fhirclient/-/@}" >/dev/null
	echo "$checksum  $fhirclient.tgz" | sha256sum --check --quiet
	tar -xzf "$fhirclient.tgz" -O package/build/fhir-client.min.js >node_modules/fhir-client.js.part
	mv node_modules/fhir-client.js.part node_modules/fhir-client.js
	rm "$fhirclient.tgz"
fi
