#!/usr/bin/env bats
# Groups and transactions with the clients that Debian packages: those scripts of
# t/conformance that need nothing else.

bats_require_minimum_version 1.5.0

# They mostly wait, so all of them run at once.
setup_file() {
	local name
	for name in kcat python3-kafka python3-confluent-kafka; do
		KQ_CONFORMANCE_CACHE=$BATS_FILE_TMPDIR/$name "$BATS_TEST_DIRNAME/../conformance/run" "$name" \
			</dev/null >"$BATS_FILE_TMPDIR/$name.out" 2>&1 3>&- &
		echo $! >"$BATS_FILE_TMPDIR/$name.pid"
	done
}

teardown_file() {
	local file pid
	for file in "$BATS_FILE_TMPDIR"/*.pid; do
		pid=$(<"$file")
		kill "$pid" 2>/dev/null || :
	done
}

conformance() {
	local pid
	pid=$(<"$BATS_FILE_TMPDIR/$1.pid")
	tail --pid="$pid" -n +1 -f "$BATS_FILE_TMPDIR/$1.out" >"$BATS_TEST_TMPDIR/out"
	cat "$BATS_TEST_TMPDIR/out"
	! grep -q ' skipped: ' "$BATS_TEST_TMPDIR/out" || skip "$1 is not here"
	grep -qE '^conformance against kq-broker: 1 clients, [1-9][0-9]* cases: [0-9]+ passed, 0 failed, ' "$BATS_TEST_TMPDIR/out"
}

@test "kcat -G: groups" {
	conformance kcat
}

@test "python3-kafka: groups" {
	conformance python3-kafka
}

@test "python3-confluent-kafka: groups and transactions" {
	conformance python3-confluent-kafka
}
