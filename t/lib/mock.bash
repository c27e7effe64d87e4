# mock.bash - librdkafka's mock cluster for tests (t/lib/mock-broker.c).
#
# start_mock [BROKERS [TOPIC:PARTITIONS...]]  Run it; sets KQ_BROKERS.  A running
#     one is stopped first.
# mock WORD...  Send it a command, see mock-broker.c; fails if the command fails.
# stop_mock     For teardown.

start_mock() {
	# It uses C11 threads, whose start this sanitizer does not see.
	case ${KQ_SAN-} in *thread*) skip "librdkafka's mock dies under the thread sanitizer" ;; esac
	stop_mock
	cd "$BATS_TEST_TMPDIR" || return 1
	coproc MOCK { exec mock-broker "$@" 2>mock.log 3>&- 4>&-; }
	mock_pid=$MOCK_PID
	local answer
	read -r -t 20 answer <&"${MOCK[0]}" || return 1
	export KQ_BROKERS=$answer
}

mock() {
	local answer
	echo "$*" >&"${MOCK[1]}"
	read -r -t 20 answer <&"${MOCK[0]}" || return 1
	[ "$answer" = ok ]
}

stop_mock() {
	[ -n "${mock_pid-}" ] || return 0
	kill -KILL "$mock_pid"
	wait "$mock_pid" 2>/dev/null || :
	mock_pid=
}
