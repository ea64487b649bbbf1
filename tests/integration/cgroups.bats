#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Limits are in force, are seen in the kernel's files, and nothing remains. The same tests run on v1, hybrid and v2.
load helpers

no_dirs_like() { [ -z "$(find /sys/fs/cgroup -maxdepth 3 -type d -name "$1*" -print -quit)" ]; }

@test "limits: each is in the kernel's file" {
	mk_sh 'sleep 600' '.linux.resources = {memory: {limit: 67108864, swap: 100663296, reservation: 33554432}, pids: {limit: 77},
		cpu: {shares: 512, quota: 20000, period: 50000, cpus: "0"}}'
	ct_up
	if have_cgroup-v2; then
		[ "$(cg_cat x x memory.max)" = 67108864 ]
		[ "$(cg_cat x x memory.swap.max)" = 33554432 ]
		[ "$(cg_cat x x memory.low)" = 33554432 ]
		[ "$(cg_cat x x cpu.weight)" = 59 ]
		[ "$(cg_cat x x cpu.max)" = "20000 50000" ]
	else
		[ "$(cg_cat memory memory.limit_in_bytes x)" = 67108864 ]
		[ "$(cg_cat memory memory.memsw.limit_in_bytes x)" = 100663296 ]
		[ "$(cg_cat memory memory.soft_limit_in_bytes x)" = 33554432 ]
		[ "$(cg_cat cpu cpu.shares x)" = 512 ]
		[ "$(cg_cat cpu cpu.cfs_quota_us x) $(cg_cat cpu cpu.cfs_period_us x)" = "20000 50000" ]
	fi
	[ "$(cg_cat pids pids.max pids.max)" = 77 ]
	[ "$(cg_cat cpuset cpuset.cpus cpuset.cpus)" = 0 ]
}

@test "enter: the program is in the container's cgroup of every hierarchy" {
	mk_sh 'sleep 600'
	ct_up
	# 0:: of a v1-only machine is a hierarchy that is mounted nowhere
	while IFS=: read -r _ name path; do
		[ "$path" = "/$CG" ] || { [ -z "$name" ] && [ ! -d /sys/fs/cgroup/unified ] && ! have_cgroup-v2; } || { echo "$name is in $path"; false; }
	done <"/proc/$(ct_pid)/cgroup"
}

@test "exec: the process joins the same cgroups" {
	mk_sh 'sleep 600'
	ct_up
	rt exec --detach --pid-file "$T/exec.pid" "$ID" sleep 601 </dev/null >/dev/null 2>&1
	[ "$(cat "/proc/$(cat "$T/exec.pid")/cgroup")" = "$(cat "/proc/$(ct_pid)/cgroup")" ]
}

# start_events: brig-oci events in the background, watching the memory of the container; what it prints is in $T/events
start_events() {
	"$RUNTIME" --root "$ROOT" events "$ID" </dev/null >"$T/events" 2>&1 3>&- &
	EVENTS=$!
	background $EVENTS
	wait_for events_watches
}
events_watches() { ls -l "/proc/$EVENTS/fd" | grep -qE 'memory\.events|eventfd'; }

@test "memory: a program that allocates past its limit is killed, and the OOM is reported" {
	mk_sh 'until [ -e /go ]; do sleep 0.1; done; dd if=/dev/zero of=/dev/null bs=100M count=1; echo "dd: $?" >/result; sleep 600' \
		'.linux.resources.memory = {limit: 33554432, swap: 33554432}'
	ct_up
	start_events
	touch "$R/go"
	wait_for test -s "$R/result"
	[ "$(cat "$R/result")" = "dd: 137" ]
	wait_for grep -q '"type":"oom"' "$T/events"
}

@test "memory: a container with 512 KiB starts" {
	mk_sh 'echo up' '.linux.resources.memory = {limit: 524288}'
	run ct_run
	echo "$output"
	[ "$status" = 0 ]
	[ "$output" = up ]
}

@test "memory: a limit that not even init fits in ends the container, not the runtime" {
	local n
	for n in 16384 65536 131072; do
		mk_sh true '.linux.resources.memory = {limit: $n}' --argjson n "$n"
		run rt run --bundle "$B" "$ID"
		echo "$n: $status $output"
		[ "$status" -ne 0 ]
		no_residue "$ID"
	done
}

