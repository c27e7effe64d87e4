#!/usr/bin/env bats
# kq-broker: which batches it accepts, depending on their records.

load ../lib/kq.bash

setup() {
	start_broker
}

teardown() {
	[ ! -e "$broker_dir/exit" ] || return 0
	stop_broker
}

intake() {
	py intake.py "$@"
}

@test "broken records are refused, plain and compressed; nothing of them is stored" {
	intake broken
}

@test "data that does not decompress is refused" {
	intake packed
}

@test "a compacted topic does not accept records without a key, and says which" {
	intake compacted
}

@test "timestamps out of range are refused, record by record; a wrong header is mended" {
	intake times
}

@test "max.decompressed.message.bytes, to the byte" {
	intake large
}

@test "what the compressed batches of one request open to is limited" {
	intake bombs
}

@test "min.insync.replicas above the number of replicas asks for all of them" {
	intake insync
}

@test "a refused batch takes no sequence number and begins no transaction" {
	intake producers
}

@test "topics by their ids" {
	intake by_id
}
