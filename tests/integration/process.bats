#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The process object of config.json: what the program is, who it is, and what it may do.
load helpers

# A line of the program's own /proc/self/status.
status_of() { sed -n "s/^$1:[[:space:]]*//p" "$T/status"; }

# The container prints its status; FILTER edits the configuration.
show_status() {
	mk_bundle ".process.args = [\"cat\", \"/proc/self/status\"] | ${1:-.}"
	ct_run >"$T/status"
}

#### who

@test "user: uid and gid are all three ids and the file system's" {
	show_status '.process.user = {uid: 1000, gid: 1001}'
	[ "$(status_of Uid)" = "$(printf '1000\t1000\t1000\t1000')" ]
	[ "$(status_of Gid)" = "$(printf '1001\t1001\t1001\t1001')" ]
}

@test "user: a uid without a gid of its own is still that uid" {
	show_status '.process.user = {uid: 1000, gid: 0}'
	[ "$(status_of Uid | cut -f1)" = 1000 ]
	[ "$(status_of Gid | cut -f1)" = 0 ]
}

@test "user: additional groups replace those of the runtime" {
	show_status '.process.user = {uid: 1000, gid: 1000, additionalGids: [5, 2000]}'
	[ "$(status_of Groups | tr -d ' ')" = 52000 ]
	show_status
	[ -z "$(status_of Groups | tr -d ' ')" ]
}

@test "user: uid 4294967295 is refused" {
	mk_bundle '.process.user = {uid: 4294967295, gid: 0}'
	run ct_run
	[ "$status" = 1 ]
	[[ "$output" == *"4294967295"* ]]
}

@test "umask: 0022 when none is given, else the given one" {
	mk_bundle '.process.args = ["sh", "-c", "umask"]'
	[ "$(umask 077; ct_run)" = 0022 ]
	mk_bundle '.process.args = ["sh", "-c", "umask"] | .process.user.umask = 63'
	[ "$(ct_run)" = 0077 ]
	mk_bundle '.process.args = ["sh", "-c", "umask"] | .process.user.umask = 0'
	[ "$(ct_run)" = 0000 ]
}

@test "exec --user: a number alone is a uid, and not root's" {
	mk_bundle
	ct_up
	[ "$(rt exec --user 1000 "$ID" id -u)" = 1000 ]
	[ "$(rt exec --user 1000:1001 "$ID" sh -c 'echo $(id -u) $(id -g)')" = "1000 1001" ]
}

#### capabilities

caps='{bounding: ["CAP_KILL", "CAP_CHOWN"], permitted: ["CAP_KILL", "CAP_CHOWN"], effective: ["CAP_KILL"], inheritable: ["CAP_KILL"], ambient: ["CAP_KILL"]}'

@test "capabilities: root has the effective and permitted ones, below the bounding set" {
	show_status ".process.capabilities = $caps"
	[ "$(status_of CapBnd)" = 0000000000000021 ]
	# A program of root gets all of the bounding set by execve, as POSIX capabilities have it.
	[ "$(status_of CapPrm)" = 0000000000000021 ]
	[ "$(status_of CapInh)" = 0000000000000020 ]
}

@test "capabilities: a user has the ambient ones after execve" {
	show_status ".process.capabilities = $caps | .process.user = {uid: 1000, gid: 1000}"
	for set in CapPrm CapEff CapInh CapAmb; do [ "$(status_of "$set")" = 0000000000000020 ]; done
	[ "$(status_of CapBnd)" = 0000000000000021 ]
}

@test "capabilities: a user without ambient ones has none" {
	show_status ".process.capabilities = $caps | .process.capabilities.ambient = [] | .process.user = {uid: 1000, gid: 1000}"
	[ "$(status_of CapEff)" = 0000000000000000 ]
	[ "$(status_of CapPrm)" = 0000000000000000 ]
}

@test "capabilities: without the object there are none" {
	show_status 'del(.process.capabilities)'
	for set in CapPrm CapEff CapBnd CapInh CapAmb; do [ "$(status_of "$set")" = 0000000000000000 ]; done
}

@test "capabilities: an unknown one is a warning" {
	mk_bundle '.process.args = ["true"] | .process.capabilities.bounding += ["CAP_TO_FLY"]'
	run ct_run
	[ "$status" = 0 ]
	[[ "$output" == *CAP_TO_FLY* ]]
}

