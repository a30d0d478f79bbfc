#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# run.sh BINARY [CASES]...: command lines without devices, their output and exit status.
# Without CASES, all of tests/cli/*.cases, and the check of the documents (docs.sh).
#
# A case is a block of lines; "#" begins a comment line:
#
#   case     a sentence
#   args     the command line, in shell words; `long N` makes a word of N letters
#   exit     status (0 if left out)
#   stdout   a line it must print, in order; so all of them make up the whole output
#   stdout~  an extended regular expression that some line must match
#   stderr, stderr~  the same for standard error
#   tty      standard output is a terminal
#   closed   standard output is closed
#   unread   standard output is a pipe that nobody reads from any more; a refusal in no words
#   piped    standard output is a pipe
#   limit    KIB: no file may become longer (ulimit -f)
#   from     NAME: standard input is that file
#   to, onto NAME: standard output is that file, truncated by the shell or not (> and >>)
#   file     NAME TEXT: a file of one line, or of more by \n, in the working directory beforehand
#   fifo     NAME: a FIFO in the working directory
#   leaves   NAME TEXT: one that must be there afterwards; without TEXT an empty one
#   size     NAME BYTES: one that must be there afterwards, of that length
#   longer   a refusal may have more than 200 characters
#   lines    N: the refusal has so many lines
#
# Where a stream has neither line, it must stay empty. A refusal (exit not 0) is always one line of
# at most 200 characters on standard error, and nothing is left in the working directory.
set -u

here=$(cd "$(dirname "$0")" && pwd)
binary=$(realpath "${1:?usage: run.sh BINARY [CASES]...}")
shift
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export LC_ALL=C
passed=0 failed=0 skipped=0

long()
{
	printf "%0$1d" 0 | tr 0 a
}

fail()
{
	echo "FAIL: $name: $1"
	sed 's/^/	stderr: /' "$scratch/err" | cut -c1-300
	problems=$((problems + 1))
}

