# segmentio's kafka-go: its own tests.
. "$(dirname "$0")/lib.bash"
need go
release=v0.4.51

# The address of the broker is in the tests' text: make it the environment's.
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
	rm address_test.go # no broker in it
	sed -i 's/"localhost:9092"/brokerOfTests/g; s/"127\.0\.0\.1:9092"/brokerOfTests/g' ./*_test.go
	rm example_*_test.go # nothing to run in them, and in a package of their own
	printf 'package kafka\n\nimport "os"\n\nvar brokerOfTests = os.Getenv("broker_tcp")\n' >broker_of_tests_test.go
	nice go test -mod=mod -c -o ../kafka-go.test .
}
fetch "kafka-go-$release" build
version "$release $(go version | cut -d' ' -f3)"
limit=600
broker
cd "$fetched/source" || exit 1
# Not those that want a second listener with TLS or SASL, or to be answered
# from localhost:9092; some that crash or race by themselves, against
# Kafka, too; and one that wants a topic
# asked for after its deletion not to be there at once again.
no='SASL|TLS|TestDialerResolver|TestClientFindCoordinator|TestReaderConsumerGroup/(consumer_group_commits|consumer_group_rebalance$|verify_offset)'
no+='|TestDialer/looking_up_partitions|TestConn/the_connection_advertises|TestConn/test_retrieve_controller'
no+='|TestConn/test_delete_topics|TestWriter/writing_a_message_with_SASL'
check_go "$fetched/kafka-go.test" -test.v -test.timeout 590s -test.skip "$no"
done_checking