@test "capabilities: ambient ones that are not inheritable are one warning" {
	mk_bundle '.process.args = ["true"] | .process.capabilities |= ((.permitted, .bounding) += ["CAP_KILL", "CAP_CHOWN"]) |
		.process.capabilities.inheritable = [] | .process.capabilities.ambient = ["CAP_KILL", "CAP_CHOWN"]'
	run ct_run
	[ "$status" = 0 ]
	[ "${#lines[@]}" = 1 ]
	[[ "$output" == *"CAP_CHOWN, CAP_KILL cannot be ambient"* ]]
}

@test "exec --cap: adds a capability that is not inheritable" {
	mk_bundle ".process.capabilities = $caps"
	ct_up
	rt exec --cap CAP_NET_RAW "$ID" cat /proc/self/status >"$T/status"
	[ "$(status_of CapInh)" = 0000000000000000 ] || [ "$(status_of CapInh)" = 0000000000000020 ]
	(( 0x$(status_of CapEff) & 0x2000 ))
}

@test "no_new_privs: set when asked for only" {
	show_status '.process.noNewPrivileges = true'
	[ "$(status_of NoNewPrivs)" = 1 ]
	show_status '.process.noNewPrivileges = false'
	[ "$(status_of NoNewPrivs)" = 0 ]
}

#### limits and scheduling

@test "rlimits: soft and hard" {
	mk_bundle '.process.args = ["cat", "/proc/self/limits"] |
		.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 100, hard: 200}, {type: "RLIMIT_CORE", soft: 0, hard: 4096}]'
	ct_run >"$T/limits"
	grep -Eq '^Max open files +100 +200 ' "$T/limits"
	grep -Eq '^Max core file size +0 +4096 ' "$T/limits"
}

@test "rlimits: 18446744073709551615 is unlimited" {
	mk_bundle '.process.args = ["cat", "/proc/self/limits"] | .process.rlimits = [{type: "RLIMIT_DATA", soft: "MAX", hard: "MAX"}]'
	sed -i 's/"MAX"/18446744073709551615/' "$B/config.json" # jq would round it
	ct_run >"$T/limits"
	grep -Eq '^Max data size +unlimited +unlimited ' "$T/limits"
}

@test "rlimits: what cannot be set names the limit" {
	mk_bundle '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 1099511627776, hard: 1099511627776}]'
	run ct_run
	[ "$status" = 1 ]
	[[ "$output" == *"RLIMIT_NOFILE to soft 1099511627776 hard 1099511627776: Operation not permitted"* ]]
}

@test "rlimits: the same type twice, and an unknown type, are refused" {
	mk_bundle '.process.rlimits = [{type: "RLIMIT_CORE", soft: 0, hard: 0}, {type: "RLIMIT_CORE", soft: 1, hard: 1}]'
	run ct_run
	[ "$status" = 1 ]
	[[ "$output" == *RLIMIT_CORE* ]]
	mk_bundle '.process.rlimits = [{type: "RLIMIT_HUMOUR", soft: 0, hard: 0}]'
	run ct_run
	[ "$status" = 1 ]
	[[ "$output" == *RLIMIT_HUMOUR* ]]
}

@test "oomScoreAdj: set when given, else left alone" {
	mk_bundle '.process.args = ["cat", "/proc/self/oom_score_adj"] | .process.oomScoreAdj = 321'
	[ "$(ct_run)" = 321 ]
	mk_bundle '.process.args = ["cat", "/proc/self/oom_score_adj"]'
	[ "$(ct_run)" = "$(cat /proc/self/oom_score_adj)" ]
}

@test "scheduler: policy and nice value" {
	# field 19 is the nice value, field 41 the policy
	mk_bundle '.process.args = ["cut", "-d ", "-f19,41", "/proc/self/stat"] | .process.scheduler = {policy: "SCHED_BATCH", nice: 7}'
	[ "$(ct_run)" = "7 3" ]
}

@test "scheduler: contradictions are refused by name" {
	mk_bundle '.process.scheduler = {policy: "SCHED_OTHER", priority: 5}'
	run ct_run
	[ "$status" = 1 ]
	[[ "$output" == *process.scheduler.priority* ]]
	mk_bundle '.process.scheduler = {policy: "SCHED_OTHER", nice: 20}'
	run ct_run
	[ "$status" = 1 ]
	[[ "$output" == *process.scheduler.nice* ]]
	mk_bundle '.process.scheduler = {policy: "SCHED_BATCH", runtime: 1000}'
	run ct_run
	[ "$status" = 1 ]
	[[ "$output" == *SCHED_DEADLINE* ]]
}

