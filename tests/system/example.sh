# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: uml -o "add_host=1 dev_size_mb=32 ndelay=50000"
#
# The worked example of the manual, section ERRORS, MAP AND RESUME: its commands, read from the page
# itself, do what is shown and said there. Of the page only the name of the disk is another here.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly NAME=/dev/sg1

manual=$(dirname "$0")/../../man/sgmmcp.8
steps=() shown=() # the commands of the page; of each, the lines below it
source_data=/tmp/source expected=/tmp/expected

# --- the page ---

# plain LINE: sets REPLY to a line of the page without its requests and escapes.
plain() {
	REPLY=${1#.B }
	REPLY=${REPLY//'\-'/-}
	REPLY=${REPLY//'\(ha'/^}
}

# take_line LINE: one of the section's, with `literal` not empty within .nf and .fi.
take_line() {
	case $1 in
	.nf) literal=y ;;
	.fi) literal='' ;;
	'.B # '*)
		plain "$1"
		steps+=("${REPLY#'# '}") shown+=('')
		;;
	*)
		[[ -n $literal ]] || return 0
		plain "$1"
		shown[-1]+=$REPLY$'\n'
		;;
	esac
}

read_example() {
	local line inside='' literal=''

	while IFS= read -r line; do
		case $line in
		'.SS Example') inside=y ;;
		.S[SH]*) inside='' ;;
		*) [[ -z $inside ]] || take_line "$line" ;;
		esac
	done <"$manual"
}

# --- its commands ---

# here TEXT: sets REPLY to it, with the disk's name here and single blanks.
here() {
	local words

	read -ra words <<<"${1//$NAME/$disk}"
	REPLY=${words[*]}
}

# shows LINE: whether the last command has said so.
shows() {
	local line want

	here "$1"
	want=$REPLY
	for line in "${said[@]}"; do
		here "$line"
		[[ $REPLY == "$want" ]] && return
		[[ $want == *' ...' && $REPLY == "${want%...}"* ]] && return
	done
	return 1
}

# expect_shown N: what the page has below its command N.
expect_shown() {
	local line said=() out

	mapfile -t out </tmp/out
	said=("${out[@]}" "${err[@]}")
	while IFS= read -r line; do
		shows "$line" || fail "the manual shows '$line', not:${said[*]/#/$'\n      '}"
	done <<<"${shown[$1]%$'\n'}"
}

# step N: does the page's command N, to its end.
step() {
	local words

	here "${steps[$1]}"
	read -ra words <<<"$REPLY"
	command_line=$REPLY
	if [[ ${words[0]} == sgmmcp ]]; then
		run "${words[@]:1}"
	else
		"${words[@]}" >/tmp/out 2>/tmp/err </dev/null
		took
	fi
}

# step_interrupted N: the same, and ^C when the disk has had some of the commands it takes.
step_interrupted() {
	local words

	here "${steps[$1]}"
	read -ra words <<<"$REPLY"
	must wait_for sd_set ndelay 200000000
	start_counting "$disk"
	start "${words[@]:1}"
	wait_midway "$disk" 25
	kill -INT "$pid"
	complete
	must wait_for sd_set ndelay 50000
}

# --- what is expected ---

# bad_medium FIRST COUNT: these blocks cannot be read, all others can.
bad_medium() {
	sd_set medium_error_start "$1"
	sd_set medium_error_count "$2"
	sd_set opts 2
}

# expect_image FIRST COUNT: the image is the disk, with zeros in the place of these blocks.
expect_image() {
	cp "$source_data" "$expected"
	put /dev/zero "$expected" 0 "$1" "$2" 512
	cmp disk.img "$expected" || fail 'the image differs'
}

interrupted() {
	begin 'the first command can be interrupted'
	bad_medium 40000 6
	[[ ${shown[0]} == ^C$'\n' ]] || fail 'the page does not interrupt it'
	step_interrupted 0
	expect_signal 2
	expect 'no map is left' test -s disk.map
	[[ $(<disk.map) == *'?'* ]] || fail 'all was done by then'
}

goes_on() {
	begin 'the same line goes on, and tells what is missing'
	[[ ${steps[1]} == "${steps[0]}" ]] || fail 'it is not the same line'
	step 1
	expect_shown 1
	expect_status 3
	expect_image 40000 6
}

tries_more() {
	begin 'with retries= what has become good is had, and the list has what stays bad'
	bad_medium 40002 4
	step 2
	expect_shown 2
	expect_status 3
	expect_image 40002 4
	step 3
	expect_shown 3
	[[ $(</tmp/out) == $'40002\n40003\n40004\n40005' ]] || fail "disk.bad: $(</tmp/out)"
}

tells() {
	begin 'ddrescuelog tells what was rescued, and what is bad'
	step 4
	expect_shown 4
	expect_status 0
	((${#steps[@]} == 5)) || fail "the page has ${#steps[@]} commands, not 5"
}

all_there() {
	begin 'all is there when the status is 0 and the list is empty'
	sd_set opts 0
	step 2
	expect_status 0
	expect 'disk.bad is not empty' test ! -s disk.bad
	cmp disk.img "$source_data" || fail 'the image differs'
}

sd_list_units
must node_of "${units[0]}" scsi_generic && disk=$REPLY
must node_of "${units[0]}" block && node=$REPLY
must make_data "$source_data" 32
must fill "$node" "$source_data"
read_example
must mkdir /tmp/example
must cd /tmp/example
interrupted
goes_on
tries_more
tells
all_there
finish
