#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Write the completions of one shell (bash, zsh, fish) to stdout, from what the program's own help lists.
# Usage: generate.sh PATH/TO/brig SHELL
set -eu
program=$1 shell=$2

# NAME<tab>HELP of every command
commands() {
	"$program" --help | awk '/^Commands:/ { on = 1; next } /^$/ { on = 0 }
		on { name = $1; sub(/^ *[^ ]+ +/, ""); print name "\t" $0 }'
}
# LONG<tab>LETTER<tab>VALUE<tab>HELP of every option of a command ("" for the global ones); "-" for none
options() {
	"$program" ${1:+"$1"} --help 2>/dev/null | awk '/^(Global options|Options):/ { on = 1; next } /^$/ { on = 0 }
		on {
			line = $0; sub(/^ +/, "", line)
			cut = match(line, /  +/); head = substr(line, 1, cut - 1); help = substr(line, cut + RLENGTH)
			letter = "-"; value = "-"
			n = split(head, w, /,? /)
			for (i = 2; i <= n; i++) if (i == 2 && w[i] ~ /^-[A-Za-z]$/) letter = substr(w[i], 2); else value = w[i]
			print substr(w[1], 3) "\t" letter "\t" value "\t" help
		}'
}
words() { # all spellings of the options of a command
	options "$1" | awk -F'\t' '{ printf "%s--%s", s, $1; s = " "; if ($2 != "-") printf " -%s", $2 }'
}
taking() { # those of the global ones that take a value
	options '' | awk -F'\t' '$3 != "-" { printf "%s--%s", s, $1; s = "|" }'
}
# Commands of other programs: their options are theirs to tell
case_skip() { ! "$program" "$1" --help 2>/dev/null | head -n 1 | grep -q "^brig $1: "; }

containers='attach|exec|inspect|kill|logs|pause|port|restart|rename|rm|start|stats|stop|top|unpause|update|wait'
images='create|history|push|rmi|run|save|tag|untag'

bash_completion() {
	cat <<-EOF
	# bash completion for brig; made by generate.sh
	_brig() {
	    local cur=\${COMP_WORDS[COMP_CWORD]} verb= i global=()
	    for ((i = 1; i < COMP_CWORD; i++)); do
	        case \${COMP_WORDS[i]} in
	        $(taking)) global+=("\${COMP_WORDS[i]}" "\${COMP_WORDS[i+1]}"); ((i++)) ;;
	        -* | container) ;;
	        *) verb=\${COMP_WORDS[i]}; break ;;
	        esac
	    done
	    case \$verb in
	    '') COMPREPLY=(\$(compgen -W '$(commands | cut -f1 | tr '\n' ' ')$(words '')' -- "\$cur")); return ;;
	EOF
	commands | cut -f1 | while read -r c; do
		case_skip "$c" || printf "    %s) [[ \$cur = -* ]] && { COMPREPLY=(\$(compgen -W '%s' -- \"\$cur\")); return; } ;;\n" "$c" "$(words "$c")"
	done
	cat <<-EOF
	    *) [[ \$cur = -* ]] && { COMPREPLY=(\$(compgen -W "\$("\$1" "\$verb" --help 2>/dev/null | grep -oE -- '^ +--[a-z-]+')" -- "\$cur")); return; } ;;
	    esac
	    case \$verb in
	    $containers) COMPREPLY=(\$(compgen -W "\$("\$1" "\${global[@]}" ps -a --format '{{.Names}}' 2>/dev/null)" -- "\$cur")) ;;
	    $images) COMPREPLY=(\$(compgen -W "\$("\$1" "\${global[@]}" images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null)" -- "\$cur")) ;;
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

zsh_completion() {
	cat <<-EOF
	#compdef brig
	# zsh completion for brig; made by generate.sh
	_brig() {
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
		case_skip "$c" || printf "        %s) _arguments%s '*:argument:->operand' ;;\n" "$c" "$(zsh_options "$c")"
	done
	cat <<-EOF
	        esac
	        [[ \$state = operand ]] || return
	        case \$line[1] in
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

fish_completion() {
	echo '# fish completion for brig; made by generate.sh'
	fish_options '' __fish_use_subcommand
	commands | while IFS="$(printf '\t')" read -r c help; do
		printf "complete -c brig -f -n __fish_use_subcommand -a %s -d '%s'\n" "$c" "$(printf %s "$help" | sed "s/'/\\\\'/g")"
		case_skip "$c" || fish_options "$c" "__fish_seen_subcommand_from $c"
	done
	echo "complete -c brig -f -n '__fish_seen_subcommand_from $(echo "$containers" | tr '|' ' ')' -a '(brig ps -a --format \"{{.Names}}\" 2>/dev/null)'"
	echo "complete -c brig -n '__fish_seen_subcommand_from $(echo "$images" | tr '|' ' ')' -a '(brig images --format \"{{.Repository}}:{{.Tag}}\" 2>/dev/null)'"
}

case $shell in
bash) bash_completion ;;
zsh) zsh_completion ;;
fish) fish_completion ;;
*) echo "generate.sh: unknown shell '$shell'" >&2; exit 1 ;;
esac