@test "ioPriority: class and priority" {
	mk_bundle '.process.args = ["ionice", "-p", "1"] | .process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 6}'
	[[ "$(ct_run)" == "best-effort: prio 6" ]]
}

@test "personality: LINUX32 shows in uname -m" {
	mk_bundle '.process.args = ["uname", "-m"] | .linux.personality = {domain: "LINUX32"}'
	[ "$(uname -m)" != x86_64 ] || [ "$(ct_run)" = i686 ]
}

@test "memoryPolicy: the program's memory is bound" {
	[ -e /proc/self/numa_maps ] || skip "the kernel has no memory policies"
	mk_bundle '.process.args = ["head", "-n1", "/proc/self/numa_maps"] | .linux.memoryPolicy = {mode: "MPOL_BIND", nodes: "0"}'
	[[ "$(ct_run)" == *" bind:0 "* ]]
}

@test "affinity: that of the runtime is not handed down" {
	[ "$(nproc --all)" -gt 1 ] || skip "one CPU only"
	all=$(awk '/^Cpus_allowed_list/ { print $2 }' /proc/1/status)
	mk_bundle '.process.args = ["cat", "/proc/self/status"]'
	taskset -c 0 "$RUNTIME" --root "$ROOT" run --bundle "$B" "$ID" </dev/null >"$T/status" 3>&-
	[ "$(status_of Cpus_allowed_list)" = "$all" ]
}

@test "exec: final CPU affinity" {
	[ "$(nproc --all)" -gt 1 ] || skip "one CPU only"
	mk_bundle
	ct_up
	jq '.process | .args = ["cat", "/proc/self/status"] | .execCPUAffinity = {initial: "0", final: "1"}' "$B/config.json" >"$T/p.json"
	rt exec --process "$T/p.json" "$ID" >"$T/status"
	[ "$(status_of Cpus_allowed_list)" = 1 ]
}

#### environment

@test "env: the last of two wins, and nothing of the runtime's is passed on" {
	mk_bundle '.process.args = ["env"] | .process.env = ["PATH=/bin", "A=1", "A=2", "HOME=/x"]'
	[ "$(LEAK=1 ct_run | sort | paste -sd ' ')" = "A=2 HOME=/x PATH=/bin" ]
}

@test "env: HOME comes from the passwd of the image" {
	mk_bundle '.process.args = ["sh", "-c", "echo $HOME"]'
	[ "$(ct_run)" = /root ]
	mk_bundle '.process.args = ["sh", "-c", "echo $HOME"] | .process.user = {uid: 1000, gid: 1000} | .process.env += ["HOME="]'
	[ "$(ct_run)" = /home/user ]
	mk_bundle '.process.args = ["sh", "-c", "echo $HOME"] | .process.user = {uid: 4242, gid: 1000}'
	[ "$(ct_run)" = / ]
}

@test "env: a passwd that is a fifo or leads out of the root does no harm" {
	mk_bundle '.process.args = ["sh", "-c", "echo $HOME"]'
	rm "$R/etc/passwd"
	mkfifo "$R/etc/passwd"
	[ "$(ct_run)" = / ]
	mk_bundle '.process.args = ["sh", "-c", "echo $HOME"]'
	ln -sf ../../../../../../../../etc/passwd "$R/etc/passwd"
	[ "$(ct_run)" = / ]
}

@test "env: an entry without '=' is refused" {
	mk_bundle '.process.env += ["NONSENSE"]'
	run ct_run
	[ "$status" = 1 ]
	[[ "$output" == *NONSENSE* ]]
}

#### working directory

@test "cwd: is entered, and made when missing" {
	mk_bundle '.process.args = ["pwd"] | .process.cwd = "/usr/bin"'
	[ "$(ct_run)" = /usr/bin ]
	mk_bundle '.process.args = ["sh", "-c", "pwd; stat -c %a:%u ."] | .process.cwd = "/made/for/it"'
	[ "$(umask 077; ct_run | paste -sd ' ')" = "/made/for/it 755:0" ]
}

@test "cwd: permission for root alone is enough, and for the user alone" {
	mk_bundle '.process.args = ["/bin/true"] | .process.cwd = "/root" | .process.user = {uid: 1000, gid: 1000}'
	ct_run
	mk_bundle '.process.args = ["pwd"] | .process.cwd = "/home/user" | .process.user = {uid: 1000, gid: 1000} |
		.process.capabilities = {} | .linux.namespaces += [{type: "user"}] |
		.linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
	chown -R 100000:100000 "$R"
	chown 101000:101000 "$R/home/user"
	chmod 700 "$R/home/user"
	[ "$(ct_run)" = /home/user ]
}

