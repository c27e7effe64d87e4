# confluent-kafka-go, as Debian packages it: its own tests, with a broker.
. "$(dirname "$0")/lib.bash"
need go pkg-config
package=golang-github-confluentinc-confluent-kafka-go-dev
from=/usr/share/gocode/src/github.com/confluentinc/confluent-kafka-go/kafka
[ -d "$from" ] || skip_all "no $package"
pkg-config --exists rdkafka || skip_all "no librdkafka-dev"
release=$(dpkg-query -W -f '${Version}' "$package")

# Its code is older than modules, than go vet, and than a librdkafka that tells of
# the end of a partition only to those that ask.
build() {
	cp "$from"/*.go "$from"/*.h .
	printf 'module conformance\n\ngo 1.19\n' >go.mod
	echo '{"Brokers": "$broker_tcp", "Topic": "test", "GroupID": "testgroup", "Config": ["enable.partition.eof=true"]}' >testconf.json
	nice go test -vet=off -c -o confluent-kafka-go.test .
}
fetch "confluent-kafka-go-$release-eof" build
version "$release librdkafka $(pkg-config --modversion rdkafka)"
limit=300
broker
# Its tests write to partitions by their number, and with times of ten years ahead.
kq-topic create -p 3 -c message.timestamp.after.max.ms=9223372036854775807 test >/dev/null
cd "$fetched" || exit 1
# Four write to a partition that does not exist, and want the library to refuse that
# later, as it does while it does not know the topic yet.  Else it does so at once,
# and one fails, one waits forever, and two find a record left.  Against kq-broker it
# may know the topic in time; with each answer a millisecond later they pass, as
# against Kafka.
no='TestProducerFunc TestProducerFuncDR TestProducerChannel TestProducerBatchChannel'
check_go ./confluent-kafka-go.test -test.v -test.timeout 290s -test.skip "^(${no// /|})\$"
for test in $no; do
	check_skip "$test" 'it wants the broker to be slower than the producer'
done
done_checking
