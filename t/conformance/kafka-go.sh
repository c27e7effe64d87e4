# segmentio's kafka-go: its own tests.
. "$(dirname "$0")/lib.bash"
need go
release=v0.4.51

# The tests name the broker's address literally: take it from the environment instead.
build() {
	local dir
	cat >go.mod <<-END
		module conformance
		go 1.24
	END
	dir=$(go mod download -json "github.com/segmentio/kafka-go@$release" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
	cp -r "$dir" source
	chmod -R u+w source
	cd source
	sed -i -E 's/^(\t*)const ([a-z]+) = "localhost:9092"/\1var \2 = "localhost:9092"/' ./*_test.go
	sed -i '/^\tconst ($/,/^\t)$/s/^\tconst ($/\tvar (/' conn_test.go
	sed -i 's/TCP("localhost")/TCP(brokerOfTests)/' client_test.go
	rm address_test.go # needs no broker
	sed -i 's/"localhost:9092"/brokerOfTests/g; s/"127\.0\.0\.1:9092"/brokerOfTests/g' ./*_test.go
	rm example_*_test.go # no tests, and in a package of their own
	printf 'package kafka\n\nimport "os"\n\nvar brokerOfTests = os.Getenv("broker_tcp")\n' >broker_of_tests_test.go
	nice go test -mod=mod -c -o ../kafka-go.test .
}
fetch "kafka-go-$release" build
version "$release $(go version | cut -d' ' -f3)"
limit=600
broker
cd "$fetched/source" || exit 1
# The tests that are left out: NAME REASON, one per line.
no=
while IFS=$'\t' read -r which why; do
	no+=${no:+|}$which
	check_skip "$which" "$why"
done <<'END'
SASL|TLS|TestWriter/writing_a_message_with_SASL	wants a second listener, with TLS or SASL
TestDialerResolver|TestDialer/looking_up_partitions	wants the broker to be localhost:9092
TestConn/the_connection_advertises|TestConn/test_retrieve_controller	wants the broker to be localhost:9092
TestClientFindCoordinator	wants the coordinator to be called localhost
TestReaderConsumerGroup/(consumer_group_commits|verify_offset)	crashes in its own code, against Kafka, too
TestReaderConsumerGroup/consumer_group_rebalance$	fails by luck: reads from two members by turns, and one may have it all, against Kafka, too
TestConn/test_delete_topics	asks for a topic after its deletion, which makes it anew: Kafka says no once before
END
check_go "$fetched/kafka-go.test" -test.v -test.timeout 590s -test.skip "$no"
done_checking
