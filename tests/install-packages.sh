#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install the Debian packages named as arguments that are not there yet. Needs root only when something is missing.
missing=
for p in "$@"; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "these packages are missing:$missing" >&2
	echo "install them, or run this as root" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null
# shellcheck disable=SC2086  # a list of words
apt-get install -y -q --no-install-recommends $missing >/dev/null
