#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Write the completions of one shell (bash, zsh, fish) to stdout, from what the program's own help lists.
# Usage: generate.sh PATH/TO/brig SHELL
set -eu
program=$1 shell=$2
cache=$(mktemp -d)
trap 'rm -rf "$cache"' EXIT

# The help of "" (the program), "ps" or "network ls", in the file $help
help_of() {
	help=$cache/$1.help
	# shellcheck disable=SC2086
	[ -e "$help" ] || "$program" $1 --help >"$help" 2>/dev/null || :
}

# NAME<tab>HELP of every verb of a group ("": every command)
verbs() {
	help_of "$1"
	awk '/^Commands:/ { on = 1; next } /^$/ { on = 0 }
		on { name = $1; sub(/^ *[^ ]+ +/, ""); print name "\t" $0 }' "$help"
}
commands() {
	verbs ''
}
commands_line() { printf ' %s ' "$all_commands"; }
all_commands=$(commands | cut -f1 | tr '\n' ' ')
# Commands whose verbs are words of their own, as well
groups='container healthcheck image network secret system volume'
group_pattern=$(echo "$groups" | tr ' ' '|')

# Those that are no commands of their own: the others' options are told there
own_verbs() {
	verbs "$1" | cut -f1 | while read -r v; do
		case "$1 $(commands_line)" in container*" $v "*) ;; *) echo "$v" ;; esac
	done
}
is_group() { case " $groups " in *" $1 "*) ;; *) return 1 ;; esac; }
# LONG<tab>LETTER<tab>VALUE<tab>HELP of every option of a command, of one word or two ("" for the global ones); "-" for none
options() {
	help_of "$1"
	awk '/^(Global options|Options):/ { on = 1; next } /^$/ { on = 0 }
		on {
			line = $0; sub(/^ +/, "", line)
			cut = match(line, /  +/); head = substr(line, 1, cut - 1); help = substr(line, cut + RLENGTH)
			letter = "-"; value = "-"
			n = split(head, w, /,? /)
			for (i = 2; i <= n; i++) if (i == 2 && w[i] ~ /^-[A-Za-z]$/) letter = substr(w[i], 2); else value = w[i]
			print substr(w[1], 3) "\t" letter "\t" value "\t" help
		}' "$help"
}
words() { # all spellings of the options of a command
	options "$1" | awk -F'\t' '{ printf "%s--%s", s, $1; s = " "; if ($2 != "-") printf " -%s", $2 }'
}
taking() { # those of the global ones that take a value
	options '' | awk -F'\t' '$3 != "-" { printf "%s--%s", s, $1; s = "|" }'
}
# Commands of other programs: their options are theirs to tell
case_skip() {
	is_group "$1" && return
	help_of "$1"
	read -r first <"$help" || first=
	case $first in "brig $1: "*) return 1 ;; esac
}

containers='attach|exec|inspect|kill|logs|pause|port|restart|rename|rm|start|stats|stop|top|unpause|update|wait'
images='create|history|push|rmi|run|save|tag|untag'

prefixed() { echo ":$1" | sed 's/|/|:/g'; }

