#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Write the completions of one shell (bash, zsh, fish) to stdout, from what the program's own help lists.
# Usage: generate.sh PATH/TO/brig-oci SHELL
set -eu
program=$1 shell=$2

# NAME<tab>HELP of every command
commands() {
	"$program" --help | awk '/^Commands:/ { on = 1; next } /^$/ { on = 0 }
		on { name = $1; sub(/^ *[^ ]+ +/, ""); print name "\t" $0 }'
}

# LONG<tab>LETTER<tab>VALUE<tab>HELP of every option of a command ("" for the global ones); "-" for none
options() {
	"$program" ${1:+"$1"} --help | awk '/^(Global options|Options):/ { on = 1; next } /^$/ { on = 0 }
		on {
			line = $0; sub(/^ +/, "", line)
			cut = match(line, /  +/); head = substr(line, 1, cut - 1); help = substr(line, cut + RLENGTH)
			letter = "-"; value = "-"
			n = split(head, w, /,? /)
			for (i = 2; i <= n; i++) if (w[i] ~ /^-[a-z]$/) letter = substr(w[i], 2); else value = w[i]
			print substr(w[1], 3) "\t" letter "\t" value "\t" help
		}'
}

words() { # all spellings of the options of a command
	options "$1" | awk -F'\t' '{ printf "%s--%s", s, $1; s = " "; if ($2 != "-") printf " -%s", $2 }'
}
taking() { # those that take a value
	options "$1" | awk -F'\t' '$3 != "-" { printf "%s--%s", s, $1; s = "|"; if ($2 != "-") printf "|-%s", $2 }'
}

files='--bundle|-b|--config|--log|--root|--pid-file|--console-socket|--pidfd-socket|--process|-p|--resources|--image-path|--work-path|--parent-path'

bash_completion() {
	cat <<-EOF
	# bash completion for brig-oci and brig-vm; made by generate.sh
	_brig_oci() {
	    local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} verb= i root=()
	    for ((i = 1; i < COMP_CWORD; i++)); do
	        case \${COMP_WORDS[i]} in
	        --root) root=(--root "\${COMP_WORDS[i+1]}"); ((i++)) ;;
	        $(taking '')) ((i++)) ;;
	        -*) ;;
	        *) verb=\${COMP_WORDS[i]}; break ;;
	        esac
	    done
	    case \$prev in
	    $files) [[ \$verb = list || \$verb = ps ]] || { COMPREPLY=(\$(compgen -f -- "\$cur")); return; } ;;
	    --log-format) COMPREPLY=(\$(compgen -W 'text json' -- "\$cur")); return ;;
	    --log-level) COMPREPLY=(\$(compgen -W 'error warning info debug' -- "\$cur")); return ;;
	    --cgroup-manager) COMPREPLY=(\$(compgen -W 'cgroupfs systemd disabled' -- "\$cur")); return ;;
	    --rootless) COMPREPLY=(\$(compgen -W 'auto true false' -- "\$cur")); return ;;
	    --vm-accel) COMPREPLY=(\$(compgen -W 'auto kvm emulate' -- "\$cur")); return ;;
	    --format) COMPREPLY=(\$(compgen -W 'table json' -- "\$cur")); return ;;
	    esac
	    case \$verb in
	    '') COMPREPLY=(\$(compgen -W '$(commands | cut -f1 | tr '\n' ' ')$(words '')' -- "\$cur")); return ;;
	EOF
	commands | cut -f1 | while read -r c; do
		[ "$c" = help ] || printf "    %s) [[ \$cur = -* ]] && COMPREPLY=(\$(compgen -W '%s' -- \"\$cur\")) ;;\n" "$c" "$(words "$c")"
	done
	cat <<-'EOF'
	    help) COMPREPLY=($(compgen -W "$("$1" --help | awk '/^Commands:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }')" -- "$cur")); return ;;
	    esac
	    if [[ $cur != -* && $verb != create && $verb != run && $verb != restore && $verb != spec ]]; then
	        COMPREPLY=($(compgen -W "$("$1" "${root[@]}" list -q 2>/dev/null)" -- "$cur"))
	    fi
	}
	complete -F _brig_oci brig-oci brig-vm
	EOF
}

# zsh: 'name[help]:value:' ; quotes, brackets and colons are syntax there
zsh_options() {
	options "$1" | awk -F'\t' -v q="'" -v files="|$files|" '{
		gsub(/[\[\]:\\]/, "\\\\&", $4); gsub(q, q "\\" q q, $4)
		tail = $3 == "-" ? "" : ":" $3 ":" (index(files, "|--" $1 "|") ? "_files" : "")
		if ($2 != "-") printf " %s(--%s -%s)%s{--%s,-%s}%s[%s]%s%s", q, $1, $2, q, $1, $2, q, $4, tail, q
		else printf " %s--%s[%s]%s%s", q, $1, $4, tail, q
	}'
}

zsh_completion() {
	cat <<-EOF
	#compdef brig-oci brig-vm
	# zsh completion for brig-oci and brig-vm; made by generate.sh
	_brig_oci() {
	    local context state line
	    _arguments -C$(zsh_options '') '1:command:->command' '*::argument:->argument'
	    case \$state in
	    command)
	        local -a commands=(
	EOF
	commands | sed "s/'/'\\\\''/g; s/:/\\\\:/g" | awk -F'\t' -v q="'" '{ print "            " q $1 ":" $2 q }'
	cat <<-'EOF'
	        )
	        _describe command commands ;;
	    argument)
	        case $line[1] in
	EOF
	commands | cut -f1 | while read -r c; do
		[ "$c" = help ] || printf "        %s) _arguments%s '*:argument:->id' ;;\n" "$c" "$(zsh_options "$c")"
	done
	cat <<-'EOF'
	        esac
	        [[ $state = id ]] && compadd -- ${(f)"$(_call_program ids brig-oci list -q 2>/dev/null)"} ;;
	    esac
	}
	_brig_oci "$@"
	EOF
}

fish_options() { # command, condition
	options "$1" | awk -F'\t' -v cond="$2" -v q="'" -v files="|$files|" '{
		gsub(q, "\\" q, $4)
		line = "complete -c brig-oci -n " q cond q " -l " $1
		if ($2 != "-") line = line " -s " $2
		if ($3 != "-") line = line (index(files, "|--" $1 "|") ? " -rF" : " -x")
		print line " -d " q $4 q
	}'
}

fish_completion() {
	echo '# fish completion for brig-oci and brig-vm; made by generate.sh'
	echo 'complete -c brig-oci -f'
	echo 'complete -c brig-vm -w brig-oci'
	fish_options '' __fish_use_subcommand
	commands | while IFS="$(printf '\t')" read -r c help; do
		printf "complete -c brig-oci -n __fish_use_subcommand -a %s -d '%s'\n" "$c" "$(printf %s "$help" | sed "s/'/\\\\'/g")"
		[ "$c" = help ] || fish_options "$c" "__fish_seen_subcommand_from $c"
	done
	echo "complete -c brig-oci -n '__fish_seen_subcommand_from state start kill delete exec ps pause resume update events checkpoint' -a '(brig-oci list -q 2>/dev/null)'"
}

case $shell in
bash) bash_completion ;;
zsh) zsh_completion ;;
fish) fish_completion ;;
*) echo "generate.sh: unknown shell '$shell'" >&2; exit 1 ;;
esac
