#!/usr/bin/env bats
# Details that once broke a real client, checked on raw sockets.

load ../lib/kq.bash

setup_file() {
	start_broker
}

teardown_file() {
	stop_broker
}

setup() {
	skip_without python3
}

@test "trap 1: Produce is announced from 0 though served from 3" {
	py traps.py produce-min
}

@test "trap 2: the exact versions that old clients look for lie inside the ranges" {
	py traps.py exact
}

@test "trap 3: ApiVersions 0 to 5 are answered in their own form, others by error 35 in the form of 0" {
	py traps.py versions
}

@test "trap 4: pipelined requests are answered in order" {
	py traps.py ordered
}

@test "trap 5: features are announced where they hold" {
	py traps.py features
}

@test "trap 6: what is not served is not announced" {
	py traps.py unlisted
}

@test "without the consumer protocol neither its feature nor its APIs are announced" {
	start_broker -o group.coordinator.rebalance.protocols=classic
	py traps.py features 0
	py traps.py unlisted 68 69
	stop_broker
}

@test "trap 7: topic ids are never zero, and Fetch 13 and later go by them" {
	py traps.py topic-ids
}