bash_completion() {
	cat <<-EOF
	# bash completion for brig; made by generate.sh
	_brig() {
	    local cur=\${COMP_WORDS[COMP_CWORD]} verb= group= i global=()
	    for ((i = 1; i < COMP_CWORD; i++)); do
	        case \${COMP_WORDS[i]} in
	        $(taking)) global+=("\${COMP_WORDS[i]}" "\${COMP_WORDS[i+1]}"); ((i++)) ;;
	        -*) ;;
	        $group_pattern) group=\${COMP_WORDS[i]} verb=\${COMP_WORDS[i+1]:-}; ((i + 1 < COMP_CWORD)) || verb=; break ;;
	        *) verb=\${COMP_WORDS[i]}; break ;;
	        esac
	    done
	    case \$group:\$verb in
	EOF
	for g in $groups; do
		printf "    %s:) COMPREPLY=(\$(compgen -W '%s' -- \"\$cur\")); return ;;\n" "$g" "$(verbs "$g" | cut -f1 | tr '\n' ' ')"
	done
	for g in $groups; do
		own_verbs "$g" | while read -r v; do
			printf "    %s:%s) [[ \$cur = -* ]] && { COMPREPLY=(\$(compgen -W '%s' -- \"\$cur\")); return; } ;;\n" "$g" "$v" "$(words "$g $v")"
		done
	done
	cat <<-EOF
	    esac
	    [[ \$group && \$group != container ]] || case \$verb in
	    '') COMPREPLY=(\$(compgen -W '$(commands | cut -f1 | tr '\n' ' ')$(words '')' -- "\$cur")); return ;;
	EOF
	commands | cut -f1 | while read -r c; do
		case_skip "$c" || printf "    %s) [[ \$cur = -* ]] && { COMPREPLY=(\$(compgen -W '%s' -- \"\$cur\")); return; } ;;\n" "$c" "$(words "$c")"
	done
	cat <<-EOF
	    *) [[ \$cur = -* ]] && { COMPREPLY=(\$(compgen -W "\$("\$1" "\$verb" --help 2>/dev/null | grep -oE -- '^ +--[a-z-]+')" -- "\$cur")); return; } ;;
	    esac
	    case \${group/#container/}:\$verb in
	    network:*) COMPREPLY=(\$(compgen -W "\$("\$1" "\${global[@]}" network ls -q 2>/dev/null)" -- "\$cur")) ;;
	    volume:*) COMPREPLY=(\$(compgen -W "\$("\$1" "\${global[@]}" volume ls -q 2>/dev/null)" -- "\$cur")) ;;
	    secret:*) COMPREPLY=(\$(compgen -W "\$("\$1" "\${global[@]}" secret ls --format {{.Name}} 2>/dev/null)" -- "\$cur")) ;;
	    image:*) COMPREPLY=(\$(compgen -W "\$("\$1" "\${global[@]}" images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null)" -- "\$cur")) ;;
	    $(prefixed "$containers")) COMPREPLY=(\$(compgen -W "\$("\$1" "\${global[@]}" ps -a --format '{{.Names}}' 2>/dev/null)" -- "\$cur")) ;;
	    $(prefixed "$images")) COMPREPLY=(\$(compgen -W "\$("\$1" "\${global[@]}" images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null)" -- "\$cur")) ;;
	    esac
	    [[ \${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=(\$(compgen -f -- "\$cur"))
	}
	complete -F _brig brig
	EOF
}

# zsh: 'name[help]:value:' ; quotes, brackets and colons are syntax there
zsh_options() {
	options "$1" | awk -F'\t' -v q="'" '{
		gsub(/[\[\]:\\]/, "\\\\&", $4); gsub(q, q "\\" q q, $4); gsub(/[\[\]:]/, "", $3)
		tail = $3 == "-" ? "" : ":" $3 ":_files"
		if ($2 != "-") printf " %s*%s{--%s,-%s}%s[%s]%s%s", q, q, $1, $2, q, $4, tail, q
		else printf " %s*--%s[%s]%s%s", q, $1, $4, tail, q
	}'
}

# The verbs of a group: the second word, then their options
zsh_group() {
	printf '        %s)\n            local -a verbs=(\n' "$1"
	verbs "$1" | sed "s/'/'\\\\''/g; s/:/\\\\:/g" | awk -F'\t' -v q="'" '{ print "                " q $1 ":" $2 q }'
	printf '            )\n            if ((CURRENT == 2)); then _describe verb verbs; return; fi\n'
	# shellcheck disable=SC2016
	printf '            kind=%s verb=$words[2]; shift words; ((CURRENT--))\n            case $verb in\n' "$1"
	own_verbs "$1" | while read -r v; do
		printf "            %s) _arguments%s '*:argument:->operand' ;;\n" "$v" "$(zsh_options "$1 $v")"
	done
	# shellcheck disable=SC2016
	case $1 in
	container) printf '            *) kind=; _brig_verb "$verb" ;;\n' ;;
	*) printf '            *) state=operand ;;\n' ;;
	esac
	printf '            esac ;;\n'
}