# stream, its file, how to compare
check_stream()
{
	local stream=$1 file=$2 literal=$3 pattern
	shift 3

	if [[ -n $literal ]]; then
		[[ $(<"$file") == "${literal%$'\n'}" ]] || fail "$stream is not: ${literal%$'\n'}"
	elif (($# == 0)); then
		[[ ! -s $file ]] || fail "$stream is not empty"
	fi
	for pattern in "$@"; do
		grep -Eq -e "$pattern" "$file" || fail "$stream has no line like: $pattern"
	done
}

run_binary()
{
	local -a args
	local word
	eval "args=($args_text)"
	# A refusal that is gone would overwrite it: no case may name a file outside its directory.
	for word in "${args[@]}"; do
		[[ ${args[0]} != -x ]] || break # opens both ends for reading
		[[ $word != of=/dev/stdout ]] || continue # is below $scratch, or a pipe
		if [[ $word == of=/* && -f ${word#of=} || $word == of=*..* || $word == of=/dev/sd* ]]; then
			echo "run.sh: $name: $word is a real file or disk" >&2
			exit 1
		fi
	done
	cd "$scratch/work" || exit 1
	if ((on_tty)); then
		# script(1) gives its command a terminal; standard error still goes to our file
		script -qec "$(printf '%q ' "$binary" "${args[@]}")2>$(printf %q "$scratch/err")" \
			/dev/null >"$scratch/out" </dev/null
	elif ((closed)); then
		: >"$scratch/out"
		timeout 20 "$binary" "${args[@]}" >&- 2>"$scratch/err" </dev/null
	elif ((unread)); then
		timeout 20 "$binary" "${args[@]}" 2>"$scratch/err" </dev/null | :
		status=${PIPESTATUS[0]}
		cd "$here" || exit 1
		return
	elif ((piped)); then
		timeout 20 "$binary" "${args[@]}" 2>"$scratch/err" <"$from" | cat >"$scratch/out"
		status=${PIPESTATUS[0]}
		cd "$here" || exit 1
		return
	elif [[ -n $onto ]]; then
		: >"$scratch/out"
		timeout 20 "$binary" "${args[@]}" >>"$onto" 2>"$scratch/err" <"$from"
	else
		(
			ulimit -Sf "$limit"
			timeout 20 "$binary" "${args[@]}" >"$scratch/out" 2>"$scratch/err" <"$from"
		)
	fi
	status=$?
	cd "$here" || exit 1
}

run_case()
{
	local status problems=0 line text

	[[ -n $name ]] || return 0
	if ((on_tty)) && ! command -v script >/dev/null; then
		echo "skip: $name: no script(1)"
		skipped=$((skipped + 1))
		return 0
	fi
	mkdir -p "$scratch/work"
	: >"$scratch/err"
	: >"$scratch/out"
	for line in "${files[@]}"; do
		printf '%b\n' "${line#* }" >"$scratch/work/${line%% *}"
	done
	for line in "${fifos[@]}"; do mkfifo "$scratch/work/$line"; done
	[[ -z $to ]] || : >"$scratch/work/$to"
	run_binary
	for line in "${leaves[@]}"; do
		text=${line#"${line%% *}"}
		[[ $(<"$scratch/work/${line%% *}") == "${text# }" ]] || fail "no such file: $line"
		rm -f "$scratch/work/${line%% *}"
	done
	for line in "${sizes[@]}"; do
		[[ $(stat -c %s "$scratch/work/${line%% *}") == "${line##* }" ]] || fail "not so long: $line"
		rm -f "$scratch/work/${line%% *}"
	done
	for line in "${files[@]}" "${fifos[@]}"; do rm -f "$scratch/work/${line%% *}"; done
	((status == want_status)) || fail "exit status $status, not $want_status"
	check_stream stdout "$scratch/out" "$out_literal" "${out_patterns[@]}"
	check_stream stderr "$scratch/err" "$err_literal" "${err_patterns[@]}"
	if ((want_status != 0 && !unread)); then
		(($(wc -l <"$scratch/err") == lines)) || fail "not $lines line(s)"
		((longer || lines > 1 || $(wc -c <"$scratch/err") <= 201)) || fail "longer than 200 characters"
	fi
	rmdir "$scratch/work" || fail "something was created"
	rm -rf "$scratch/work"
	if ((problems == 0)); then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

begin_case()
{
	name=$1 args_text='' want_status=0 on_tty=0 closed=0 unread=0 piped=0 longer=0 lines=1
	from=/dev/null to='' onto='' limit=unlimited
	out_literal='' err_literal='' out_patterns=() err_patterns=() files=() fifos=() leaves=() sizes=()
}

run_file()
{
	local key text

	begin_case ''
	while read -r key text; do
		case $key in
		'' | '#'*) ;;
		case) run_case; begin_case "$text" ;;
		args) args_text=$text ;;
		exit) want_status=$text ;;
		tty) on_tty=1 ;;
		closed) closed=1 ;;
		size) sizes+=("$text") ;;
		longer) longer=1 ;;
		limit) limit=$text ;;
		lines) lines=$text ;;
		unread) unread=1 ;;
		piped) piped=1 ;;
		from) from=$text ;;
		to) to=$text onto=$text ;;
		onto) onto=$text ;;
		file) files+=("$text") ;;
		fifo) fifos+=("$text") ;;
		leaves) leaves+=("$text") ;;
		stdout) out_literal+=$text$'\n' ;;
		stderr) err_literal+=$text$'\n' ;;
		stdout~) out_patterns+=("$text") ;;
		stderr~) err_patterns+=("$text") ;;
		*) echo "$1: what is '$key'?"; failed=$((failed + 1)) ;;
		esac
	done <"$1"
	run_case
}

if (($# > 0)); then
	for file in "$@"; do run_file "$file"; done
else
	for file in "$here"/*.cases; do run_file "$file"; done
	"$here/docs.sh" "$binary" || failed=$((failed + 1))
fi
echo "cli: $passed passed, $failed failed, $skipped skipped"
((failed == 0 && passed > 0))
