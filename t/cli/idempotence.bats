#!/usr/bin/env bats
# Sequence numbers of producers (KIP-98), also across restarts and crashes.

load ../lib/kq.bash

setup() {
	start_broker
}

teardown() {
	end_broker
}

@test "duplicates, gaps, epochs" {
	py idempotence.py rules
}

@test "what is sent three times at once is stored once" {
	py idempotence.py pipelined
}

@test "stopped: the producers are still known" {
	py idempotence.py begin
	stop_broker
	restart_broker
	py idempotence.py go_on 4 5
	[ -e "$broker_data/k-0/00000000000000000004.snapshot" ]
}

@test "killed: the producers are still known" {
	py idempotence.py begin
	kill_broker
	restart_broker
	py idempotence.py go_on 4 5
	kill_broker
	restart_broker
	py idempotence.py go_on 5 6
}

@test "a producer that has been idle for long is forgotten" {
	stop_broker
	restart_broker -o producer.id.expiration.ms=1000
	py idempotence.py expired
}
