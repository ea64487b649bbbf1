#!/usr/bin/env bats
# shellcheck shell=bash disable=SC2030,SC2031,SC2016
# SPDX-License-Identifier: Apache-2.0
# What scripts written for docker and podman read from the command: members, templates, filters, times.

bats_require_minimum_version 1.5.0
load helpers

setup_file() { make_store; }
setup() {
	need_root
	command -v conmon >/dev/null || skip "containers in the background need conmon"
	T=$BATS_TEST_TMPDIR
}
teardown() { remove_all; }

back() { brig run -d --network none "$@"; }

@test "inspect: the members that scripts read" {
	brig create --name c --network none -p 8080:80 -p 81/udp -v vol:/v --tmpfs /t:size=1m --ulimit nofile=10:20 --device /dev/null:/dev/n:r \
		--health-cmd true --label a=b --sysctl net.ipv4.ip_forward=1 full 2>/dev/null
	is() { [ "$(brig inspect -f "$1" c)" = "$2" ] || { echo "$1 is $(brig inspect -f "$1" c)"; return 1; }; }
	is '{{json .HostConfig.PortBindings}}' '{"80/tcp":[{"HostIp":"","HostPort":"8080"}],"81/udp":[{"HostIp":"","HostPort":""}]}'
	is '{{index .Config.Healthcheck.Test 1}} {{.Config.Healthcheck.Interval}}' '/bin/sh 30000000000'
	is '{{.Config.Volumes}} {{.Config.ExposedPorts}}' 'map[/data:map[]] map[]'
	is '{{.HostConfig.Tmpfs}} {{.HostConfig.Sysctls}}' 'map[/t:size=1m] map[net.ipv4.ip_forward:1]'
	is '{{range .HostConfig.Ulimits}}{{.Name}} {{.Soft}} {{.Hard}}{{end}}' 'nofile 10 20'
	is '{{range .HostConfig.Devices}}{{.PathOnHost}} {{.PathInContainer}} {{.CgroupPermissions}}{{end}}' '/dev/null /dev/n r'
	is '{{.Config.Labels.none}}{{index .Config.Labels "a"}}' '<no value>b'
	is '{{if .Config.Labels.none}}wrong{{end}}' ''
	is '{{.GraphDriver.Name}} {{.HostConfig.IpcMode}} {{.OCIRuntime}} {{.IsInfra}} {{len .ExecIDs}}' 'erofs shareable brig-oci false 0'
	[ "$(brig image inspect -f '{{.Config.Cmd}}{{.Config.Entrypoint}}{{.Config.User}}{{.Config.Labels}}' bb)" = '[][]map[]' ]
}

@test "ps: json for podman's users, lines for docker's" {
	brig create --name c --network none --label a=b --label shape=flat -v vol:/v bb sleep 1
	[ "$(brig ps -a --format json | jq -r '.[0] | .Names[0], .Command[1], .Labels.a, .State, .Mounts[0]' | tr '\n' ' ')" = "c 1 b created /v " ]
	[ "$(brig ps -a --format '{{json .}}' | jq -r '.Names, .Labels')" = $'c\na=b,shape=flat' ]
	[ "$(brig ps -a --format '{{.Label "shape"}} {{.Label "x"}}{{.Mounts}} {{.Networks}}')" = "flat vol none" ]
	[[ $(brig ps -a --format '{{.CreatedAt}}') =~ ^[0-9-]{10}\ [0-9:]{8}\ [+-][0-9]{4}\ [A-Z]+$ ]]
}

@test "ps: filters by name, port, health" {
	brig create --name web --network none -p 8080-8082:80-82 bb true 2>/dev/null
	brig create --name web2 --network none --expose 99/udp bb true
	names() { brig ps -a --sort names --format '{{.Names}}' -f "$1" | tr '\n' ' '; }
	[ "$(names name=web)" = "web web2 " ]
	[ "$(names 'name=^web$')" = "web " ]
	[ "$(names 'name=^/web$')" = "web " ]
	[ "$(names publish=81)" = "web " ]
	[ "$(names expose=99/udp)" = "web2 " ]
	[ -z "$(names publish=99)" ]
	[ "$(names health=none)" = "web web2 " ]
}

