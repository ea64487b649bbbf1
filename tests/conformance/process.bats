#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helpers

STATUS='s() { sed -n "s/^$1:[[:space:]]*//p" /proc/self/status; }; '

@test "process: what root sees" {
	report "$STATUS"'sh -c "ls /proc/1/fd >/fds"; echo "ids=$(id -u):$(id -g):$(id -G)"; echo "umask=$(umask)"; echo "cwd=$(pwd)"; echo "home=$HOME"; echo "x=$X"
		echo "eff=$(s CapEff)"; echo "bnd=$(s CapBnd)"; echo "inh=$(s CapInh)"; echo "amb=$(s CapAmb)"; echo "nnp=$(s NoNewPrivs)"
		echo "nofile=$(ulimit -n):$(ulimit -Hn)"; echo "host=$(hostname)"; echo "domain=$(cat /proc/sys/kernel/domainname)"
		echo "oom=$(cat /proc/self/oom_score_adj)"; echo "uname=$(uname -m)"; echo "fds=$(echo $(cat /fds))"; echo "pid=$$"; echo "args=$#:$1:$2"' \
		'.process.args += ["sh", "a  b", ""] | .process.env += ["X=one", "X=two words"] | .process.cwd = "/made/for/me" |
		.domainname = "example.org" | .hostname = "contract" | .process.oomScoreAdj = 321 |
		.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 77, hard: 99}] | .linux.personality = {domain: "LINUX32"} |
		.process.capabilities.bounding += ["CAP_NO_SUCH"]'
	is ids 0:0:0
	is umask 0022
	is cwd /made/for/me
	is home /root
	is x "two words"
	is bnd 00000000280004eb
	is eff 00000000280004eb
	is inh 0000000000000000
	is amb 0000000000000000
	is nnp 1
	is nofile 77:99
	is host contract
	is domain example.org
	is oom 321
	is uname i686
	is fds "0 1 2"
	is pid 1
	is args "2:a  b:"
	[[ "$output" == *CAP_NO_SUCH* ]]
}

@test "process: what a user sees" {
	report "$STATUS"'echo "ids=$(id -u):$(id -g):$(id -G)"; echo "umask=$(umask)"; echo "home=$HOME"; echo "eff=$(s CapEff)"; echo "amb=$(s CapAmb)"
		echo "bnd=$(s CapBnd)"; echo "nnp=$(s NoNewPrivs)"; echo out >/dev/stdout && echo "reopen=yes"' \
		'.process.user = {uid: 1000, gid: 1000, additionalGids: [5, 2000], umask: 63} | del(.process.noNewPrivileges) |
		.process.capabilities = {bounding: ["CAP_KILL", "CAP_CHOWN"], permitted: ["CAP_KILL"], effective: ["CAP_KILL"],
			inheritable: ["CAP_KILL"], ambient: ["CAP_KILL"]}'
	is ids "1000:1000:1000 5 2000"
	is umask 0077
	is home /home/user
	is eff 0000000000000020
	is amb 0000000000000020
	is bnd 0000000000000021
	is nnp 0
	is reopen yes
}

@test "process: standard streams carry what they are given, and the exit code comes back" {
	mk_sh 'cat; exit 3'
	rc=0
	seq 1 200000 | rt run --bundle "$B" "$ID" >"$T/o" || rc=$?
	[ "$rc" = 3 ]
	[ "$(md5sum <"$T/o")" = "$(seq 1 200000 | md5sum)" ]
}

@test "process: programs that cannot run, with the words that engines look for" {
	mk_bundle '.process.args = ["/etc/issue"]'
	refuses "permission denied" rt run --bundle "$B" "$ID"
	edit '.process.args = ["/no/such/file"]'
	refuses "no such file or directory" rt run --bundle "$B" "$ID"
	edit '.process.args = ["nothing"]'
	refuses 'executable file not found in $PATH' rt run --bundle "$B" "$ID"
	edit '.process.cwd = "/etc/issue" | .process.args = ["true"]'
	refuses "/etc/issue" rt run --bundle "$B" "$ID"
	no_residue "$ID"
}

@test "process: seccomp answers with the errno, and only for the call it names" {
	report 'mkdir /one && echo "mkdir=made"; chmod 700 /tmp 2>&1; echo "chmod=$?"; grep -c "^Seccomp:.*2" /proc/self/status' \
		'.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64"],
		syscalls: [{names: ["chmod", "fchmodat", "fchmodat2"], action: "SCMP_ACT_ERRNO", errnoRet: 38}]}'
	is mkdir made
	is chmod 1
	[[ "$output" == *"not implemented"* ]]
}

@test "process: namespaces are new ones, and sysctls are of them" {
	report 'for n in pid net ipc uts mnt; do echo "$n=$(readlink /proc/self/ns/$n)"; done; echo "if=$(ls /sys/class/net | tr "\n" " ")"
		echo "msgmax=$(cat /proc/sys/kernel/msgmax)"; echo "fwd=$(cat /proc/sys/net/ipv4/ip_forward)"' \
		'.linux.sysctl = {"kernel.msgmax": "9999", "net.ipv4.ip_forward": "1"}'
	is msgmax 9999
	is fwd 1
	[[ "$(got if)" == *lo* && "$(got if)" != *eth* ]]
	local n
	for n in pid net ipc uts mnt; do
		differs host-namespaces || [ "$(got $n)" != "$(readlink /proc/self/ns/$n)" ]
	done
	mk_bundle '.linux.sysctl = {"kernel.pid_max": "1000"}'
	refuses "kernel.pid_max" rt run --bundle "$B" "$ID"
}