@test "pids: a fork bomb stops at the limit" {
	mk_sh 'i=0; while [ $i -lt 100 ]; do sleep 600 & i=$((i + 1)); done; wait' '.linux.resources.pids.limit = 20'
	ct_up
	refused() { [ "$(cg_cat pids pids.events pids.events | sed -n 's/^max //p')" -gt 0 ]; }
	wait_for refused
	[ "$(cg_cat pids pids.current pids.current)" -le 20 ]
}

@test "cpu: a quota holds a spinning program to its share within 10 percent" {
	mk_sh 'while :; do :; done' '.linux.resources.cpu = {quota: 20000, period: 100000}'
	ct_up
	usage() { if have_cgroup-v2; then sed -n 's/^usage_usec //p' "/sys/fs/cgroup/$CG/cpu.stat"; else echo $(($(cat "/sys/fs/cgroup/cpuacct/$CG/cpuacct.usage") / 1000)); fi; }
	sleep 0.5
	a=$(usage) t=$(date +%s%N)
	sleep 4
	b=$(usage) u=$(date +%s%N)
	share=$(((b - a) * 100000 / ((u - t) / 1000))) # thousandths of a percent of one CPU
	echo "share: $share"
	# more than its share is a failure; less may be a busy machine's
	[ "$share" -le 22000 ]
	[ "$share" -ge 18000 ] || [ "$(cut -d. -f1 /proc/loadavg)" -ge "$(nproc)" ]
}

# The scratch disk of the bench, or any other that is mounted there.
have_scratch() { findmnt -no SOURCE /scratch >/dev/null; }
wbps_of() { # the line of the writer's rate, on this layout: $1 is the device's numbers
	if have_cgroup-v2; then cg_cat x x io.max | sed -n "s/^$1 .*wbps=\([0-9]*\).*/\1/p"; else cg_cat blkio blkio.throttle.write_bps_device x | sed -n "s/^$1 //p"; fi
}

@test "io: a limit holds a writer to its rate, and an update changes only what it names" {
	need scratch "no scratch disk"
	local src major minor a ms dir=/scratch/$BATS_TEST_NUMBER-$$
	src=$(findmnt -no SOURCE /scratch)
	major=$(($(stat -c 0x%t "$src"))) minor=$(($(stat -c 0x%T "$src")))
	mkdir "$dir"
	mk_sh 'dd if=/dev/zero of=/disk/x bs=64k count=48 oflag=direct 2>/dev/null && echo done; sleep 600' \
		".mounts += [{destination: \"/disk\", type: \"bind\", source: \"$dir\", options: [\"bind\", \"rw\"]}]
		| .linux.resources.blockIO = {throttleWriteBpsDevice: [{major: $major, minor: $minor, rate: 524288}], throttleReadIOPSDevice: [{major: $major, minor: $minor, rate: 1000}]}"
	a=$(date +%s%N)
	ct_up
	wait_for grep -q done "$T/$ID.out"
	ms=$((($(date +%s%N) - a) / 1000000))
	echo "3 MiB at 512 KiB/s took $ms ms"
	[ "$ms" -ge 5400 ] # 6 s less 10 %
	[ "$(wbps_of "$major:$minor")" = 524288 ]
	echo "{\"blockIO\": {\"throttleWriteBpsDevice\": [{\"major\": $major, \"minor\": $minor, \"rate\": 1048576}]}}" | rt update --resources - "$ID"
	[ "$(wbps_of "$major:$minor")" = 1048576 ]
	if have_cgroup-v2; then grep -q riops=1000 "$(cg_file x x io.max)"; else grep -qx "$major:$minor 1000" "$(cg_file blkio blkio.throttle.read_iops_device x)"; fi
	rt events --stats "$ID" >"$T/stats" # every layer counts the 3 MiB
	jq -e --argjson major "$major" --argjson minor "$minor" '[.data.blkio.ioServiceBytesRecursive[] | select(.major == $major and .minor == $minor and .op == "Write")][0].value >= 3145728' "$T/stats"
	rm -r "$dir"
}

