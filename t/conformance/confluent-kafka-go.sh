# confluent-kafka-go with the librdkafka that comes in it: its own tests, with a broker.
. "$(dirname "$0")/lib.bash"
need go gcc
release=v2.11.1

# Its suite can start brokers in Docker, by a module that needs hundreds of others.
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
# Its tests write to partitions by their number, and with times of ten years ahead.
kq-topic create -p 3 -c message.timestamp.after.max.ms=9223372036854775807 test >/dev/null
cd "$fetched/source/kafka" || exit 1
# Four write to a partition that does not exist, and want the library to refuse that
# later, as it does while it does not know the topic yet.  Else it does so at once,
# and they fail or wait for reports that do not come.  Against kq-broker it may know
# the topic in time.
no='TestProducerFunc TestProducerFuncDR TestProducerChannel TestProducerBatchChannel'
suite=TestIntegration
# One calls Flush(-1), which returns at once (findings/confluent-go-flush-forever.sh).
flush=TestTransactionalProducer
check_go "$fetched/confluent-kafka-go.test" -test.v -test.timeout 590s \
	-test.skip "^$suite\$/^(${no// /|})\$|^$flush\$"
check_skip "$flush" 'it wants the broker to be done before it asks for that'
for test in $no; do
	check_skip "$suite/$test" 'it wants the broker to be slower than the producer'
done
done_checking
