# sarama: its own functional tests, through toxiproxy, as they require; then our own
# cases, for what those do not cover.
. "$(dirname "$0")/lib.bash"
need go curl
release=v1.61.1
toxiproxy=v2.5.0

# module PATH@VERSION: copy its source into the folder source.
module() {
	local dir
	dir=$(go mod download -json "$1" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
	cp -r "$dir" source
	chmod -R u+w source
}

# The tests expect five brokers: make them use one, whose address is in the environment,
# and topics with one replica.
build() {
	printf 'module conformance\n\ngo 1.26\n' >go.mod
	module "github.com/IBM/sarama@$release"
	(
		cd source
		sed -i -e 's/i <= 5; i++/i <= 1; i++/' \
			-e 's/fmt.Sprintf("127.0.0.1:%d", 29090+i)/os.Getenv("KAFKA_PROXY")/' \
			-e 's/ReplicationFactor: 3/ReplicationFactor: 1/' functional_test.go
		nice go test -vet=off -tags functional -c -o ../sarama.test .
	)
	mkdir cases
	cp "$conf_dir/sarama_cases.go" cases/main.go
	(
		cd cases
		printf 'module cases\n\ngo 1.26\n' >go.mod
		go get "github.com/IBM/sarama@$release"
		nice go build -o ../sarama-cases .
	)
	rm -rf toxiproxy && mkdir toxiproxy && cd toxiproxy
	printf 'module toxiproxy\n\ngo 1.26\n' >go.mod
	go get "github.com/Shopify/toxiproxy/v2/cmd/server@$toxiproxy"
	nice go build -o ../toxiproxy-server github.com/Shopify/toxiproxy/v2/cmd/server
}
fetch "sarama-$release-$(cksum <"$conf_dir/sarama_cases.go" | cut -d' ' -f1)" build
version "$release $(go version | cut -d' ' -f3)"

# The broker advertises the proxy's address.
export KAFKA_PROXY TOXIPROXY_ADDR KAFKA_VERSION=$kafka_version
KAFKA_PROXY=127.0.0.1:$(free_port)
TOXIPROXY_ADDR=http://127.0.0.1:$(free_port)
broker "advertised.listeners=PLAINTEXT://$KAFKA_PROXY" group.min.session.timeout.ms=1000 auto.create.topics.enable=false
LOG_LEVEL=error "$fetched/toxiproxy-server" -host 127.0.0.1 -port "${TOXIPROXY_ADDR##*:}" </dev/null >"$conf_logs/toxiproxy" 2>&1 &
proxy_pid=$!
disown
trap 'kill -KILL $proxy_pid; _conf_exit' EXIT
eventually tcp_open "${TOXIPROXY_ADDR#http://}"
curl -sSf -o "$conf_logs/proxy" "$TOXIPROXY_ADDR/proxies" \
	-d "{\"name\": \"kafka1\", \"listen\": \"$KAFKA_PROXY\", \"upstream\": \"$broker_tcp\", \"enabled\": true}" ||
	{ echo 'Bail out! toxiproxy makes no proxy' && exit 1; }

check_each "$fetched/sarama-cases"

# The tests that are left out: NAME REASON, one per line.
no=
while IFS=$'\t' read -r which why; do
	no+=${no:+|}$which
	check_skip "$which" "$why"
done <<'END'
TestFuncAdminListConsumerGroupOffsets	stops the coordinator and goes on with another broker
TestFuncTxnProduceWithBrokerFailure	stops the coordinator and goes on with another broker
TestConsumerFetchFollowerFailover	reads from a follower
TestFuncAdminAlterPartitionReassignments	moves partitions to another broker
TestFuncIdempotentBufferedSequence	looks for words in the log of a broker in Docker
END
limit=900
cd "$fetched/source" || exit 1
check_go "$fetched/sarama.test" -test.v -test.timeout 890s -test.parallel 4 \
	-test.run '^Test(Func|Consumer(HighWaterMarkOffset|PartialBatchRecovery|GroupDeadlock|FetchFollower)|VersionMatrix|ReadOnly|Java|Interceptors|AsyncProducerRemote)' \
	-test.skip "^(${no})\$"
done_checking
