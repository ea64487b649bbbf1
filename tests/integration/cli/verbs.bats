#!/usr/bin/env bats
# shellcheck shell=bash disable=SC2030,SC2031,SC2016
# SPDX-License-Identifier: Apache-2.0
# Volumes, and the verbs that look into containers or change them.

bats_require_minimum_version 1.5.0
load helpers

setup_file() { make_store; }
setup() {
	need_root
	command -v conmon >/dev/null || skip "containers in the background need conmon"
	T=$BATS_TEST_TMPDIR
}
teardown() {
	remove_all
	[ "$(id -u)" != 0 ] || brig volume prune -fa >/dev/null
}

back() { brig run -d --network none "$@"; }

@test "volumes: named ones are filled from the image and stay, anonymous ones go with --rm" {
	[ "$(once -v vol:/data bb cat /data/seed)" = seed ]
	once -v vol:/data bb sh -c 'rm /data/seed; echo mine >/data/own'
	[ "$(once -v vol:/data bb ls /data)" = own ]
	[ "$(once -v vol:/data bb stat -c %u /data)" = 33 ] # the image's directory has this owner
	[ -z "$(once -v empty:/data:nocopy bb ls /data)" ]
	once -v /anon full true
	[ "$(brig volume ls -q | sort | tr '\n' ' ')" = "empty vol " ]
	run once -v vol:/data:ro bb touch /data/x
	[ "$status" -ne 0 ]
	[ "$(once --mount type=volume,src=vol,dst=/v,readonly bb cat /v/own)" = mine ]
}

@test "volumes: create, ls, inspect, rm, prune" {
	[ "$(brig volume create --label use=db db)" = db ]
	[ "$(brig volume create db)" = db ]
	run brig volume ls
	[[ ${lines[0]} == "DRIVER"*"VOLUME NAME" && ${lines[1]} == "local"*"db" ]]
	[ "$(brig volume inspect -f '{{.Name}} {{.Driver}} {{.Labels.use}}' db)" = "db local db" ]
	id=$(back -v db:/data bb sleep 100)
	run brig volume rm db
	[[ $status -eq 125 && $output == *"in use by ${id:0:12}"* ]]
	[ -z "$(brig volume ls -q -f dangling=true)" ]
	brig rm -f "$id"
	[ "$(brig volume ls -q -f dangling=true -f label=use=db)" = db ]
	[ "$(brig volume rm db)" = db ]
	run brig volume inspect db
	[[ $status -eq 125 && $output == *"no such volume"* ]]
	run brig volume create a/b
	[[ $status -eq 125 && $output == *"no name for a volume"* ]]
	id=$(back full sleep 100) # its image has a volume
	[ "$(brig volume ls -q | wc -l)" = 1 ]
	brig rm -f "$id"
	[ "$(brig volume ls -q | wc -l)" = 1 ]
	brig volume prune -f
	[ -z "$(brig volume ls -q)" ]
}

