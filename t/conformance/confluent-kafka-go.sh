# confluent-kafka-go, as Debian packages it: its own tests, with a broker.
. "$(dirname "$0")/lib.bash"
need go pkg-config
package=golang-github-confluentinc-confluent-kafka-go-dev
from=/usr/share/gocode/src/github.com/confluentinc/confluent-kafka-go/kafka
[ -d "$from" ] || skip_all "no $package"
pkg-config --exists rdkafka || skip_all "no librdkafka-dev"
release=$(dpkg-query -W -f '${Version}' "$package")

# Its code is older than modules, and than go vet.
build() {
	cp "$from"/*.go "$from"/*.h .
	printf 'module conformance\n\ngo 1.19\n' >go.mod
	echo '{"Brokers": "$broker_tcp", "Topic": "test", "GroupID": "testgroup"}' >testconf.json
	nice go test -vet=off -c -o confluent-kafka-go.test .
}
fetch "confluent-kafka-go-$release" build
version "$release librdkafka $(pkg-config --modversion rdkafka)"
limit=300
broker
# Its tests write to partitions by their number.
kq-topic create -p 3 test >/dev/null
cd "$fetched" || exit 1
# Not two that want an unknown partition told of in a delivery report, as the
# librdkafka of their time did: today's says so before.  Not one that waits for the
# end of a partition without asking for it, as today's wants to be asked.
check_go ./confluent-kafka-go.test -test.v -test.timeout 290s -test.skip '^(TestProducerFunc(DR)?|TestProducerConsumerTimestamps)$'
done_checking