@test "update: changes limits of a running container" {
	mk_sh 'sleep 600' '.linux.resources.memory = {limit: 67108864, swap: 67108864}'
	ct_up
	echo '{"memory": {"limit": 134217728, "swap": 268435456}, "pids": {"limit": 55}, "cpu": {"quota": 30000}}' >"$T/r.json"
	rt update --resources "$T/r.json" "$ID"
	[ "$(cg_cat memory memory.limit_in_bytes memory.max)" = 134217728 ]
	[ "$(cg_cat pids pids.max pids.max)" = 55 ]
	# and back: the kernel wants the two memory limits in the other order
	echo '{"memory": {"limit": 67108864, "swap": 67108864}}' | rt update --resources - "$ID"
	[ "$(cg_cat memory memory.limit_in_bytes memory.max)" = 67108864 ]
	if have_cgroup-v2; then [ "$(cg_cat x x cpu.max)" = "30000 100000" ]; else [ "$(cg_cat cpu cpu.cfs_quota_us x)" = 30000 ]; fi
}

@test "update: all or nothing" {
	mk_sh 'sleep 600' '.linux.resources = {memory: {limit: 67108864}, pids: {limit: 77}}'
	ct_up
	echo '{"memory": {"limit": 33554432}, "pids": {"limit": 55}, "cpu": {"cpus": "4000"}}' >"$T/r.json"
	run rt update --resources "$T/r.json" "$ID"
	[ "$status" = 1 ]
	[[ "$output" == *cpu.cpus* ]]
	[ "$(cg_cat memory memory.limit_in_bytes memory.max)" = 67108864 ]
	[ "$(cg_cat pids pids.max pids.max)" = 77 ]
	run rt update --pids-limit 55 --l3-cache-schema "L3:0=f" "$ID"
	[ "$status" = 1 ]
	[[ "$output" == *intelRdt* ]]
	[ "$(cg_cat pids pids.max pids.max)" = 77 ]
}

@test "devices: what is not in the list cannot be opened, the standard ones can" {
	mk_sh 'cd /nodes; mknod blocked c 1 2; mknod allowed c 1 3; mknod n c 10 229 && echo made; cat blocked; cat n; cat allowed && echo read' \
		'.linux.resources.devices = [{allow: false, access: "rwm"}, {allow: true, type: "c", major: 1, minor: 11, access: "r"}]
		 | .mounts += [{destination: "/nodes", type: "tmpfs", source: "tmpfs", options: ["mode=755"]}]
		 | .process.capabilities = (["bounding", "effective", "permitted"] | map({key: ., value: ["CAP_MKNOD", "CAP_DAC_OVERRIDE"]}) | from_entries)'
	run ct_run
	echo "$output"
	[[ "$output" == *made* ]]
	[[ "$output" == *"blocked': Operation not permitted"* ]]
	[[ "$output" == *"'n': Operation not permitted"* ]]
	[[ "$output" == *read* ]]
}

