# The reports and exit codes of kq-produce, after success and failure.

bats_require_minimum_version 1.5.0
load ../lib/kq.bash

setup() {
	start_broker
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() {
	end_broker
}

# The two numbers in the last line of the file: records acknowledged, next input record.
report() {
	tail -n 1 "$1" | sed -n 's/^\([0-9]*\) records acknowledged, next is input record \([0-9]*\)$/\1 \2/p'
}

@test "all acknowledged: silence and 0" {
	kq-topic create t
	seq 1000 >in
	run -0 --separate-stderr kq-produce t in
	[ -z "$output$stderr" ]
	kq-consume -e t | cmp - in
}

@test "nothing to send is no failure" {
	run -0 kq-produce t </dev/null
	[ -z "$(kq-consume -e t)" ]
}

@test "a broker that nobody can reach: 75, and where to go on" {
	run -75 --separate-stderr kq-produce -b 127.0.0.1:1 t <<<"x"
	[ "${stderr_lines[-1]}" = "0 records acknowledged, next is input record 1" ]
	[[ $stderr == *"Connection refused"* ]]
	run -75 kq-produce -b "unix:$PWD/nobody" t <<<"x"
	run -75 kq-consume -b 127.0.0.1:1 t
}

@test "wrong use: 2, and a hint" {
	run -2 kq-produce
	run -2 kq-produce --partitoin 3 t
	[[ $output == *"did you mean '--partition'"* ]]
	run -2 kq-produce -X linger.msx=3 t
	[[ $output == *"did you mean 'linger.ms'"* ]]
	run -2 kq-produce -X linger.ms=soon t
	run -2 kq-produce -z brotli t
	run -2 kq-produce -D '\q' t
	run -2 kq-produce -H novalue t
	run -2 kq-produce -b 'nonsense:port:x' t
}

@test "a partition that is not there" {
	run -2 --separate-stderr kq-produce -p 5 t <<<"x"
	[[ $stderr == *"there is no partition 5"* ]]
	[ "${stderr_lines[-1]}" = "0 records acknowledged, next is input record 1" ]
}

@test "a file that is not there" {
	seq 3 >in
	run -1 --separate-stderr kq-produce t in missing
	[[ $stderr == *"cannot open 'missing'"* ]]
	[ "${stderr_lines[-1]}" = "3 records acknowledged, next is input record 4" ]
}

@test "a record too large is named, those before it are kept" {
	{ seq 2; head -c 3000000 /dev/zero | tr '\0' x; echo; echo 4; } >in
	run -1 --separate-stderr kq-produce t in
	[[ $stderr == *"record 3"* ]]
	[ "${stderr_lines[-1]}" = "2 records acknowledged, next is input record 3" ]
	[ "$(kq-consume -e t | paste -sd' ')" = "1 2" ]
}

@test "a record just large enough fits, alone in its batch" {
	{ echo before; head -c 1040000 /dev/zero | tr '\0' x; echo; echo after; } >in
	kq-produce t in
	kq-consume -e t | cmp - in
}

@test "codecs make the log smaller" {
	seq 100000 >in
	kq-produce -z none plain in
	kq-produce -z zstd packed in
	local plain packed
	plain=$(stat -c %s "$broker_data"/plain-0/00000000000000000000.log)
	packed=$(stat -c %s "$broker_data"/packed-0/00000000000000000000.log)
	[ $((packed * 2)) -lt "$plain" ]
	kq-consume -e packed | cmp - in
}

@test "slow input goes out after the linger, not at the end" {
	kq-topic create t
	mkfifo pipe
	kq-produce --linger 10ms t <pipe &
	exec 7>pipe
	echo one >&7
	run -0 timeout 20 kq-consume -c 1 t
	[ "$output" = one ]
	echo two >&7
	run -0 timeout 20 kq-consume -c 2 t
	[ "${lines[1]}" = two ]
	exec 7>&-
	wait $!
}

@test "a signal: what was read is sent, and the report is printed" {
	local sig
	for sig in INT TERM; do
		mkfifo "pipe-$sig"
		env --default-signal=INT kq-produce --linger 1h "s-$sig" <"pipe-$sig" 2>err &
		local pid=$!
		exec 7>"pipe-$sig"
		seq 10 >&7
		# The program has read the input when the pipe is empty.
		while [ -z "$(cat /proc/$pid/wchan 2>/dev/null)" ] && kill -0 $pid; do :; done
		until [ "$(kq_fionread 7)" = 0 ]; do :; done
		kill "-$sig" $pid
		died_of $sig $pid
		exec 7>&-
		[ "$(report err)" = "10 11" ]
		kq-consume -e "s-$sig" | cmp - <(seq 10)
	done
}

# The number of unread bytes in the pipe of a descriptor.
kq_fionread() {
	python3 -c 'import fcntl, struct, termios, sys
print(struct.unpack("i", fcntl.ioctl(int(sys.argv[1]), termios.FIONREAD, b"\0" * 4))[0])' "$1"
}

@test "a broker that dies in mid-produce: 75, and the report is true" {
	kq-topic create t
	mkfifo pipe
	kq-produce --batch-bytes 2000 -X delivery.timeout.ms=3000 t <pipe 2>err &
	local pid=$! code=0
	exec 7>pipe
	seq 5000 >&7
	timeout 20 kq-consume -c 4000 t >/dev/null
	kill_broker
	seq 5001 10000 >&7 || :
	exec 7>&-
	wait $pid || code=$?
	cat err
	[ "$code" -eq 75 ]
	read -r acked next <<<"$(report err)"
	[ "$acked" -ge 1 ]
	[ "$next" -eq $((acked + 1)) ]
	restart_broker
	# All acknowledged records are there, in order from the first.
	kq-consume -e t >out
	[ "$(wc -l <out)" -ge "$acked" ]
	head -n "$acked" out | cmp - <(seq "$acked")
}

@test "a broker that comes back is gone on with" {
	kq-topic create t
	mkfifo gate
	{ seq 2000; read -r <gate; seq 2001 4000; } | kq-produce --batch-bytes 2000 t 2>err &
	local pid=$!
	timeout 20 kq-consume -c 1000 t >/dev/null
	stop_broker
	restart_broker
	echo open >gate
	wait $pid
	kq-consume -e t | cmp - <(seq 4000)
}

@test "a broker that is killed in the midst of it: each record is there once, in its place" {
	kq-topic create t
	seq 300000 >in
	kq-produce --batch-bytes 2000 t in 2>err &
	local pid=$! i
	for i in 1 2 3; do
		timeout "$kq_patience" kq-consume -c $((i * 1000)) t >/dev/null
		kill_broker
		restart_broker
	done
	wait $pid || { cat err; false; }
	kq-consume -e t | cmp - in
}

@test "a consumer goes on when the broker comes back" {
	seq 10 | kq-produce t
	timeout 60 kq-consume -c 20 t >out 2>err &
	local pid=$!
	until [ "$(wc -l <out)" -eq 10 ]; do :; done
	stop_broker
	restart_broker
	seq 11 20 | kq-produce t
	wait $pid
	cmp out <(seq 20)
}

@test "the socket is used whatever the broker advertises" {
	stop_broker
	start_broker -o advertised.listeners=PLAINTEXT://192.0.2.1:9
	seq 5 | timeout 20 kq-produce t
	[ "$(timeout 20 kq-consume -e t | wc -l)" -eq 5 ]
}

@test "the record that the broker refuses is named" {
	kq-topic create compact -c cleanup.policy=compact
	kq-topic create several -p 3 -c cleanup.policy=compact
	run kq-produce compact -K : < <(printf 'a:1\nb:2\nnone\nc:3\n')
	[ "$status" -eq 1 ]
	[[ $output == *'record 3: '*key*'(INVALID_RECORD)'*'next is input record 1' ]]
	run kq-produce compact < <(echo one)
	[[ $output == *'record 1: '*key* ]]
	# Batches of several partitions, filled in turn.
	run kq-produce several -K : < <(printf '%s:1\n' {a..z}; echo none; printf '%s:2\n' {a..z})
	[ "$status" -eq 1 ]
	[[ $output =~ 'one of the records '[0-9]+' to '[0-9]+', number '[0-9]+' of those for partition '[0-2]" of 'several': " ]]
}
