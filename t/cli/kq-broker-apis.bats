#!/usr/bin/env bats
# APIs of features that kq-broker does not have: each answers with the same empty list or
# error as Kafka 4.4.0, in every version, and stores nothing.

load ../lib/kq.bash

setup_file() {
	start_broker
	kq-topic create -p 2 there >/dev/null
}

teardown_file() {
	stop_broker
}

setup() {
	skip_without python3
}

@test "the table of APIs is what the broker announces, with a reason for each difference" {
	py apis.py table
}

@test "ApiVersions 5 refuses a client that looks for another cluster or node" {
	py apis.py peer
}

@test "InitProducerId 6, which is not stable, is not served" {
	py apis.py unstable
}

@test "access lists: SECURITY_DISABLED" {
	py apis.py acls
}

@test "delegation tokens: DELEGATION_TOKEN_REQUEST_NOT_ALLOWED" {
	py apis.py tokens
}

@test "an election is not needed" {
	py apis.py elections there
}

@test "replicas are in the data directory, and nowhere else" {
	py apis.py log-dirs there
}

@test "no partition moves" {
	py apis.py reassignments there
}

@test "there are no quotas, and none can be set" {
	py apis.py quotas
}

@test "no user has a SCRAM password, and none can be set" {
	py apis.py scram
}

@test "the quorum is this broker, and stays so" {
	py apis.py quorum
}

@test "features keep their levels" {
	py apis.py updates
}