# devices_bundle RULES: a container that may make nodes in /nodes, with the helper devtable in its /bin
devices_bundle() {
	mk_sh "until [ -e /nodes/stop ]; do devtable /nodes watch c:10:229; done; sleep 600" "
		.linux.resources.devices = $1 | .mounts += [{destination: \"/nodes\", type: \"tmpfs\", source: \"tmpfs\", options: [\"mode=755\"]}]
		| .process.capabilities = ([\"bounding\", \"effective\", \"permitted\"] | map({key: ., value: [\"CAP_MKNOD\", \"CAP_DAC_OVERRIDE\"]}) | from_entries)"
	cp "$(helper devtable)" "$R/bin/"
}
# table: what the container may do with each device
table() {
	rt exec "$ID" devtable /nodes c:10:229 b:10:229 b:7:0 b:7:1 c:7:0 c:10:200 c:240:1 c:240:2 b:240:1 c:1:3 c:1:2 c:136:77 b:136:77 </dev/null |
		sed -n 's/ m$//; / /p' | paste -sd ,
}

@test "devices: the kernel's answer to every type, number and access of a table; update brings another list" {
	devices_bundle '[{allow: false, access: "rwm"}, {allow: true, type: "c", major: 10, minor: 229, access: "rw"}, {allow: true, type: "b", major: 7, access: "r"},
		{allow: true, type: "c", major: 240, minor: 1, access: "w"}, {allow: true, type: "c", major: 240, minor: 2, access: "rwm"},
		{allow: false, type: "c", major: 240, minor: 2, access: "w"}]'
	ct_up
	first="c:10:229 r w rw,b:7:0 r,b:7:1 r,c:10:200 r w rw,c:240:1 w,c:240:2 r,c:1:3 r w rw,c:136:77 r w rw"
	[ "$(table)" = "$first" ] || { table; false; }
	echo '{"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "r"},
		{"allow": true, "type": "c", "major": 10, "minor": 200, "access": "rwm"}], "pids": {"limit": 55}}' >"$T/second.json"
	rt update --resources "$T/second.json" "$ID"
	second="c:10:229 r,c:10:200 r w rw,c:1:3 r w rw,c:136:77 r w rw"
	[ "$(table)" = "$second" ] || { table; false; }
	[ "$(cg_cat pids pids.max pids.max)" = 55 ]
	# refused as a whole
	echo '{"devices": [{"allow": true, "access": "rwm"}], "pids": {"limit": 66}, "cpu": {"cpus": "4000"}}' >"$T/bad.json"
	fails rt update --resources "$T/bad.json" "$ID"
	[ "$(table)" = "$second" ]
	# a whole object with other limits and the list of create goes back to that
	jq '.linux.resources | {devices}' "$B/config.json" | rt update --resources - "$ID"
	[ "$(table)" = "$first" ] || { table; false; }
	echo '{"devices": [{"allow": true, "access": "rwm"}]}' | rt update --resources - "$ID"
	[[ "$(table)" == "c:10:229 r w rw,b:10:229 r w rw,b:7:0 r w rw,"*",b:136:77 r w rw" ]]
	rt update --resources "$T/second.json" "$ID"
	[ "$(table)" = "$second" ]
}

@test "devices: while update exchanges the list nothing is refused that both lists allow" {
	devices_bundle '[{allow: false, access: "rwm"}, {allow: true, type: "c", major: 10, minor: 229, access: "rw"}]'
	ct_up
	local i
	for i in 1 2 3 4 5 6 7 8 9 10; do
		echo '{"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 10, "minor": '"$i"', "access": "rw"},
			{"allow": true, "type": "c", "major": 10, "minor": 229, "access": "r'"$([ $((i % 2)) = 0 ] || echo w)"'"}]}' | rt update --resources - "$ID"
	done
	rt exec "$ID" touch /nodes/stop </dev/null
	wait_for grep -q refused "$T/$ID.out"
	[[ "$(ct_out)" =~ ^"0 refused of "[1-9] ]] || { ct_out; false; }
}

@test "devices: an update with the list of create leaves alone what others did to the filter" {
	need cgroup-v1 "v2: their filter stands in the place of ours"
	devices_bundle '[{allow: false, access: "rwm"}, {allow: true, type: "c", major: 240, minor: 1, access: "w"}]'
	ct_up
	echo 'c 240:2 rw' >"/sys/fs/cgroup/devices/$CG/devices.allow" # as the hooks of GPU vendors do
	jq '.linux.resources + {pids: {limit: 55}}' "$B/config.json" | rt update --resources - "$ID"
	grep -qx 'c 240:2 rw' "/sys/fs/cgroup/devices/$CG/devices.list"
	[ "$(cg_cat pids pids.max pids.max)" = 55 ]
}

@test "update: checkBeforeUpdate refuses a memory limit below the usage" {
	mk_sh 'dd if=/dev/zero of=/dev/shm/x bs=1M count=24 2>/dev/null; echo full; sleep 600' '.linux.resources.memory = {limit: 67108864}'
	ct_up
	wait_for grep -q full "$T/$ID.out"
	echo '{"memory": {"limit": 16777216, "checkBeforeUpdate": true}, "pids": {"limit": 55}}' >"$T/r.json"
	run rt update --resources "$T/r.json" "$ID"
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *memory.limit*"usage"* ]]
	[ "$(cg_cat memory memory.limit_in_bytes memory.max)" = 67108864 ]
	[ "$(cg_cat pids pids.max pids.max)" != 55 ]
	is_status running
}

@test "pause: a container that forks all the time is frozen as a whole, ten times in a row" {
	mk_sh 'while :; do (echo $$ >/dev/null); date +%N 1<>/now; done & while :; do sleep 0.001; done'
	ct_up
	wait_for test -s "$R/now"
	local i a
	for i in 1 2 3 4 5 6 7 8 9 10; do
		rt pause "$ID"
		if have_cgroup-v2; then grep -qx 'frozen 1' "/sys/fs/cgroup/$CG/cgroup.events"; else [ "$(cat "/sys/fs/cgroup/freezer/$CG/freezer.state")" = FROZEN ]; fi
		a=$(cat "$R/now" "$(dirname "$(cg_file pids x x)")/cgroup.procs")
		sleep 0.05
		[ "$(cat "$R/now" "$(dirname "$(cg_file pids x x)")/cgroup.procs")" = "$a" ]
		rt resume "$ID"
	done
	rt delete --force "$ID"
	no_residue "$ID"
}

