#!/usr/bin/env bats
# kq-broker: topics are created, changed and deleted while clients use them.

load ../lib/kq.bash

teardown() {
	end_broker
}

@test "topics come, change and go while clients write, read, wait and vanish" {
	start_broker -o log.index.interval.bytes=100 -o log.flush.offset.checkpoint.interval.ms=100
	py churn.py 3
	stop_broker
	restart_broker
	[ "$(py rules.py get steady | wc -l)" -gt 20 ]
	stop_broker
}

@test "the same in memory" {
	start_broker --memory -o log.index.interval.bytes=100 -o reactors=4
	py churn.py 2
	stop_broker
}

@test "a partition grows while fetches of many begin to wait" {
	start_broker --memory
	py wide_fetch.py
	stop_broker
}
