# confluent-kafka-go with the librdkafka that it includes: its own tests, with a broker.
. "$(dirname "$0")/lib.bash"
need go gcc
release=v2.11.1

# Leave out the part that starts brokers in Docker: its module needs hundreds of others.
build() {
	local dir
	printf 'module conformance\n\ngo 1.24\n' >go.mod
	dir=$(go mod download -json "github.com/confluentinc/confluent-kafka-go/v2@$release" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
	mkdir source
	cp -r "$dir/kafka" "$dir/go.mod" "$dir/go.sum" source
	chmod -R u+w source
	cd source/kafka
	sed -i -e '/testcontainers-go/d' -e '/^\tcompose \*compose/d' -e '/^\tif testconf.DockerNeeded/,/^\t}$/d' integration_test.go
	echo '{"Brokers": "$broker_tcp", "TopicName": "test", "GroupID": "testgroup"}' >testconf.json
	nice go test -mod=mod -vet=off -c -o ../../confluent-kafka-go.test .
}
fetch "confluent-kafka-go-$release" build
version "$release $(go version | cut -d' ' -f3)"
limit=600
broker
# The tests write to partitions by number, with timestamps ten years ahead.
kq-topic create -p 3 -c message.timestamp.after.max.ms=9223372036854775807 test >/dev/null
cd "$fetched/source/kafka" || exit 1
# Four tests write to a partition that does not exist, and expect a delivery report with
# the error.  That depends on timing: the library reports it while it does not know the
# topic yet, and otherwise refuses the write at once, and the tests fail or wait forever.
no='TestProducerFunc TestProducerFuncDR TestProducerChannel TestProducerBatchChannel'
suite=TestIntegration
# One test calls Flush(-1), which returns at once (findings/confluent-go-flush-forever.sh).
flush=TestTransactionalProducer
check_go "$fetched/confluent-kafka-go.test" -test.v -test.timeout 590s \
	-test.skip "^$suite\$/^(${no// /|})\$|^$flush\$"
check_skip "$flush" 'it wants the broker to be done before it asks for that'
for test in $no; do
	check_skip "$suite/$test" 'it wants the broker to be slower than the producer'
done
done_checking
