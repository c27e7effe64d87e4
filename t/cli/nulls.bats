#!/usr/bin/env bats
# Null and empty keys and values, on every way from one topic to another.

bats_require_minimum_version 1.5.0
load ../lib/kq.bash

setup_file() { start_broker; }
teardown_file() { end_broker; }
setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	in=in$BATS_TEST_NUMBER out=out$BATS_TEST_NUMBER
	kq-topic create -p 4 $in $out
	# Every pair of null, empty and a text, as JSON, which distinguishes them.
	local k v
	for k in null '""' '"k"'; do
		for v in null '""' '"v"'; do
			echo "{\"key\":$k,\"value\":$v}"
		done
	done >all
	kq-produce -J $in <all
}

# The keys and values of a topic, in a fixed order.
has() {
	kq-consume -e -J "$1" | sed -E 's/.*("key":.*)/{\1/' | sort
}

same() { diff <(has $in) <(has $out); }

exec_to_out() { # COMMAND [OPTION...]
	local command=$1
	shift
	timeout "$((kq_patience * 2))" kq-consume -G "$out" -o beginning -e $in --exec "$command" --to $out "$@"
}

@test "JSON: everything comes through, with its time and headers" {
	[ "$(has $in)" = "$(sort all)" ]
	kq-consume -e -J $in | kq-produce -J $out
	same
	printf '{"timestamp":1795514400123,"key_b64":"/wA=","value":"\\u0000","headers":[{"name":"n","value_b64":"/w=="},{"name":"m","value":null}]}\n' |
		kq-produce -J $in
	kq-consume -e -J $in | grep 1795514400123 >one
	kq-produce -J $out <one
	kq-consume -e -J $out | grep -F '"timestamp":1795514400123,"timestamp_type":"create","headers":[{"name":"n","value_b64":"/w=="},{"name":"m","value":null}],"key_b64":"/wA=","value":"\u0000"}'
	run -1 kq-produce -J $out <<<'{"value":"v","colour":"red"}'
	[[ ${lines[0]} == "kq-produce: record 1: 'colour' is not a member of a record"* ]]
	run -2 kq-produce -J -K : $out
}

@test "text with a marker for null: everything comes through" {
	kq-consume -e -K '\t' --null-marker '\\N' $in >text
	sort text
	[ "$(sort text)" = "$(for k in '\N' '' k; do for v in '\N' '' v; do printf '%s\t%s\n' "$k" "$v"; done; done | sort)" ]
	kq-produce -K '\t' --null-marker '\\N' $out <text
	same
	[ "$(kq-consume -e --null-marker NULL -f '%k|%s\n' $in | grep -c NULL)" -eq 5 ]
}

@test "text without one: no delimiter is no key, and -Z is for null values" {
	kq-consume -e -K '\t' $in | kq-produce -K '\t' -Z $out
	[ "$(has $out)" = "$(has $in | sed 's/"value":""/"value":null/' | sort)" ]
}

@test "through a command, as pairs: everything comes through" {
	exec_to_out cat --frame pair
	same
	# A command that checks the lengths: null is ff ff ff fe.
	cat >look.py <<-'END'
		import struct, sys
		r, w = sys.stdin.buffer, sys.stdout.buffer
		def get():
		    n = struct.unpack('>I', r.read(4))[0]
		    return None if n == 0xfffffffe else StopIteration if n == 0xffffffff else r.read(n)
		while True:
		    try: k = get()
		    except struct.error: break
		    if k is StopIteration:
		        w.write(b'\xff\xff\xff\xff'); w.flush(); continue
		    v = get()
		    print(k, v, file=sys.stderr)
		    for x in (k, v): w.write(b'\xff\xff\xff\xfe' if x is None else struct.pack('>I', len(x)) + x)
	END
	kq-topic delete -y $out
	kq-topic create -p 4 $out
	kq-group delete -y $out
	exec_to_out 'python3 look.py' --frame pair 2>seen
	same
	[ "$(grep -c None seen)" -eq 5 ]
	run -2 exec_to_out cat --frame pair -K :
}

@test "through a command, as lines and by lengths: keys that are null remain null" {
	exec_to_out cat --frame count -K '\t' --null-marker '\\N'
	same
	kq-topic delete -y $out
	kq-topic create -p 4 $out
	kq-group delete -y $out
	exec_to_out cat --frame count -K '\t' -Z
	[ "$(has $out)" = "$(has $in | sed 's/"value":""/"value":null/' | sort)" ]
	kq-topic delete -y $out
	kq-topic create -p 4 $out
	kq-group delete -y $out
	exec_to_out cat --frame length
	[ "$(has $out | sort | uniq -c | tr -s ' ')" = $' 3 {"key":null,"value":""}\n 3 {"key":null,"value":"v"}\n 3 {"key":null,"value":null}' ]
}

@test "what a text could not tell apart stops --exec, and --frame pair carries it" {
	echo '{"key":null,"value":"a:b"}' | kq-produce -J $in
	run -2 exec_to_out cat --frame count -K :
	[[ $output == *"the delimiter of -K cannot separate its key from its value; use --frame pair" ]]
	echo '{"key":"x","value":"NIL"}' | kq-produce -J $in
	run -2 exec_to_out cat --frame count --null-marker NIL
	[[ $output == *"its value would be read as null; use --frame pair" ]]
	exec_to_out cat --frame pair
	same
}

@test "records without keys are spread over the partitions, on every way" {
	local spread='kq-consume -e -f %p\n'
	kq-topic create -p 4 many$in copy$in through$in
	seq 20000 | kq-produce --batch-bytes 2000 many$in
	[ "$($spread many$in | sort -u | wc -l)" -eq 4 ]
	kq-consume -e -K '\t' many$in | kq-produce --batch-bytes 2000 -K '\t' copy$in
	[ "$($spread copy$in | sort -u | wc -l)" -eq 4 ]
	[ "$(kq-consume -e -f '%K\n' copy$in | sort -u)" = -1 ]
	kq-consume -G s -e -o beginning many$in --exec cat --frame count -K '\t' --to through$in
	[ "$(kq-consume -e -f '%K\n' through$in | sort -u)" = -1 ]
	[ "$(kq-consume -e through$in | sort -n | cmp - <(seq 20000); echo $?)" -eq 0 ]
	[ "$($spread through$in | sort -u | wc -l)" -gt 1 ]
}