@test "secrets: files and variables of containers, in nothing else" {
	printf 's3cret' | brig secret create --label use=db pw -
	E=tok brig secret create --env token E
	run brig secret create pw /dev/null
	[[ $status -eq 125 && $output == *"larger than 0"* ]]
	run brig secret create pw /etc/passwd
	[[ $status -eq 125 && $output == *"pw: secret name in use"* ]]
	[ "$(stat -c %a "$BATS_FILE_TMPDIR"/data/secrets{,/pw,/pw/data} | tr '\n' ' ')" = "700 700 600 " ]
	[ "$(brig secret ls --format '{{.Name}} {{.Driver}}' | tr '\n' ' ')" = "pw file token file " ]
	[ "$(brig secret inspect -f '{{.Spec.Name}} {{.Spec.Labels.use}}' "$(brig secret ls -q -f name=pw)")" = "pw db" ]
	[ "$(once --secret pw --secret token,type=env,target=T --secret source=token,target=/t,uid=33,gid=44,mode=0400 bb \
		sh -c 'cat /run/secrets/pw; stat -c " %a %u" /run/secrets/pw; cat /t; stat -c " %a %u %g" /t; echo $T')" = $'s3cret 444 0\ntok 400 33 44\ntok' ]
	run once --secret pw,mode=0400 -u www bb cat /run/secrets/pw
	[[ $status -eq 1 && $output == *"Permission denied"* ]]
	[ "$(once --secret pw,mode=0400,uid=33 -u www --userns auto bb stat -c '%a %u' /run/secrets/pw)" = "400 33" ]
	back --name s --secret pw --secret token,type=env bb sleep 100 >/dev/null
	brig secret rm pw token
	brig restart -t 0 s
	[ "$(brig exec s sh -c 'cat /run/secrets/pw; echo $token')" = s3crettok ]
	[[ $(brig inspect s) != *s3cret* && $(brig inspect -f '{{(index .Config.Secrets 0).Target}}' s) == /run/secrets/pw ]]
	brig commit -q s img >/dev/null
	[ -z "$(once img sh -c 'cat /run/secrets/*; echo $token')" ]
	run once --secret pw bb true
	[[ $status -eq 125 && $output == *'no secret with name or id "pw"'* ]]
	run brig secret exists pw
	[ "$status" -eq 1 ]
	brig rm -f -t 0 s
	brig rmi img
	[ -z "$(ls "$BATS_FILE_TMPDIR/data/containers")" ]
}

@test "mounts: bind, tmpfs, U, a source that is not there" {
	mkdir "$T/dir"
	echo host >"$T/dir/f"
	[ "$(once -v "$T/dir:/b:ro" bb cat /b/f)" = host ]
	run once -v "$T/dir:/b:ro" bb touch /b/x
	[ "$status" -ne 0 ]
	once -u 33 -v "$T/dir:/b:U" bb touch /b/theirs
	[ "$(stat -c %u "$T/dir/f")" = 33 ]
	once -v "$T/made:/b" bb true
	[ -d "$T/made" ]
	run once --mount "type=bind,src=$T/absent,dst=/b" bb true
	[[ $status -eq 125 && $output == *"$T/absent"* ]]
	run once --tmpfs /t:size=64k,mode=0700 bb sh -c 'stat -c %a /t; grep " /t " /proc/mounts'
	[[ $output == *700* && $output == *tmpfs*nosuid,nodev,noexec*size=64k* ]]
	run once -v /a:/x -v /b:/x bb true
	[[ $status -eq 125 && $output == *"two mounts on '/x'"* ]]
}

@test "cp: both ways, running and stopped, as docker names things" {
	back --name c -v vol:/data bb sleep 100
	echo up >"$T/up"
	brig cp "$T/up" c:/tmp
	brig cp "$T/up" c:/tmp/renamed
	[ "$(brig exec c cat /tmp/up /tmp/renamed)" = $'up\nup' ]
	mkdir -p "$T/tree/sub"
	ln "$T/up" "$T/tree/hard"
	ln -s nowhere "$T/tree/link"
	brig cp "$T/tree" c:/data
	[ "$(brig exec c ls /data/tree | tr '\n' ' ')" = "hard link sub " ]
	brig cp "$T/tree/." c:/tmp/contents
	[ "$(brig exec c readlink /tmp/contents/link)" = nowhere ]
	brig cp c:/data/seed "$T/"
	[ "$(cat "$T/seed")" = seed ]
	brig cp c:/data "$T/copied"
	[ "$(cat "$T/copied/seed")" = seed ]
	run brig cp c:/nowhere "$T/"
	[[ $status -eq 125 && $output == *"/nowhere"* ]]
	run brig cp "$T/up" c:/no/such/dir/
	[ "$status" -eq 125 ]
	run brig cp "$T/up" "$T/up2"
	[[ $status -eq 125 && $output == *"CONTAINER:PATH"* ]]
	brig stop -t 0 c
	brig cp "$T/up" c:/root/stopped
	brig cp c:/root/stopped "$T/back"
	[ "$(cat "$T/back")" = up ]
}

