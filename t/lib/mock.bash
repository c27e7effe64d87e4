# mock.bash - librdkafka's mock cluster for tests (t/lib/mock-broker.c).
#
# start_mock [BROKERS [TOPIC:PARTITIONS...]]  Run it; KQ_BROKERS names it.  One
#     that runs already is stopped first.
# mock WORD...  Tell it something, see mock-broker.c; fails when it fails.
# stop_mock     For teardown.

start_mock() {
	# Its threads are C11's, which this sanitizer does not see begin.
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
