#!/usr/bin/env bats
# Positions and times have the same form in every tool, and all commands that delete ask
# for confirmation by the same rule.

bats_require_minimum_version 1.5.0
load ../lib/kq.bash

setup_file() { start_broker; }
teardown_file() { end_broker; }
setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	t=t$BATS_TEST_NUMBER g=g$BATS_TEST_NUMBER
	seq 5 | kq-produce $t
	sleep 1.1 # to the next second
	now=$(date +%s)
	seq 6 10 | kq-produce $t
}

@test "a number of seconds since 1970 is one, wherever a time is taken" {
	[ "$(kq-consume -e -o "@$now" $t | tr '\n' ' ')" = "6 7 8 9 10 " ]
	[ "$(kq-consume -e -o "s@$now" $t | tr '\n' ' ')" = "6 7 8 9 10 " ]
	[ "$(kq-consume -o beginning -o "e@$now" $t | tr '\n' ' ')" = "1 2 3 4 5 " ]
	[ "$(kq-consume -e -o "@${now}000" $t | tr '\n' ' ')" = "6 7 8 9 10 " ]
	[ "$(kq-topic offsets $t --at "@$now")" = $t$'\t0\t5' ]
	[ "$(kq-topic offsets $t --at "$now")" = $t$'\t0\t5' ]
	[ "$(kq-group seek $g $t --to "@$now" --dry-run 2>/dev/null)" = $t$'\t0\t-\t5' ]
	[ "$(kq-topic trim $t --before "@$now" --dry-run)" = $t$'\t0\t5' ]
}

@test "the words of places are the same in every tool" {
	local w
	for w in beginning earliest 0 -10 @0 @-1h -1h 2020-01-01; do
		[ "$(kq-consume -e -o "$w" $t | wc -l)" -eq 10 ]
	done
	for w in beginning earliest -10 @0 @-1h -1h 2020-01-01; do
		[ "$(kq-topic offsets $t --at "$w")" = $t$'\t0\t0' ]
	done
	for w in beginning earliest 0 -10 @0 @-1h -1h 2020-01-01; do
		[ "$(kq-topic trim -n $t --before "$w")" = $t$'\t0\t0' ]
	done
	for w in beginning earliest 0 @0 @-1h -1h 2020-01-01; do
		[ "$(kq-group seek -n $g $t --to "$w" 2>/dev/null)" = $t$'\t0\t-\t0' ]
	done
	for w in end latest; do
		[ -z "$(kq-consume -e -o "$w" $t)" ]
		[ "$(kq-topic offsets $t --at "$w")" = $t$'\t0\t10' ]
		[ "$(kq-topic trim -n $t --before "$w")" = $t$'\t0\t10' ]
		[ "$(kq-group seek -n $g $t --to "$w" 2>/dev/null)" = $t$'\t0\t-\t10' ]
	done
	[ "$(kq-consume -e -o -3 $t | tr '\n' ' ')" = "8 9 10 " ]
	[ "$(kq-topic offsets $t --at -3)" = $t$'\t0\t7' ]
	[ "$(kq-topic trim -n $t --before -3)" = $t$'\t0\t7' ]
	local option
	for option in "kq-consume -e -o" "kq-topic offsets --at" "kq-topic trim -n --before" "kq-group seek $g -n --to"; do
		run -2 $option nonsense $t
		[[ $output == *"'nonsense' is not a position; use one of: beginning, end,"* ]]
		run -2 $option @-99999d $t
		[[ $output == *"is before 1970" ]]
	done
}

# answered y|n COMMAND...: run it with this answer on the terminal.
answered() {
	local answer=$1 code=0
	shift
	printf '%s\n' "$answer" | script -qefc "$*" /dev/null >said || code=$?
	cat said
	return $code
}

@test "the last N are records to trim and offsets, too, not transaction markers" {
	local i
	for i in 1 2 3 4; do
		echo $i | kq-produce --txn trimmer marked
	done
	[ "$(kq-topic offsets marked)" = $'marked\t0\t0\t8' ]
	[ "$(kq-topic offsets marked --at -4)" = $'marked\t0\t0' ]
	kq-topic trim marked --before -2 --yes
	[ "$(kq-consume -e marked)" = $'3\n4' ]
}