@test "pause: stops the program; a paused container can be killed and deleted" {
	mk_sh 'i=0; while :; do i=$((i + 1)); echo $i 1<>/count; done'
	ct_up
	wait_for test -s "$R/count"
	rt pause "$ID"
	[ "$(ct_status)" = paused ]
	a=$(cat "$R/count")
	sleep 0.3
	[ "$(cat "$R/count")" = "$a" ]
	rt resume "$ID"
	[ "$(ct_status)" = running ]
	rt pause "$ID"
	rt delete --force "$ID"
	no_residue "$ID"
}

@test "create: refuses a cgroup that is in use" {
	mk_sh 'sleep 600'
	ct_up
	first=$CG
	mk_bundle ".linux.cgroupsPath = \"/$first\""
	run ct_create
	[ "$status" != 0 ]
	[[ "$output" == *"container's cgroup is not empty: 1 process(es) found"* ]]
}

@test "create: refuses a frozen cgroup" {
	mk_bundle
	dir=$(dirname "$(cg_file freezer freezer.state cgroup.freeze)")
	mkdir "$dir"
	if have_cgroup-v2; then echo 1 >"$dir/cgroup.freeze"; else echo FROZEN >"$dir/freezer.state"; fi
	run ct_create
	if have_cgroup-v2; then echo 0 >"$dir/cgroup.freeze"; else echo THAWED >"$dir/freezer.state"; fi
	rmdir "$dir"
	[ "$status" != 0 ]
	[[ "$output" == *"container's cgroup unexpectedly frozen"* ]]
}

@test "create: hostile values are refused, name the field, and leave nothing" {
	while IFS='|' read -r filter text; do
		mk_bundle "$filter"
		run ct_create
		echo "$filter: $output"
		[ "$status" != 0 ]
		[[ "$output" == *"$text"* ]]
		no_residue "$ID"
	done <<-'END'
		.linux.cgroupsPath = "/x/../../y"|cgroupsPath
		.linux.cgroupsPath = "/"|cgroupsPath
		.linux.resources.hugepageLimits = [{pageSize: "2MB/../x", limit: 1}]|hugepageLimits
		.linux.resources.unified = {"../memory.max": "1"}|unified
		.linux.resources.cpu.cpus = "4000"|cpu.cpus
	END
}

@test "exec --cgroup: refuses a way out" {
	mk_sh 'sleep 600'
	ct_up
	run rt exec --cgroup ../x "$ID" true </dev/null
	[ "$status" != 0 ]
	[[ "$output" == *".."* ]]
}

