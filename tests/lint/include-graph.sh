#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Dependencies point one way: runtime/base <- {cgroups, images, namespaces, vm-mode} <- runtime. The four siblings share the
# plain headers listed here and never include one another's.
shared='runtime/(spec|plan|container|backend|hooks|console|seccomp|seccomp_prog|image|sync|idmap|mount_tree|ns_join|conf|version|spec_fields)\.h'
bad=0
deny() { # files, pattern of what they may include
	for f in $(git ls-files "$1/*.c" "$1/*.h"); do
		case $f in vm-mode/guest/*) continue ;; esac # a program of its own, composes the others
		hit=$(grep -nE '^#include "' "$f" | grep -vE "#include \"($2)")
		[ -z "$hit" ] || { echo "$f: includes across the layers:"; echo "$hit"; bad=1; }
	done
}
deny runtime/base 'runtime/base/'
deny cgroups "runtime/base/|cgroups/|$shared"
deny namespaces "runtime/base/|namespaces/|$shared"
deny images "runtime/base/|images/|$shared"
deny vm-mode "runtime/base/|vm-mode/|$shared"
exit $bad