zsh_completion() {
	cat <<-EOF
	#compdef brig
	# zsh completion for brig; made by generate.sh
	_brig_verb() { # the options of a command, or a group's verbs and theirs
	        case \$1 in
	EOF
	commands | cut -f1 | while read -r c; do
		case_skip "$c" || printf "        %s) _arguments%s '*:argument:->operand' ;;\n" "$c" "$(zsh_options "$c")"
	done
	for g in $groups; do zsh_group "$g"; done
	cat <<-EOF
	        esac
	}
	_brig() {
	    local context state line kind verb
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
	        verb=$line[1]
	        _brig_verb "$verb"
	EOF
	cat <<-EOF
	        [[ \$state = operand ]] || return
	        case \$kind in
	        network) compadd -- \${(f)"\$(_call_program names brig network ls -q 2>/dev/null)"}; return ;;
	        volume) compadd -- \${(f)"\$(_call_program names brig volume ls -q 2>/dev/null)"}; return ;;
	        secret) compadd -- \${(f)"\$(_call_program names brig secret ls --format {{.Name}} 2>/dev/null)"}; return ;;
	        image) compadd -- \${(f)"\$(_call_program names brig images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null)"}; return ;;
	        esac
	        case \$verb in
	        $containers) compadd -- \${(f)"\$(_call_program names brig ps -a --format '{{.Names}}' 2>/dev/null)"} ;;
	        $images) compadd -- \${(f)"\$(_call_program names brig images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null)"} ;;
	        *) _files ;;
	        esac ;;
	    esac
	}
	_brig "\$@"
	EOF
}

fish_options() { # command, condition
	options "$1" | awk -F'\t' -v cond="$2" -v q="'" '{
		gsub(q, "\\" q, $4)
		line = "complete -c brig -n " q cond q " -l " $1
		if ($2 != "-") line = line " -s " $2
		if ($3 != "-") line = line " -r"
		print line " -d " q $4 q
	}'
}

# Groups whose verbs are others than the commands of that name
fish_apart='healthcheck network secret system volume'
fish_names() { # group, verbs that take names of it, what lists them
	echo "complete -c brig -f -n '__fish_seen_subcommand_from $1; and __fish_seen_subcommand_from $2' -a '($3 2>/dev/null)'"
}

fish_completion() {
	echo '# fish completion for brig; made by generate.sh'
	fish_options '' __fish_use_subcommand
	commands | while IFS="$(printf '\t')" read -r c help; do
		printf "complete -c brig -f -n __fish_use_subcommand -a %s -d '%s'\n" "$c" "$(printf %s "$help" | sed "s/'/\\\\'/g")"
		case_skip "$c" || fish_options "$c" "__fish_seen_subcommand_from $c; and not __fish_seen_subcommand_from $fish_apart"
	done
	for g in $groups; do
		all=$(verbs "$g" | cut -f1 | tr '\n' ' ') own=" $(own_verbs "$g" | tr '\n' ' ') "
		verbs "$g" | while IFS="$(printf '\t')" read -r v help; do
			printf "complete -c brig -f -n '__fish_seen_subcommand_from %s; and not __fish_seen_subcommand_from %s' -a %s -d '%s'\n" \
				"$g" "${all% }" "$v" "$(printf %s "$help" | sed "s/'/\\\\'/g")"
			case $own in *" $v "*) ;; *) continue ;; esac
			fish_options "$g $v" "__fish_seen_subcommand_from $g; and __fish_seen_subcommand_from $v"
		done
	done
	fish_names network 'connect disconnect exists inspect rm' 'brig network ls -q'
	fish_names volume 'exists export import inspect rm' 'brig volume ls -q'
	fish_names secret 'exists inspect rm' 'brig secret ls --format \"{{.Name}}\"'
	echo "complete -c brig -f -n '__fish_seen_subcommand_from $(echo "$containers" | tr '|' ' '); and not __fish_seen_subcommand_from image $fish_apart' -a '(brig ps -a --format \"{{.Names}}\" 2>/dev/null)'"
	echo "complete -c brig -n '__fish_seen_subcommand_from $(echo "$images" | tr '|' ' '); and not __fish_seen_subcommand_from $fish_apart' -a '(brig images --format \"{{.Repository}}:{{.Tag}}\" 2>/dev/null)'"
}

case $shell in
bash) bash_completion ;;
zsh) zsh_completion ;;
fish) fish_completion ;;
*) echo "generate.sh: unknown shell '$shell'" >&2; exit 1 ;;
esac