@test "cwd: a relative one, a file, and a fd of procfs are refused" {
	mk_bundle '.process.cwd = "usr"'
	run ct_run
	[ "$status" = 1 ]
	[[ "$output" == *cwd* ]]
	mk_bundle '.process.cwd = "/etc/passwd"'
	run ct_run
	[ "$status" = 1 ]
	[[ "$output" == *"/etc/passwd"* ]]
	for fd in 3 4 5 6 7 8 9 10 11 12; do
		mk_bundle '.process.args = ["cat", "../../../../../../etc/hostname"] | .process.cwd = $d' --arg d "/proc/self/fd/$fd"
		run ct_run
		[ "$status" = 1 ]
	done
}

#### the program

# create (or run) has to fail with this text and leave nothing.
refused() { # ARGS-AS-JSON TEXT
	mk_bundle '.process.args = $a' --argjson a "$1"
	run ct_create
	[ "$status" = 1 ]
	[[ "$output" == *"$2"* ]]
	[ ! -e "$ROOT/$ID" ]
}

@test "args: create reports a program that cannot be run" {
	refused '["nope"]' 'exec: "nope": executable file not found in $PATH'
	refused '["/no/such"]' 'exec: "/no/such": stat /no/such: no such file or directory'
	refused '["/etc/passwd"]' 'exec: "/etc/passwd": permission denied'
	refused '["/etc"]' 'exec: "/etc": is a directory'
	refused '[]' 'args'
}

@test "args: start or run reports what execve alone can find" {
	mk_bundle '.process.args = ["/bin/garbage"]'
	printf '\001\002\003' >"$R/bin/garbage"
	chmod 755 "$R/bin/garbage"
	run ct_run
	[ "$status" != 0 ]
	[[ "$output" == *'exec: "/bin/garbage": exec format error'* ]]
	mk_bundle '.process.args = ["/bin/lost"]'
	printf '#!/no/such/interpreter\n' >"$R/bin/lost"
	chmod 755 "$R/bin/lost"
	run ct_run
	[ "$status" != 0 ]
	[[ "$output" == *'exec: "/bin/lost": no such file or directory'* ]]
}

@test "args: looked up with the rights of the user" {
	mk_bundle '.process.args = ["/root/tool"] | .process.user = {uid: 1000, gid: 1000} | .process.capabilities = {}'
	cp "$R/bin/busybox" "$R/root/tool"
	run ct_create
	[ "$status" = 1 ]
	[[ "$output" == *"permission denied"* ]]
}

@test "args: PATH is that of the container" {
	mk_bundle '.process.args = ["mine"] | .process.env = ["PATH=/opt/here"]'
	mkdir -p "$R/opt/here"
	printf '#!/bin/sh\necho found\n' >"$R/opt/here/mine"
	chmod 755 "$R/opt/here/mine"
	[ "$(PATH=$PATH ct_run)" = found ]
}

@test "exec: reports a program that cannot be run with 255 at most, and the text" {
	mk_bundle
	ct_up
	run rt exec "$ID" nope
	[ "$status" != 0 ]
	[[ "$output" == *'exec: "nope": executable file not found in $PATH'* ]]
	run rt exec "$ID" /etc/passwd
	[ "$status" != 0 ]
	[[ "$output" == *'exec: "/etc/passwd": permission denied'* ]]
	run rt exec "$ID" /no/such
	[ "$status" != 0 ]
	[[ "$output" == *'exec: "/no/such": stat /no/such: no such file or directory'* ]]
	run rt exec "$ID" /etc
	[ "$status" != 0 ]
	[[ "$output" == *'exec: "/etc": is a directory'* ]]
}

@test "exec: cwd, environment and umask" {
	mk_bundle '.process.cwd = "/usr"'
	ct_up
	[ "$(rt exec "$ID" pwd)" = /usr ]
	[ "$(rt exec --cwd /tmp "$ID" pwd):$(rt exec -w /tmp "$ID" pwd)" = /tmp:/tmp ] || excused "no letter for it" crun runc
	run rt exec --cwd /not/there "$ID" true
	[ "$status" = 255 ]
	[[ ${output,,} == *"/not/there"*"no such file or directory"* ]]
	run rt exec "$ID" ls -d /not
	[ "$status" != 0 ]
	[ "$(rt exec --env X=1 --env X=2 "$ID" sh -c 'echo $X')" = 2 ]
	[ "$(rt exec "$ID" sh -c umask)" = 0022 ]
}