@test "what destroys: refused without a terminal, shown by --dry-run, done by --yes" {
	kq-group seek $g $t --to 4 --yes
	local verb
	for verb in "kq-topic delete $t" "kq-topic trim $t --before 3" "kq-group delete $g" \
		"kq-group delete-offsets $g $t"; do
		run -2 $verb </dev/null
		[[ $output == *"there is no terminal: give --yes"* ]]
		run -2 $verb --yes --dry-run
	done
	kq-group export $g | sed 's/"offset":4/"offset":2/' >lines
	for verb in "kq-group seek $g $t --to 2" "kq-group import lines"; do
		run -2 $verb --yes --dry-run
		run -2 $verb --execute -n
		$verb --dry-run
	done
	[ "$(kq-topic delete -n $t)" = $t ]
	run -1 kq-topic delete -n nosuch
	[ "$(kq-topic trim -n $t --before 3)" = $t$'\t0\t3' ]
	run -1 kq-topic trim -n $t --before 30
	[ "$(kq-group delete -n $g)" = $g ]
	run -1 kq-group delete -n nosuch
	[ "$(kq-group delete-offsets -n $g $t)" = $t$'\t0\t4' ]
	[ "$(kq-group delete-offsets -n $g $t $t:0 $t:0,0 $t)" = $t$'\t0\t4' ]
	# Nothing was deleted.
	[ "$(kq-topic offsets $t)" = $t$'\t0\t0\t10' ]
	[ "$(kq-group export $g | grep -c '"offset":4')" -eq 1 ]
	kq-topic trim -y $t --before 3
	[ "$(kq-topic offsets $t)" = $t$'\t0\t3\t10' ]
	kq-group delete-offsets -y $g $t
	[ -z "$(kq-group export $g)" ]
	kq-topic rm -y $t
	run -75 kq-topic offsets $t
}

@test "what destroys asks on a terminal, and does nothing after a no" {
	skip_without script
	kq-group seek $g $t --to 4 --yes
	run -1 answered n kq-topic trim $t --before 3
	[[ $output == *"Delete 3 records of the topic '$t'? [y/N]"*"nothing was changed"* ]]
	run -1 answered n kq-group delete-offsets $g $t
	[[ $output == *"Delete the offsets of group '$g' of 1 topic? [y/N]"* ]]
	run -1 answered n kq-group delete $g
	run -1 answered n kq-topic delete $t
	run -1 answered n kq-group seek $g $t --to 2
	[[ $output == *$'4\t2'*"Set these offsets? [y/N]"* ]]
	[ "$(kq-topic offsets $t)" = $t$'\t0\t0\t10' ]
	[ "$(kq-group export $g | grep -c '"offset":4')" -eq 1 ]
	run -0 answered y kq-group seek $g $t --to 2
	[ "$(kq-group export $g | grep -c '"offset":2')" -eq 1 ]
	run -0 answered y kq-topic trim $t --before 3
	[ "$(kq-topic offsets $t)" = $t$'\t0\t3\t10' ]
	run -0 answered y kq-group delete-offsets $g $t
	[ -z "$(kq-group export $g)" ]
}

@test "seek and import only show their plan where there is no terminal" {
	[ "$(kq-group seek $g $t --to 4 2>said </dev/null)" = $t$'\t0\t-\t4' ]
	[ "$(<said)" = "kq-group: nothing was changed; --yes applies the plan" ]
	run -75 kq-group export $g
	kq-group seek $g $t --to 4 --execute
	kq-group export $g >file
	kq-group delete --yes $g
	kq-group import file </dev/null
	run -75 kq-group export $g
	kq-group import -y file
	[ "$(kq-group export $g)" = "$(<file)" ]
	run -2 kq-group seek $g $t --to 3 --execute -n
}
