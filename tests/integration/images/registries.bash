# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Registries for the tests of pull and push, all on 127.0.0.1. What is started is noted in $BATS_FILE_TMPDIR/pids and ended by
# stop_all. Ports are free ones of the moment.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
BUILD=${BRIG_BUILD:-$HERE/../../../build}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

wait_port() { # PORT
	local i
	for ((i = 0; i < 100; i++)); do
		(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
		sleep 0.1
	done
	echo "nothing listens on port $1"
	return 1
}

wait_file() { # FILE
	local i
	for ((i = 0; i < 100; i++)); do
		[ ! -e "$1" ] || return 0
		sleep 0.1
	done
	echo "no file $1"
	return 1
}

background() { # PROGRAM ARGS: not a child that bats waits for
	"$@" >>"$BATS_FILE_TMPDIR/servers.log" 2>&1 3>&- &
	echo $! >>"$BATS_FILE_TMPDIR/pids"
}

stop_all() {
	local pid
	[ -e "$BATS_FILE_TMPDIR/pids" ] || return 0
	while read -r pid; do kill "$pid" 2>/dev/null || true; done <"$BATS_FILE_TMPDIR/pids"
}

# NAME [YAML of http and auth]: docker-registry, with its data in $BATS_FILE_TMPDIR/NAME; its port goes to NAME.port
start_registry() {
	local dir=$BATS_FILE_TMPDIR/$1 port
	port=$(free_port)
	mkdir -p "$dir"
	cat >"$dir.yml" <<-YAML
		version: 0.1
		log: {level: warn, accesslog: {disabled: true}}
		storage:
		  filesystem: {rootdirectory: $dir}
		  delete: {enabled: true}
		http:
		  addr: 127.0.0.1:$port
		  secret: test
		${2:-}
	YAML
	background docker-registry serve "$dir.yml"
	wait_port "$port"
	echo "$port" >"$dir.port"
}
port_of() { cat "$BATS_FILE_TMPDIR/$1.port"; }

# An authority, and a server's certificate of it: ca.crt, srv.crt and srv.key
make_certificates() {
	openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=test-ca -days 2 \
		-addext basicConstraints=critical,CA:TRUE 2>/dev/null
	openssl req -newkey rsa:2048 -nodes -keyout srv.key -out srv.csr -subj /CN=localhost 2>/dev/null
	printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >srv.ext
	openssl x509 -req -in srv.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile srv.ext -out srv.crt 2>/dev/null
}

# Two layers with everything in them, as OCI layout $1 with the tag $2.
make_image() {
	local l
	for l in lower upper everything; do
		[ -e "$BATS_FILE_TMPDIR/$l.tar" ] || python3 "$HERE/mktar.py" "$l" "$BATS_FILE_TMPDIR/$l.tar"
	done
	umoci init --layout "$1"
	umoci new --image "$1:$2"
	for l in everything lower upper; do umoci raw add-layer --image "$1:$2" "$BATS_FILE_TMPDIR/$l.tar"; done
	umoci config --image "$1:$2" --config.cmd /bin/true --config.label who=test
}
