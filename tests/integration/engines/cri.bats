#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Kubernetes' way in: containerd's CRI plugin, spoken to over gRPC as the kubelet does.
load helpers
bats_require_minimum_version 1.5.0

have_cri() { command -v containerd >/dev/null && [ -x /usr/lib/cni/bridge ] && /usr/bin/python3 -c 'import grpc, grpc_tools' 2>/dev/null; }

setup_file() {
	file_needs cri "containerd, the CNI plugins or python3-grpcio is not installed" || return 0
	engine_up
	mkdir "$E/net" "$E/pb" "$E/logs" "$E/vol"
	cat >"$E/net/10-test.conflist" <<-END
		{"cniVersion": "0.4.0", "name": "test", "plugins": [{"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false,
		"ipam": {"type": "host-local", "dataDir": "$E/ipam", "ranges": [[{"subnet": "10.77.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
	END
	containerd_up "[plugins.\"io.containerd.grpc.v1.cri\"]
		disable_apparmor = true
		restrict_oom_score_adj = true
		tolerate_missing_hugetlb_controller = true
		sandbox_image = \"docker.io/library/pause:1\"
		disable_tcp_service = true
		stream_server_port = \"0\"
		[plugins.\"io.containerd.grpc.v1.cri\".cni]
		bin_dir = \"/usr/lib/cni\"
		conf_dir = \"$E/net\"
		[plugins.\"io.containerd.grpc.v1.cri\".containerd]
		default_runtime_name = \"brig\"
		[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.brig]
		runtime_type = \"io.containerd.runc.v2\"
		[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.brig.options]
		BinaryName = \"$RT\""
	oci_image docker.io/library/box:1 "$E/box.tar"
	python3 "$TOP/tests/integration/engines/oci-image.py" "$(image_tar)" docker.io/library/pause:1 "$E/pause.tar" sleep 86400
	ctr -n k8s.io image import "$E/box.tar" >/dev/null
	ctr -n k8s.io image import "$E/pause.tar" >/dev/null
	mkfifo "$E/pb/in" "$E/pb/out"
	ns_daemon "$E/cri.log" /usr/bin/python3 "$TOP/tests/integration/engines/cri.py" "$E/c.sock" "$E/pb"
	ready() { [ "$(cri Status | jq '[.status.conditions[].status] | all and length == 2')" = true ]; }
	PATIENCE=30 wait_for ready || { cri Status; tail -n 20 "$E/containerd.log"; return 1; } >&2
}
teardown_file() { ENGINE_CGROUPS="k8s.io cri-test" engine_down; }

# cri METHOD [JSON]: one client for all calls, as its start takes longer than they do
cri() {
	local status text
	printf '%s %s\n' "$1" "$(jq -c . <<<"${2:-null}")" >"$E/pb/in"
	read -r status text <"$E/pb/out"
	echo "$text"
	return "$status"
}

POD='{"metadata": {"name": "p", "uid": "u1", "namespace": "default"}, "hostname": "podhost", "log_directory": "LOGS",
	"linux": {"cgroup_parent": "/cri-test", "sysctls": {"net.ipv4.ip_forward": "1"}, "security_context": {"namespace_options": {"pid": 0}}}}'
pod() { echo "${POD/LOGS/$E/logs}"; }

# container NAME JQ-FILTER: create and start one in pod $P with this filter on its configuration; prints its id
container() {
	local request id
	request=$(jq -n --arg p "$P" --arg n "$1" --argjson pod "$(pod)" "{pod_sandbox_id: \$p, sandbox_config: \$pod, config: ({metadata: {name: \$n},
		image: {image: \"docker.io/library/box:1\"}, command: [\"sleep\", \"600\"], log_path: (\$n + \".log\")} | $2)}")
	id=$(cri CreateContainer "$request" | jq -r .container_id)
	cri StartContainer "{\"container_id\": \"$id\"}" >"$T1.start" || { cat "$T1.start"; return 1; }
	echo "$id"
}
# within ID COMMAND...: ExecSync
within() {
	local id=$1
	shift
	cri ExecSync "$(jq -n --arg id "$id" '{container_id: $id, cmd: $ARGS.positional, timeout: 20}' --args -- "$@")"
}
state() { cri ContainerStatus "{\"container_id\": \"$1\"}" | jq -r '.status.state // 0'; }

@test "CRI: a pod with two containers, exec, statistics, update, stop, remove" {
	P=$(cri RunPodSandbox "{\"config\": $(pod), \"runtime_handler\": \"brig\"}" | jq -r .pod_sandbox_id)
	[ "${#P}" = 64 ]
	cri PodSandboxStatus "{\"pod_sandbox_id\": \"$P\"}" | jq -e '.status.network.ip | startswith("10.77.0.")'
	called "create .*$P"

	a=$(container a '.envs = [{key: "A", value: "b c"}] | .mounts = [{container_path: "/vol", host_path: ($ENV.E + "/vol")}] |
		.linux = {resources: {memory_limit_in_bytes: 67108864, cpu_shares: 512, cpu_quota: 50000, cpu_period: 100000}}')
	[ "${#a}" = 64 ]
	b=$(container b '.command = ["sh", "-c", "echo to-log; trap \"exit 3\" TERM; while :; do sleep 0.1; done"] |
		.linux.security_context = {run_as_user: {value: 1000}, run_as_group: {value: 1000}, supplemental_groups: [5],
		readonly_rootfs: true, no_new_privs: true, capabilities: {drop_capabilities: ["ALL"]}}')
	[ "$(state "$a"):$(state "$b")" = 1:1 ]

	# one network, one host name and one IPC namespace, a pid namespace each or one for all as the pod says
	within "$a" sh -c 'hostname; echo $A; readlink /proc/self/ns/net; cat /proc/sys/net/ipv4/ip_forward; echo x >/vol/made; ip addr show eth0 | grep -c 10.77' >"$T1"
	jq -r .stdout "$T1" | sed -n '1p;2p;4p;5p' | paste -sd : | grep -qx 'podhost:b c:1:1'
	[ -e "$E/vol/made" ]
	[ "$(within "$b" readlink /proc/self/ns/net | jq -r .stdout)" = "$(jq -r .stdout "$T1" | sed -n 3p)" ]
	within "$b" sh -c 'id -u; id -G; touch /x 2>&1; grep -c "CapEff:.*0000000000000000" /proc/self/status; exit 9' | tee "$T1" >&2
	jq -e '.exit_code == 9 and (.stdout | test("^1000\n1000 5 2000\n.*Read-only.*\n1\n$"))' "$T1"
	run within "$a" no-such-program
	[ "$status" != 0 ]
	[[ "$output" == *no-such-program*"not found"* ]]
	grep -q 'stdout F to-log' "$E/logs/b.log"

	cri ContainerStats "{\"container_id\": \"$a\"}" | jq -e '(.stats.memory.working_set_bytes.value | tonumber) > 0'
	cri UpdateContainerResources "{\"container_id\": \"$a\", \"linux\": {\"memory_limit_in_bytes\": 100663296}}"
	called "update --resources - $a"
	limit "/sys/fs/cgroup/memory/cri-test/$a/memory.limit_in_bytes" 100663296

	cri StopContainer "{\"container_id\": \"$b\", \"timeout\": 10}"
	cri ContainerStatus "{\"container_id\": \"$b\"}" | jq -e '.status.state == 2 and .status.exit_code == 3'
	cri RemoveContainer "{\"container_id\": \"$b\"}"
	c=$(container c '.metadata.attempt = 1')
	[ "$(state "$c")" = 1 ]
	cri StopPodSandbox "{\"pod_sandbox_id\": \"$P\"}"
	[ "$(state "$a")" = 2 ]
	cri RemovePodSandbox "{\"pod_sandbox_id\": \"$P\"}"
	run cri ContainerStatus "{\"container_id\": \"$a\"}"
	[ "$status" != 0 ]
	[ "$(ls "$E/run/containerd/runc/k8s.io" 2>/dev/null | wc -l)" = 0 ]
}

@test "CRI: a program that cannot run is reported, and the pod can be removed" {
	P=$(cri RunPodSandbox "{\"config\": $(pod | sed 's/"u1"/"u2"/'), \"runtime_handler\": \"brig\"}" | jq -r .pod_sandbox_id)
	run container bad '.command = ["no-such-program"]'
	[ "$status" != 0 ]
	[[ "$output" == *no-such-program*"not found"* ]]
	cri StopPodSandbox "{\"pod_sandbox_id\": \"$P\"}"
	cri RemovePodSandbox "{\"pod_sandbox_id\": \"$P\"}"
	[ "$(ls "$E/run/containerd/runc/k8s.io" 2>/dev/null | wc -l)" = 0 ]
}

setup() {
	file_ready
	T1=$BATS_TEST_TMPDIR/out
}
