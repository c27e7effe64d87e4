# older.bash - a kq-broker with fewer APIs or versions, see older.py.
#
# start_older KEY[:MAX]... [KEY=CODE...]  Start a broker behind older.py, to which
#     KQ_BROKERS is set.  Uses the current directory; once per test.
# stop_older                For teardown, with end_broker.

start_older() {
	local address
	skip_without python3
	mkfifo address
	python3 "$BATS_TEST_DIRNAME/../lib/older.py" "$PWD/target" "$@" >address 3>&- 4>&- &
	older_pid=$!
	read -r -t "$kq_patience" address <address
	start_broker -o "advertised.listeners=PLAINTEXT://$address"
	ln -s "$broker_dir/kq.sock" target
	export KQ_BROKERS=$address
}

stop_older() {
	[ -z "${older_pid-}" ] || kill "$older_pid"
	older_pid=
}