@test "cp: links in the container lead nowhere on the host" {
	echo secret >"$T/secret"
	back --name c bb sh -c "ln -s / /tmp/root; ln -s $T /tmp/out; ln -s $T/secret /tmp/file; sleep 100"
	eventually brig exec c test -L /tmp/file
	echo up >"$T/up"
	run brig cp "$T/up" c:/tmp/out/pwned
	[ ! -e "$T/pwned" ]
	run brig cp -L c:/tmp/file "$T/got"
	[ ! -e "$T/got" ]
	brig cp "$T/up" c:/tmp/root/at-root
	[ "$(brig exec c cat /at-root)" = up ]
	[ ! -e /at-root ]
}

@test "cp: tar streams" {
	back --name c bb sleep 100
	[ "$(brig cp c:/data - | tar -xOf - data/seed)" = seed ]
	mkdir -p "$T/in/sub"
	echo tarred >"$T/in/sub/f"
	ln -s sub "$T/in/link"
	tar -C "$T" -czf - in | brig cp - c:/tmp
	[ "$(brig exec c cat /tmp/in/link/f)" = tarred ]
	run brig cp - c:/nowhere </dev/null
	[[ $status -eq 125 && $output == *"must be a directory"* ]]
}

@test "cp: a tar stream does not leave the container" {
	back --name c bb sh -c "ln -s $T /tmp/out; ln -s / /tmp/root; sleep 100"
	eventually brig exec c test -L /tmp/root
	mkdir -p "$T/in/out" "$T/in/root"
	echo x >"$T/in/out/pwned"
	echo x >"$T/in/root/pwned-root"
	tar -C "$T/in" -cf - out/pwned root/pwned-root | brig cp - c:/tmp || true
	tar -C "$T/in" -cPf - --transform 's,^out,../../../..'"$T"',' out/pwned | brig cp - c:/tmp || true
	[ ! -e "$T/pwned" ]
	[ ! -e /pwned-root ]
}

@test "commit: an image of what a container did" {
	brig run --name c --network none bb sh -c 'rm /data/seed; rm -r /var/www; mkdir /var/www; echo new >/var/www/f; echo x >/added; ln /added /linked'
	id=$(brig commit -m "by test" -a me -c 'CMD ["cat", "/added"]' -c 'ENV A=b' -c 'LABEL l=1' c made:1)
	[[ $id =~ ^[0-9a-f]{64}$ ]]
	[ "$(once made:1)" = x ]
	run once made:1 sh -c 'ls /data; ls /var/www; stat -c %h /linked; echo $A'
	[ "$output" = $'f\n2\nb' ]
	[ "$(brig image inspect made:1 | jq -r '.[0].RootFS.Layers | length')" = 2 ]
	[[ $(brig history --format '{{.Comment}}' made:1) == *"by test"* ]]
	brig save -o "$T/made.tar" made:1
	brig rmi made:1
	brig load -i "$T/made.tar"
	[ "$(once made:1)" = x ]
	[ -z "$(once made:1 ls /data)" ]
}

@test "diff: what was added, changed and deleted" {
	brig run --name d --network none bb sh -c 'rm /data/seed; echo x >/etc/passwd; mkdir /new; touch /new/file'
	run brig diff d
	[[ $output == *"D /data/seed"* && $output == *"C /etc/passwd"* && $output == *"A /new"* && $output == *"A /new/file"* ]]
	[[ $output != *"/bin"* ]]
	[ "$(brig diff --format json d | jq -r '.deleted[0]')" = /data/seed ]
	[ "$(brig diff -l)" = "$(brig diff "$(brig ps -alq)")" ]
	run brig commit -f tar "$(brig ps -alq)" x
	[[ $status -eq 125 && $output == *"--format 'tar'"* ]]
	brig commit -q -f docker --squash "$(brig ps -alq)" flat >/dev/null
	brig rmi flat
}