@test "fds: nothing but 0, 1 and 2 is passed on" {
	mk_bundle '.process.args = ["ls", "/proc/self/fd"]'
	exec 9</etc/passwd
	# 3 is that of ls
	[ "$(ct_run 9<&9 | paste -sd ' ')" = "0 1 2 3" ]
	exec 9<&-
}

@test "fds: --preserve-fds passes on as many, and says so" {
	mk_bundle '.process.args = ["sh", "-c", "cat <&3; cat <&4"]'
	echo three >"$T/3"
	echo four >"$T/4"
	[ "$("$RUNTIME" --root "$ROOT" run --bundle "$B" --preserve-fds 2 "$ID" </dev/null 3<"$T/3" 4<"$T/4" | paste -sd ' ')" = "three four" ]
}

@test "stdio: belongs to the user, so that /dev/stdout can be opened" {
	mk_bundle '.process.args = ["sh", "-c", "echo hello >/dev/stdout"] | .process.user = {uid: 1000, gid: 1000}'
	ct_run >"$T/file"
	[ "$(cat "$T/file")" = hello ]
	[ "$(stat -c %u /dev/null)" = 0 ]
}

#### labels

@test "apparmor: a profile that cannot be applied is an error that names it" {
	mk_bundle '.process.apparmorProfile = "brig-no-such-profile"'
	run ct_create
	[ "$status" = 1 ]
	[[ "$output" == *brig-no-such-profile* ]]
	if have_apparmor; then [[ "$output" == *"no profile of this name is loaded"* ]]; else [[ "$output" == *"not enabled"* ]]; fi
}

# A kernel with AppArmor, and the tool that loads profiles; the kvm-host bench has both.
have_apparmor() { [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ] && [ -e /sys/kernel/security/apparmor/.load ] && command -v apparmor_parser >/dev/null; }

# load_profile NAME FILE: everything is allowed but to write to FILE
load_profile() {
	printf 'profile %s flags=(attach_disconnected,mediate_deleted) {\n\tfile,\n\tcapability,\n\tnetwork,\n\tsignal,\n\tptrace,\n\tdeny %s w,\n}\n' "$1" "$2" |
		apparmor_parser --replace --skip-cache
}

@test "apparmor: the profile is in force for the container and for exec, which may name another" {
	need apparmor "AppArmor is not enabled in this kernel"
	load_profile "brig-a-$$" /secret
	load_profile "brig-b-$$" /other
	# shellcheck disable=SC2016
	show='cat /proc/self/attr/current; echo x 2>/dev/null >/secret || echo no secret; echo x 2>/dev/null >/other || echo no other'
	mk_sh "$show; sleep 600" ".process.apparmorProfile = \"brig-a-$$\" | .process.noNewPrivileges = true"
	ct_up
	a=$(printf 'brig-a-%s (enforce)\nno secret' $$) b=$(printf 'brig-b-%s (enforce)\nno other' $$)
	wait_for grep -q secret "$T/$ID.out"
	[ "$(ct_out)" = "$a" ]
	[ "$(rt exec "$ID" sh -c "$show" </dev/null)" = "$a" ]
	[ "$(rt exec --apparmor "brig-b-$$" "$ID" sh -c "$show" </dev/null)" = "$b" ]
	run rt exec --apparmor brig-no-such-profile "$ID" true </dev/null
	echo "$output"
	[ "$status" != 0 ]
	[[ "$output" == *"'brig-no-such-profile': no profile of this name is loaded"* ]]
	# a process of its own says what it wants: here nothing
	jq -n --arg show "$show" '{args: ["sh", "-c", $show], cwd: "/", user: {uid: 0, gid: 0}, env: ["PATH=/bin"], apparmorProfile: "unconfined"}' >"$T/p.json"
	[ "$(rt exec --process "$T/p.json" "$ID" </dev/null)" = unconfined ]
	rt delete --force "$ID"
	printf 'profile brig-a-%s {}\nprofile brig-b-%s {}\n' $$ $$ | apparmor_parser --remove
}

@test "selinux: a label that cannot be applied is an error that names it" {
	[ ! -e /sys/fs/selinux/enforce ] || skip "SELinux is enabled here"
	mk_bundle '.process.selinuxLabel = "system_u:system_r:container_t:s0"'
	run ct_create
	[ "$status" = 1 ]
	[[ "$output" == *system_u:system_r:container_t:s0* ]]
}
