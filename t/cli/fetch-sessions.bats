#!/usr/bin/env bats
# Fetch sessions (KIP-227).

load ../lib/kq.bash

setup() {
	start_broker -o max.incremental.fetch.session.cache.slots=20
}

teardown() {
	end_broker
}

@test "a session tells what is new, until it ends" {
	py sessions.py life
}

@test "epochs, ids and versions are checked" {
	py sessions.py rules
}

@test "the cache has so many places and no more" {
	py sessions.py full 20
}

@test "partitions take turns" {
	py sessions.py fair
}