@test "stats and top" {
	back --name s bb sh -c 'sleep 100 & wait'
	eventually sh -c "[ \"\$(timeout 60 '$BIN/brig' --root '$BATS_FILE_TMPDIR/data' --runroot '$BATS_FILE_TMPDIR/run' top s | wc -l)\" = 3 ]"
	run brig top s -o pid,args
	[[ ${lines[0]} == *PID*COMMAND* && $output == *"sleep 100"* ]]
	run brig stats --no-stream
	[[ ${lines[0]} == "CONTAINER ID"*"NAME"*"CPU %"*"MEM USAGE / LIMIT"*"MEM %"*"NET I/O"*"BLOCK I/O"*"PIDS" ]]
	[[ ${lines[1]} == *" s "*%* ]]
	[ "$(brig stats --no-stream --format '{{.Name}} {{.PIDs}}' s)" = "s 2" ]
	[ "$(brig stats --no-stream --format json s | jq -r '.[0] | "\(.name) \(.pids)"')" = "s 2" ]
	[[ $(brig stats --no-stream --format json s | jq -r '.[0].MemUsage') =~ ^[0-9.]+[KMG]?i?B\ /\ [0-9.]+GiB$ ]]
	brig stop -t 0 s
	run brig top s
	[[ $status -eq 125 && $output == *"not running"* ]]
}

@test "top: podman's columns, as the container and as the host see them" {
	back --name p --userns auto -u www --group-add 7777 bb sh -c 'sleep 100 & wait' >/dev/null
	two() { [ "$(brig top p pid | wc -l)" = 3 ]; }
	eventually two
	[ "$(brig top p user,group pid ppid pgid args | tail -n +2 | tr -s ' ')" = $'www www 1 0 1 sh -c sleep 100 & wait\nwww www 2 1 1 sleep 100' ]
	[ "$(brig top p %U %p %c groups seccomp capeff state | sed -n 2p | tr -s ' ')" = "www 1 sh extra,7777 filter none S" ]
	[ "$(brig top -l hpid huser | sed -n 2p | tr -s ' ')" = "$(brig inspect -f '{{.State.Pid}}' p) $(stat -c %u "/proc/$(brig inspect -f '{{.State.Pid}}' p)")" ]
	[[ $(brig top p pcpu etime time tty nice vsz rss stime label | sed -n 2p) =~ ^[0-9.]+\ +[0-9hm.]+s\ +[0-9.]+s\ +\?\ +0\ +[0-9]+\ +[0-9]+\ +20 ]]
	[[ $(brig top p -o pid,comm | head -1) == *PID*COMMAND ]]
	run brig top p nosuch
	[ "$status" -ne 0 ]
	brig rm -f -t 0 p
}

@test "rename and update" {
	back --name old bb sleep 100
	back --name other bb sleep 100
	brig rename old new
	[ "$(brig inspect -f '{{.Name}}' new)" = new ]
	run brig rename new other
	[ "$status" -eq 125 ]
	run brig inspect old
	[ "$status" -eq 125 ]
	brig update -m 64m --pids-limit 7 new
	[[ $(brig stats --no-stream --format '{{.MemUsage}}' new) == *"/ 64MiB" ]]
	[ "$(brig inspect -f '{{.HostConfig.PidsLimit}}' new)" = 7 ]
	brig restart -t 0 new
	[[ $(brig stats --no-stream --format '{{.MemUsage}}' new) == *"/ 64MiB" ]]
	run brig update new
	[[ $status -eq 125 && $output == *"what to change"* ]]
}

@test "events: a life, filters, time, following" {
	since=$(date +%s)
	once --name e bb true
	run brig events --stream=false --since "$since" --filter container=e --format '{{.Action}}'
	[ "${lines[*]}" = "create start die destroy" ]
	[ "$(brig events --stream=false --filter event=die --format '{{.Actor.Attributes.exitCode}}' | tail -1)" = 0 ]
	[ "$(brig events --stream=false --filter event=die --format json | tail -1 | jq -r .Actor.Attributes.name)" = e ]
	"$BIN/brig" --root "$BATS_FILE_TMPDIR/data" --runroot "$BATS_FILE_TMPDIR/run" events --filter event=create >"$T/events" 3>&- &
	pid=$!
	follows() { find "/proc/$pid/fd" -lname '*inotify*' | grep -q .; }
	eventually follows
	once --name f bb true
	eventually grep -q 'container create [0-9a-f]* (name=f, image=localhost/bb:latest)' "$T/events"
	kill "$pid"
	run brig events --filter nonsense=1
	[ "$status" -eq 125 ]
}

