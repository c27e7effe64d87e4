# kq.bash - a broker for tests, and small helpers.  Load it with
#
#	load ../lib/kq.bash
#
# A test or a whole file starts a broker of its own:
#
#	setup() { start_broker; }		teardown() { end_broker; }
#	setup_file() { start_broker; }		teardown_file() { end_broker; }
#
# start_broker [ARG...]  Run kq-broker, with further arguments, in a new
#     directory on unix:$broker_dir/kq.sock and a free port of 127.0.0.1; returns
#     when it serves.  Exports KQ_BROKERS (the socket), broker_tcp (host:port),
#     broker_pid, broker_dir, broker_data, broker_log.  Fails, and shows the
#     log, when the broker does not start.  A second call replaces the variables:
#     save them first.  KQ_DATA names another data directory.
# stop_broker            SIGTERM: it must exit with 0, in time, without a report
#     of a sanitizer.
# kill_broker            SIGKILL.
# restart_broker [ARG...] The same broker again, on the same directory and
#     addresses, with other further arguments if any are given.  Stop or kill
#     it first.
# wait_broker            Wait until it has ended; its exit code is $broker_code.
# end_broker             For teardown: kill it if it runs; the log is shown if a
#     sanitizer reported something, and the test fails.
# broker_alive           Whether it runs.
# broker_rss             Its resident memory in KiB.
# died_of SIG PID        Wait for a job, which must have died of the signal.
# py SCRIPT [ARG...]     Run t/lib/SCRIPT with a python3 that has the clients.
# skip_without WORD...   Skip unless the commands, or py:MODULE, are installed.
# $kq_commands           The names of all commands of kq.
#
# No function just sleeps: each waits for its condition, for at most
# $kq_patience seconds.

kq_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034
kq_commands=$(cd "$kq_lib/../../cmd" && find . -maxdepth 1 -name 'kq-*' | sed 's,^\./,,; s,\.c$,,')

# Sanitizers make everything slower, and the machine may be busy.  A broker syncs at
# its end, which takes long on a busy disk.
if [ -n "${KQ_SAN-}" ]; then
	kq_patience=60 kq_stop_max=20
else
	kq_patience=20 kq_stop_max=10
fi

_kq_show_log() {
	echo "--- $broker_log" >&2
	tail -n 60 "$broker_log" >&2
	echo '---' >&2
}

# Run the broker behind a shell that keeps a lock while it runs and its exit
# code afterwards, so that any process can wait for it.
_kq_spawn() {
	local first word fd
	rm -f "$broker_dir/exit" "$broker_dir/ready"
	mkfifo "$broker_dir/ready"
	(
		# The broker must not keep the test's descriptors open.
		for fd in /proc/self/fd/*; do
			fd=${fd##*/}
			[ "$fd" -le 2 ] || [ "$fd" -eq 255 ] || eval "exec $fd>&-"
		done
		exec 9>"$broker_dir/alive"
		flock 9
		code=0
		bash -c 'echo $$ >"$0"; exec "$@"' "$broker_dir/pid" "$@" \
			</dev/null >"$broker_dir/ready" 2>>"$broker_log" 9>&- || code=$?
		echo "$code" >"$broker_dir/exit"
	) </dev/null >/dev/null 2>&1 &
	if ! read -r -t "$kq_patience" -a first <"$broker_dir/ready" || [ "${first[0]}" != ready ]; then
		echo "the broker did not come up: $*" >&2
		_kq_show_log
		return 1
	fi
	broker_pid=$(<"$broker_dir/pid")
	broker_tcp=
	for word in "${first[@]:1}"; do
		[[ $word == unix:* ]] || broker_tcp=$word
	done
	broker_ready=${first[*]}
	KQ_BROKERS=unix:$broker_dir/kq.sock
	export KQ_BROKERS broker_pid broker_tcp broker_dir broker_data broker_log broker_ready
}