@test "exec --cgroup: below the container's, for all or for named controllers" {
	need cgroup-v1 "cgroup v1 is not mounted"
	not_in "one path, and no controllers" crun
	mk_sh 'sleep 600'
	ct_up
	local c bad at
	for c in /sys/fs/cgroup/*/"$ID"; do mkdir -p "$c/a" "$c/b"; done
	echo 0 | tee /sys/fs/cgroup/cpuset/"$ID"/{a,b}/cpuset.{cpus,mems} >"$T/tee"
	at() { sed -n "s|^[0-9]*:\(.*,\)*$1\(,.*\)*:/$ID||p"; }
	rt exec --cgroup a "$ID" cat /proc/self/cgroup </dev/null >"$T/one"
	[ "$(at memory <"$T/one"):$(at pids <"$T/one")" = /a:/a ]
	rt exec --cgroup memory:a --cgroup pids,freezer:/b/ "$ID" cat /proc/self/cgroup </dev/null >"$T/two"
	[ "$(at memory <"$T/two"):$(at pids <"$T/two"):$(at freezer <"$T/two"):$(at cpu <"$T/two")" = /a:/b:/b: ]
	for bad in "memory:a memory:b" "a b" "memory:a b" "nothing:a" ":a" "memory,:a" "memory:none" "pids:../a" "memory:a pids:b/../../.."; do
		# shellcheck disable=SC2046
		run rt exec $(printf -- '--cgroup %s ' $bad) "$ID" true </dev/null
		echo "$bad: $output"
		[ "$status" = 255 ]
		[[ "$output" == *cgroup* ]]
	done
}

@test "delete: removes sub-cgroups that the container made" {
	mk_sh 'sleep 600'
	ct_up
	dir=$(dirname "$(cg_file memory x x)")
	mkdir -p "$dir/sub/deeper"
	rt delete --force "$ID"
	no_residue "$ID"
}

@test "events --stats: has numbers of every controller" {
	mk_sh 'dd if=/dev/zero of=/dev/null bs=1M count=2000; sleep 600' '.linux.resources = {memory: {limit: 67108864}, pids: {limit: 77}}'
	ct_up
	sleep 0.5
	rt events --stats "$ID" >"$T/stats"
	jq -e --arg id "$ID" '.type == "stats" and .id == $id' "$T/stats"
	jq -e '.data | .cpu.usage.total > 0 and .memory.usage.limit == 67108864 and .memory.usage.usage > 0 and (.memory.raw | length) > 10
		and .pids.limit == 77 and .pids.current > 0 and (.cpuset.cpus | length) > 0 and (.blkio | has("ioServiceBytesRecursive"))' "$T/stats"
}

@test "events --stats: every field of the layout is there, and the numbers are the kernel's" {
	mk_sh 'while [ ! -e /stop ]; do :; done; dd if=/dev/zero of=/dev/shm/x bs=1M count=8 2>/dev/null; echo full; sleep 600' \
		'.linux.resources = {memory: {limit: 67108864, swap: 67108864}, cpu: {quota: 20000, period: 100000, cpus: "0"}}'
	ct_up
	sleep 1
	touch "$R/stop"
	wait_for grep -q full "$T/$ID.out"
	rt events --stats "$ID" >"$T/stats"
	jq -e '.data | (.cpu.usage | has("total") and has("kernel") and has("user")) and .cpu.throttling.periods > 0 and .cpu.throttling.throttledPeriods > 0
		and .cpu.throttling.throttledTime > 0 and .cpuset.cpus == [0] and (.cpuset.mems | length) > 0 and .pids.current > 0
		and .memory.usage.usage > 8388608 and .memory.usage.limit == 67108864 and (.memory.usage | has("max") and has("failcnt"))
		and .memory.cache > 8388608 and (.memory | has("swap") and has("raw")) and (.blkio | has("ioServicedRecursive")) and has("hugetlb")' "$T/stats" ||
		{ cat "$T/stats"; false; }
	if have_cgroup-v2; then
		jq -e '.data | .cpu.psi.some.total > 0 and (.memory.psi.full | has("avg10") and has("avg60") and has("avg300")) and (.blkio.psi | has("some"))' "$T/stats"
	else
		jq -e '.data | (.cpu.usage.percpu | length) > 0 and (.memory.kernel | has("usage")) and (.memory.kernelTCP | has("usage"))
			and (.memory.swap.limit == 67108864) and (.blkio | has("ioQueueRecursive") and has("sectorsRecursive")) and (.cpuset | has("cpu_exclusive"))' "$T/stats"
	fi
}

@test "200 containers in parallel leave no directory" {
	local n=${MANY:-200} i
	mk_bundle '.process.args = ["true"]'
	for i in $(seq "$n"); do
		mkdir "$T/p$i"
		jq --arg p "/$ID-$i" '.linux.cgroupsPath = $p | .root.path = $r' --arg r "$R" "$B/config.json" >"$T/p$i/config.json"
	done
	# not exported: the search for residue looks for the id in environments
	# shellcheck disable=SC2016
	seq "$n" | env RUNTIME="$RUNTIME" ROOT="$ROOT" T="$T" ID="$ID" xargs -P 16 -I{} sh -c '"$RUNTIME" --root "$ROOT" run --bundle "$T/p{}" "$ID-{}" </dev/null >/dev/null 2>>"$T/errors" || echo {} >>"$T/failed"' 3>&-
	[ ! -e "$T/failed" ] || { sort "$T/errors" | uniq -c | sort -rn | head -5; wc -l <"$T/failed"; false; }
	no_dirs_like "$ID"
	[ -z "$(ls -A "$ROOT")" ]
}