@test "logs: docker's -n, times without a zone" {
	brig run --name l --network none bb sh -c 'echo 1; echo 2; echo 3' >/dev/null
	[ "$(brig logs -n 1 l)" = 3 ]
	[ "$(brig logs -n l | head -1)" = "l 1" ]
	[ "$(brig logs --since "$(date -d '1 hour ago' +%Y-%m-%dT%H:%M:%S)" l | wc -l)" = 3 ]
	[ -z "$(brig logs --since "$(date -d '1 hour' +%Y-%m-%dT%H:%M)" l)" ]
}

@test "exists: an exit code and no word" {
	brig create --name c --network none bb true
	brig volume create v >/dev/null
	for what in "container c" "volume v" "network bridge" "image bb"; do
		# shellcheck disable=SC2086
		run brig ${what% *} exists ${what#* }
		[[ $status -eq 0 && -z $output ]]
		run brig "${what% *}" exists nosuch
		[[ $status -eq 1 && -z $output ]]
	done
}

@test "inspect: images, volumes and networks by name; container inspect knows containers only" {
	brig create --name c --network none bb true
	brig volume create v >/dev/null
	[ "$(brig inspect c bb v bridge | jq -r 'map(.Name // .RepoTags[0]) | join(" ")')" = "c localhost/bb:latest v bridge" ]
	[ "$(brig inspect --type volume -f '{{.Driver}}' v)" = local ]
	run brig inspect nosuch
	[[ $status -eq 125 && $output == *'no such object: "nosuch"'* && $output == *"[]"* ]]
	run brig container inspect bb
	[[ $status -eq 125 && $output == *"no such container"* ]]
	[ "$(brig container inspect -f '{{.Name}}' c)" = c ]
}

@test "export, volume export and import: tar streams" {
	brig volume create v >/dev/null
	echo into >"$T/f"
	tar -C "$T" -cf - f | brig volume import v
	[ "$(once -v v:/v bb cat /v/f)" = into ]
	[ "$(brig volume export v | tar -xOf - f)" = into ]
	back --name c -v v:/v bb sh -c 'echo mine >/mine; exec sleep 100'
	eventually brig exec c test -e /mine
	brig export -o "$T/c.tar" c
	[ "$(tar -xOf "$T/c.tar" mine)" = mine ]
	run tar -tf "$T/c.tar"
	[[ $output == *bin/busybox* && $output == *v/* && $output != *v/f* && $output != *proc/1* && $output != *sys/fs* ]]
	brig stop -t 0 c
	[ "$(brig container export c | tar -xOf - mine)" = mine ]
}

@test "system: df, prune, info, events" {
	brig create --name c --network none -v /anon bb true
	run brig system df
	[[ ${lines[0]} == TYPE*TOTAL*ACTIVE*SIZE*RECLAIMABLE && ${lines[1]} =~ ^Images\ +2\ +1 && ${lines[2]} =~ ^Containers\ +1\ +0 ]]
	[ "$(brig system df --format '{{.Type}} {{.Total}}' | tail -1)" = "Local Volumes $(brig volume ls -q | wc -l)" ]
	[[ $(brig system df -v) == *"Images space usage:"*REPOSITORY*"Containers space usage:"*"VOLUME NAME"* ]]
	run brig system prune </dev/null
	[[ $status -eq 0 && $output == *WARNING* && $(brig ps -aq) ]]
	run brig system prune -f
	[[ ${lines[0]} == "Deleted Containers" && ${lines[-1]} == "Total reclaimed space: "* && -z $(brig ps -aq) ]]
	[ "$(brig volume ls -q | wc -l)" -gt 0 ]
	brig system prune -f --volumes
	[ "$(brig images -q | wc -l)" = 2 ]
	[ "$(brig system info -f '{{.Store.GraphDriverName}} {{.Driver}} {{.ContainersRunning}} {{.Host.OCIRuntime.Name}}')" = "erofs erofs 0 brig-oci" ]
	[ "$(brig version -f '{{.Server.Version}}')" = "$(brig info -f '{{.ServerVersion}}')" ]
	[[ $(brig system events --stream=false --filter event=create --format '{{.Action}}') == create* ]]
}

@test "run: overlays, ramfs and globs as mounts" {
	mkdir "$T/dir"
	echo low >"$T/dir/f"
	[ "$(once -v "$T/dir:/m:O" bb sh -c 'echo up >/m/f; touch /m/new; cat /m/f; ls /m')" = $'up\nf\nnew' ]
	[ "$(cat "$T/dir/f") $(ls "$T/dir")" = "low f" ]
	[ "$(once -v seeded:/data:O bb sh -c 'cat /data/seed; rm /data/seed')" = seed ]
	[ "$(once -v seeded:/data bb ls /data)" = seed ]
	[ "$(once --mount type=ramfs,dst=/r bb grep -c '^ramfs /r ramfs' /proc/mounts)" = 1 ]
	touch "$T/g1" "$T/g2"
	[ "$(once --mount "type=glob,src=$T/g*,dst=/x,ro" bb ls /x | tr '\n' ' ')" = "g1 g2 " ]
	run once --mount "type=glob,src=$T/none*" bb true
	[[ $status -eq 125 && $output == *"nothing matches"* ]]
	run once --mount type=image,src=bb,dst=/x bb true
	[[ $status -eq 125 && $output == *"unknown type 'image'"* ]]
}

@test "run: --systemd, --http-proxy, --domainname, and what is refused" {
	run once --systemd always bb sh -c 'for i in /run /run/lock /tmp /var/log/journal; do grep -c "^tmpfs $i tmpfs" /proc/mounts; done; grep -c "cgroup.* rw" /proc/mounts'
	[[ ${lines[*]:0:4} == "1 1 1 1" && ${lines[4]} -gt 0 ]]
	brig create --name s --network none --systemd=always bb sh >/dev/null
	brig create --name n --network none bb sh >/dev/null
	[ "$(brig inspect -f '{{.Config.StopSignal}}' s n | tr '\n' ' ')" = "SIGRTMIN+3 SIGTERM " ]
	[ "$(https_proxy=http://p:1 NO_PROXY=x once --http-proxy bb env | grep -ci '^https_proxy=http://p:1$\|^no_proxy=x$')" = 2 ]
	[ "$(https_proxy=http://p:1 once bb env | grep -c proxy)" = 0 ]
	[ "$(once --domainname a.b bb cat /proc/sys/kernel/domainname)" = a.b ]
	for bad in "--kernel-memory 1m" "--pod p" "--link c" "--security-opt foo=bar" "--volume-driver nfs" "--sdnotify container" "--systemd foo" "--userns auto --vm" "--uidmap 0:1:2 --runtime=brig-vm"; do
		# shellcheck disable=SC2086
		run once $bad bb true
		[[ $status -eq 125 && $output == *"${bad%% *}"* ]] || { echo "$bad: $output"; return 1; }
	done
	[[ $(once --arch arm64 bb true 2>&1) == *"does not match the expected platform (linux/arm64)"* ]]
}

@test "wait: conditions" {
	brig create --name w --network none bb sleep 100 >/dev/null
	[ "$(brig wait --condition created w)" = -1 ]
	brig wait --condition running -i 50ms w >"$T/out" 3>&- &
	brig start w
	wait $!
	[ "$(cat "$T/out")" = -1 ]
	brig wait --condition removed w >"$T/out" 3>&- &
	brig rm -f w
	wait $!
	[ "$(cat "$T/out")" = 137 ]
	run brig wait --condition soon w
	[[ $status -eq 125 && $output == *"--condition 'soon'"* ]]
}

@test "stop, kill, restart, pause, rm --cidfile: as units of systemd call them" {
	back --name c --cidfile "$T/cid" bb sleep 100 >/dev/null
	id=$(cat "$T/cid")
	for verb in pause unpause "restart -t 0" kill "stop -t 0" "rm -f"; do
		# shellcheck disable=SC2086
		[ "$(brig $verb --cidfile "$T/cid")" = "$id" ]
	done
	[ -z "$(brig ps -aq)" ]
	brig stop -t 0 --ignore --cidfile "$T/cid" --cidfile "$T/nosuch"
	brig rm -f --ignore --cidfile "$T/nosuch"
	run brig rm --cidfile "$T/nosuch"
	[[ $status -eq 125 && $output == *"nosuch': No such file"* ]]
}

@test "kill by hand: the restart policy lets it be, and a signal that is no end does not count" {
	back --name k --restart always bb sh -c 'trap : HUP; while :; do sleep 0.1; done' >/dev/null
	brig kill k
	ended() { [ "$(brig ps -aq -f status=exited)" ]; }
	eventually ended
	sleep 0.5
	[ "$(brig inspect -f '{{.State.Status}} {{.RestartCount}}' k)" = "exited 0" ]
	back --name h --restart always bb sh -c 'trap "exit 1" HUP; echo ready; while :; do sleep 0.1; done' >/dev/null
	again() { [ "$(brig inspect -f '{{.State.Status}} {{.RestartCount}}' h)" = "running 1" ]; }
	ready() { [ "$(brig logs h)" = ready ]; }
	eventually ready
	brig kill -s HUP h
	eventually again
}

@test "inspect: what is not there is empty and no error, and nothing is said again" {
	brig create --name thing --network none -p 80:80 bb true 2>/dev/null
	run --separate-stderr brig inspect -f '{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}} {{(index .NetworkSettings.Networks "none").IPAddress}}' thing
	[[ $status -eq 0 && $output == "none " && -z $stderr ]]
	brig create --name b bb true
	[ "$(brig inspect -f '{{range $k, $v := .NetworkSettings.Networks}}{{$k}}={{$v.IPAddress}}{{end}}' b)" = bridge= ]
	[ "$(brig network inspect -f '{{.Name}} {{.Driver}}' host none | tr '\n' ' ')" = "host host none null " ]
	brig network exists none
	[ "$(brig ps -a --filter name=thing --format '{{.LocalVolumes}}')" = 0 ]
	[ "$(brig events --since 1m --stream=false --filter event=create --filter container=thing --format '{{.Name}} {{.Image}} {{.Status}}')" = "thing localhost/bb:latest create" ]
	[[ $(brig info -f '{{.OperatingSystem}}|{{range $k, $v := .Runtimes}}{{$k}} {{end}}') =~ ^.+\|brig-oci\ brig-vm\ $ ]]
}

@test "images NAME and --filter reference: that name, not the image's others" {
	brig tag bb here/there:1
	[ "$(brig images --format '{{.Repository}}:{{.Tag}}' here/there)" = localhost/here/there:1 ]
	[ "$(brig images --format '{{.Repository}}:{{.Tag}}' --filter 'reference=there:*')" = localhost/here/there:1 ]
	[ "$(brig images -q --filter 'reference=there*' | wc -l)" = 1 ]
	brig rmi here/there:1
}

@test "attach, --latest: the newest container without its name" {
	back --name l bb sh -c 'sleep 0.5; echo out; exit 3' >/dev/null
	run brig attach --no-stdin -l
	[[ $status -eq 3 && $output == *out* ]]
	run brig attach
	[[ $status -eq 125 && $output == *"name or ID"* ]]
}
