#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The completions at work: each shell that is installed is asked what it would offer. TAP.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
dir=$(CDPATH='' cd -- "$(dirname "${BRIG_OCI:-$top/build/bin/brig-oci}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The programs as a shell finds them; brig's containers are those of a store without any.
PATH=$dir:$PATH HOME=$work XDG_DATA_HOME=$work XDG_RUNTIME_DIR=$work
export PATH HOME XDG_DATA_HOME XDG_RUNTIME_DIR
cd "$work" || exit 1
n=0 failed=0

is() { # GOT WANT TITLE
	n=$((n + 1))
	if [ "$1" = "$2" ]; then
		echo "ok $n - completion: $3"
	else
		failed=1
		printf 'not ok %d - completion: %s\n# got:  %s\n# want: %s\n' "$n" "$3" "$1" "$2"
	fi
}
skip() {
	n=$((n + 1))
	echo "ok $n - completion: $1 # skip $1 is not installed"
}

# Every script has a function ask PROGRAM-LINE: what is offered for the last word, sorted, with spaces between.
cases() { # SHELL
	is "$(ask 'brig ren')" 'rename' "$1: a command"
	is "$(ask 'brig network d')" 'disconnect' "$1: a verb of a group"
	is "$(ask 'brig run --secu')" '--security-opt' "$1: an option"
	is "$(ask 'brig network create --sub')" '--subnet' "$1: an option of a verb, and none of the command of that name"
	is "$(ask 'brig container create --subu')" '--subuidname' "$1: an option of a command behind its group"
	is "$(ask 'brig-oci chec')" 'checkpoint' "$1: a command of brig-oci"
}

if command -v bash >/dev/null; then
	ask() {
		bash --norc -c 'source "$1"; words=($2); COMP_WORDS=("${words[@]}"); COMP_CWORD=$((${#words[@]} - 1)); COMP_LINE=$2 COMP_POINT=${#2}
			f=$(complete -p "${words[0]}"); f=${f##*-F }; "${f%% *}" "${words[0]}" "${words[COMP_CWORD]}" "${words[COMP_CWORD - 1]}"
			printf "%s\n" "${COMPREPLY[@]}"' bash "$top/runtime/$(sub "$1")/completions/${1%% *}.bash" "$1" | sed 's/ *$//' | sort -u | paste -sd ' '
	}
	sub() { case $1 in brig-oci*) echo oci ;; *) echo cli ;; esac; }
	cases bash
else
	skip bash
fi
if command -v fish >/dev/null; then
	ask() {
		fish --no-config -c "source '$top/runtime/cli/completions/brig.fish'; source '$top/runtime/oci/completions/brig-oci.fish'; complete -C '$1'" |
			cut -f1 | sort -u | paste -sd ' '
	}
	cases fish
else
	skip fish
fi
# A terminal of its own, in which lines are completed as if by hand. What is waited for is not in what is typed, which the terminal echoes.
if command -v zsh >/dev/null; then
	cat >"$work/ask.zsh" <<-'END'
		zmodload zsh/zpty
		wait_for() { local got= part; while [[ $got != *$1* ]] && zpty -r z part; do got+=$part; done; REPLY=$got; }
		zpty z zsh -f -i
		zpty -w z "PS1=; unset zle_bracketed_paste; fpath=($1/runtime/cli/completions $1/runtime/oci/completions \$fpath); autoload -U compinit; compinit -u -D; cd $2"
		zpty -w z 'show() { zle expand-or-complete; print -r -- "@""@<${BUFFER% }@""@>"; BUFFER=; zle redisplay }; zle -N show; bindkey "^G" show; print @@""ready'
		wait_for @@ready
		shift 2
		for line; do
			zpty -w -n z "$line"$'\x07'
			wait_for '@@>'
			print -r -- "${${REPLY##*@@<}%%@@>*}"
		done
		zpty -d z
	END
	lines() { timeout 120 zsh -f "$work/ask.zsh" "$top" "$work" "$@" </dev/null | awk '{ print $NF }'; }
	ask() { # cases() asks one by one, the shell was asked for all at once
		awk -F'\t' -v line="$1" '$1 == line { print $2 }' "$work/answers"
	}
	printf '%s\n' 'brig ren' 'brig network d' 'brig run --secu' 'brig network create --sub' 'brig container create --subu' 'brig-oci chec' >"$work/lines"
	lines 'brig ren' 'brig network d' 'brig run --secu' 'brig network create --sub' 'brig container create --subu' 'brig-oci chec' |
		paste "$work/lines" - >"$work/answers"
	cases zsh
else
	skip zsh
fi
echo "1..$n"
exit $failed
