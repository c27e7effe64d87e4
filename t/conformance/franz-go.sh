# franz-go's kgo: its own tests that need a broker.
. "$(dirname "$0")/lib.bash"
need go
release=v1.22.3

build() {
	local dir
	cat >go.mod <<-END
		module conformance
		go 1.24
	END
	dir=$(go mod download -json "github.com/twmb/franz-go@$release" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
	cp -r "$dir" source
	chmod -R u+w source
	cd source
	nice go test -c -o ../kgo.test ./pkg/kgo
}
fetch "franz-go-$release" build
version "$release $(go version | cut -d' ' -f3)"
limit=400
broker group.min.session.timeout.ms=1000

# All tests that need a broker, except those of SCRAM; those of share groups are skipped
# if the broker has none.
export KGO_SEEDS=$broker_tcp KGO_TEST_RF=1 KGO_TEST_RECORDS=${KGO_TEST_RECORDS:-20000} KGO_TEST_MAX_TOPIC_PARTS=7 KGO_LOG_LEVEL=none
tests='GroupETL|TxnEtl|GroupSimple|Issue.*|Consume.*|DirectPartitionPurge|AddRemovePartitions|Pause.*|Pooling
|848.*|HookPollStart|Client_Produce.*|Ping|UnknownGroupOffsetFetchPinned|ProcessHooks.*|LookbackMilli|MaxVersions|ShareGroup.*'
cd "$fetched/source/pkg/kgo" || exit 1
check_go "$fetched/kgo.test" -test.v -test.run "^Test($(tr -d '\n' <<<"$tests"))\$"
done_checking
