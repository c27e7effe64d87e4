#!/usr/bin/env bash
# confluent-kafka-go v2.11.1 (Go module, with the librdkafka 2.11.1 that it includes), go 1.26.
#
# Producer.Flush(-1) does not wait: it returns at once, while the message is still being
# sent.  In librdkafka's own flush, and in the module's Consumer.ReadMessage, -1 means to
# wait without a limit.  Flush adds the timeout to the current time, so its deadline is in
# the past.  The module's own test of transactions calls Flush(-1), and passes only if the
# broker is fast enough.
#
#	Flush(-1): 1 left
#	Flush(10000): 0 left
#
# The broker is librdkafka's mock.  Needs go and gcc.  Exits with 0 as long as this is
# so, with 1 when it has changed, with 2 if it could not be set up.
set -euo pipefail

dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'END'
package main

import (
	"fmt"
	"os"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func main() {
	p, err := kafka.NewProducer(&kafka.ConfigMap{"test.mock.num.brokers": 1, "linger.ms": 200})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	go func() {
		for range p.Events() {
		}
	}()
	topic := "t"
	where := kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny}
	if err := p.Produce(&kafka.Message{TopicPartition: where, Value: []byte("x")}, nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	fmt.Printf("Flush(-1): %d left\n", p.Flush(-1))
	fmt.Printf("Flush(10000): %d left\n", p.Flush(10000))
}
END
printf 'module flush\n\ngo 1.24\n' >go.mod
{
	go get github.com/confluentinc/confluent-kafka-go/v2@v2.11.1
	go build -o flush .
} >go.log 2>&1 || { cat go.log && exit 2; }

./flush >got || exit 2
cat got
printf 'Flush(-1): 1 left\nFlush(10000): 0 left\n' | diff - got