start_broker() {
	broker_dir=$(mktemp -d "${BATS_TEST_TMPDIR:-$BATS_FILE_TMPDIR}/kq.XXXXXX")
	broker_data=${KQ_DATA:-$broker_dir/data}
	broker_log=$broker_dir/log
	printf '%s\0' "$@" >"$broker_dir/args"
	: >"$broker_log"
	_kq_spawn kq-broker -d "$broker_data" -l "unix:$broker_dir/kq.sock" -l 127.0.0.1:0 "$@"
}

restart_broker() {
	local -a args
	[ $# -eq 0 ] || printf '%s\0' "$@" >"$broker_dir/args"
	mapfile -d '' -t args <"$broker_dir/args"
	[ -n "${args[*]}" ] || args=()
	# The port is one that the kernel also gives to outgoing connections: another
	# test may have it for a moment.
	local until=$((SECONDS + kq_patience))
	until _kq_spawn kq-broker -d "$broker_data" -l "unix:$broker_dir/kq.sock" -l "$broker_tcp" \
			"${args[@]}" 2>"$broker_dir/spawn"; do
		if [ "$SECONDS" -ge "$until" ] || ! tail -n 1 "$broker_log" | grep -q "Address already in use"; then
			cat "$broker_dir/spawn" >&2
			return 1
		fi
		sleep 0.2
	done
}

wait_broker() {
	if ! flock -w "$kq_patience" "$broker_dir/alive" true; then
		echo "the broker, process $broker_pid, does not end" >&2
		_kq_show_log
		return 1
	fi
	broker_code=$(<"$broker_dir/exit")
}

died_of() {
	local code=0
	wait "$2" || code=$?
	[ "$code" -eq $((128 + $(kill -l "$1"))) ] || { echo "ended with $code, not of SIG$1" >&2; return 1; }
}

broker_alive() {
	[ ! -e "$broker_dir/exit" ] && kill -0 "$broker_pid"
}

broker_rss() {
	awk '/^VmRSS/ { print $2 }' "/proc/$broker_pid/status"
}

_kq_no_sanitizer_report() {
	if grep -qE 'Sanitizer|runtime error:|Assertion' "$broker_log"; then
		_kq_show_log
		return 1
	fi
}

stop_broker() {
	local begin=$EPOCHREALTIME took
	kill -TERM "$broker_pid" || return 1
	if ! wait_broker; then
		end_broker
		return 1
	fi
	took=$(((${EPOCHREALTIME/[.,]/} - ${begin/[.,]/}) / 1000))
	if [ "$broker_code" -ne 0 ] || [ "$took" -ge $((kq_stop_max * 1000)) ]; then
		echo "the broker ended with $broker_code after $took ms" >&2
		_kq_show_log
		return 1
	fi
	_kq_no_sanitizer_report
}

kill_broker() {
	kill -KILL "$broker_pid" || return 1
	wait_broker
}

end_broker() {
	[ -n "${broker_dir-}" ] || return 0
	if [ ! -e "$broker_dir/exit" ]; then
		kill -KILL "$broker_pid" 2>/dev/null || :
		wait_broker || return 1
	fi
	_kq_no_sanitizer_report
}

# The python3 in PATH may lack modules that Debian's has.
_kq_python() {
	local p
	for p in /usr/bin/python3 python3; do
		command -v "$p" >/dev/null && "$p" -c "import ${1:-sys}" 2>/dev/null && echo "$p" && return
	done
	return 1
}

py() {
	local script=$1 p
	shift
	p=/usr/bin/python3
	[ -x "$p" ] || p=python3
	PYTHONDONTWRITEBYTECODE=1 timeout "$((kq_patience * 3))" "$p" "$kq_lib/$script" "$@"
}

skip_without() {
	local word
	for word; do
		case $word in
		py:*) _kq_python "${word#py:}" >/dev/null || skip "no ${word#py:} for python3" ;;
		*) command -v "$word" >/dev/null || skip "no $word" ;;
		esac
	done
}