@test "health checks: by command, image and hand" {
	back --name h --health-cmd 'test -e /tmp/well' --health-interval 200ms --health-retries 2 bb sleep 100
	[[ $(brig ps --format '{{.Status}}') == *"(health: starting)" ]]
	unhealthy() { [[ $(brig ps --format '{{.Status}}') == *"(unhealthy)" ]]; }
	healthy() { [[ $(brig ps --format '{{.Status}}') == *"(healthy)" ]]; }
	eventually unhealthy
	[ "$(brig inspect -f '{{.State.Health.Status}}' h)" = unhealthy ]
	run brig healthcheck run h
	[[ $status -eq 1 && $output == unhealthy ]]
	brig exec h touch /tmp/well
	eventually healthy
	brig healthcheck run h
	[ "$(brig inspect h | jq '.[0].State.Health.FailingStreak')" = 0 ]
	[ "$(brig events --stream=false --filter event=health_status --format '{{.Actor.Attributes.health_status}}' | tail -1)" = healthy ]
	monitor=$(pgrep -f "healthcheck monitor $(brig inspect -f '{{.Id}}' h)")
	brig stop -t 0 h
	gone() { [ ! -e "/proc/$monitor" ]; }
	eventually gone
	run brig run --rm --network none --health-cmd true --health-interval soon bb true
	[[ $status -eq 125 && $output == *"--health-interval 'soon'"* ]]
	back --name n bb sleep 100
	run brig healthcheck run n
	[[ $status -eq 125 && $output == *"no health check"* ]]
}

@test "health checks: --health-on-failure" {
	longer() { eventually "$@" || eventually "$@"; } # a check is a `brig exec`, and a restart a start
	state() { [ "$(brig inspect -f "{{.State.Status}}${3:+ $3}" "$1")" = "$2" ]; }
	run once --health-cmd false --health-on-failure panic bb true
	[[ $status -eq 125 && $output == *'"panic" for "--health-on-failure"'* ]]
	back --name again --health-cmd 'test -e /tmp/well' --health-interval 300ms --health-retries 1 --health-on-failure kill --restart on-failure bb \
		sh -c 'test -e /mark && touch /tmp/well; touch /mark; exec sleep 100' >/dev/null
	longer state again 'running healthy 1' '{{.State.Health.Status}} {{.RestartCount}}' # killed, then started by its policy, well
	brig rm -f -t 0 again
	back --name stop --health-cmd false --health-interval 300ms --health-retries 1 --health-on-failure stop --stop-timeout 0 bb sleep 100 >/dev/null
	longer state stop 'exited' ''
}

@test "the default seccomp profile: ordinary programs run, administration fails" {
	once bb sh -c 'echo a | cat | wc -l; sleep 0.1 & wait; date; ls -l /; id'
	run once bb sh -c 'unshare -m true'
	[[ $status -ne 0 && $output == *"Operation not permitted"* ]]
	run once --cap-add SYS_ADMIN bb unshare -m true
	[ "$status" -eq 0 ]
	[[ $(once bb grep Seccomp: /proc/self/status) == *2 ]]
	[[ $(once --security-opt seccomp=unconfined bb grep Seccomp: /proc/self/status) == *0 ]]
}

@test "events: of images, networks and volumes" {
	local since
	since=$(date +%s)
	brig tag bb journal:1
	brig save -q -o "$BATS_TEST_TMPDIR/j.tar" journal:1
	brig rmi journal:1 >/dev/null
	brig load -q -i "$BATS_TEST_TMPDIR/j.tar" >/dev/null
	brig untag journal:1
	brig volume create journal >/dev/null
	brig volume rm journal >/dev/null
	brig network create journal >/dev/null
	brig network rm journal >/dev/null
	[ "$(brig events --stream=false --since "$since" --filter image=localhost/journal:1 --format '{{.Type}} {{.Action}}' | tr '\n' ',')" = \
		"image tag,image save,image untag,image load,image untag," ]
	[ "$(brig events --stream=false --since "$since" --filter volume=journal --filter event=create --format '{{.Type}}')" = volume ]
	[ "$(brig events --stream=false --since "$since" --filter network=journal --format '{{.Action}}' | tr '\n' ',')" = create,destroy, ]
}
