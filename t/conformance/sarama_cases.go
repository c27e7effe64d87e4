// sarama: producers, groups, transactions, admin, in each version that it can be
// set to.  `sarama-cases list` shows the cases.
package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

var brokers = []string{os.Getenv("KAFKA_PROXY")}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func get[T any](value T, err error) T {
	must(err)
	return value
}

func expect(ok bool, words string, args ...any) {
	if !ok {
		panic(fmt.Sprintf(words, args...))
	}
}

func until(words string, test func() bool) {
	for end := time.Now().Add(40 * time.Second); !test(); time.Sleep(20 * time.Millisecond) {
		expect(time.Now().Before(end), "waited in vain: %s", words)
	}
}

func name(prefix string) string {
	return fmt.Sprintf("%s-%08x", prefix, rand.Uint32())
}

func config(version sarama.KafkaVersion) *sarama.Config {
	c := sarama.NewConfig()
	c.Version = version
	c.ClientID = "tester"
	c.Producer.Return.Successes = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.MaxWaitTime = 50 * time.Millisecond
	c.Consumer.Group.Session.Timeout = 6 * time.Second
	c.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	c.Consumer.Group.Rebalance.Timeout = 6 * time.Second
	return c
}

func newest() *sarama.Config {
	return config(sarama.MaxVersion)
}

func withAdmin(c *sarama.Config, use func(sarama.ClusterAdmin)) {
	admin := get(sarama.NewClusterAdmin(brokers, c))
	defer admin.Close()
	use(admin)
}

func makeTopic(prefix string, partitions int32) string {
	topic := name(prefix)
	withAdmin(newest(), func(a sarama.ClusterAdmin) {
		must(a.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false))
	})
	until("the topic is known", func() bool {
		client := get(sarama.NewClient(brokers, newest()))
		defer client.Close()
		found, err := client.Partitions(topic)
		return err == nil && len(found) == int(partitions)
	})
	return topic
}

func message(topic string, i, partitions int) *sarama.ProducerMessage {
	return &sarama.ProducerMessage{
		Topic: topic, Partition: int32(i % partitions), Value: sarama.StringEncoder(strconv.Itoa(i)),
	}
}

// feed sends the numbers from first to end to the partitions in turn.
func feed(c *sarama.Config, topic string, first, end, partitions int) {
	p := get(sarama.NewSyncProducer(brokers, c))
	defer p.Close()
	var all []*sarama.ProducerMessage
	for i := first; i < end; i++ {
		all = append(all, message(topic, i, partitions))
	}
	must(p.SendMessages(all))
}

// read returns the first n messages of a partition.
func read(c *sarama.Config, topic string, partition int32, n int) []*sarama.ConsumerMessage {
	consumer := get(sarama.NewConsumer(brokers, c))
	defer consumer.Close()
	p := get(consumer.ConsumePartition(topic, partition, sarama.OffsetOldest))
	defer p.Close()
	var got []*sarama.ConsumerMessage
	for end := time.After(30 * time.Second); len(got) < n; {
		select {
		case m := <-p.Messages():
			got = append(got, m)
		case <-end:
			panic(fmt.Sprintf("%d of %d messages of %s/%d", len(got), n, topic, partition))
		}
	}
	return got
}

// more reports whether a partition has a message beyond the first n.
func more(c *sarama.Config, topic string, partition int32, n int) bool {
	consumer := get(sarama.NewConsumer(brokers, c))
	defer consumer.Close()
	p := get(consumer.ConsumePartition(topic, partition, sarama.OffsetOldest))
	defer p.Close()
	for end := time.After(500 * time.Millisecond); n >= 0; n-- {
		select {
		case <-p.Messages():
		case <-end:
			return false
		}
	}
	return true
}

func values(list []*sarama.ConsumerMessage) []string {
	var out []string
	for _, m := range list {
		out = append(out, string(m.Value))
	}
	return out
}

func numbers(first, end int) []string {
	var out []string
	for i := first; i < end; i++ {
		out = append(out, strconv.Itoa(i))
	}
	return out
}

func same(got, want []string) {
	expect(slices.Equal(got, want), "got %v, want %v", got, want)
}

// member is a consumer of a group that records what it read and owns.
type member struct {
	group  sarama.ConsumerGroup
	cancel context.CancelFunc
	ended  chan struct{}
	mutex  sync.Mutex
	got    []string
	owned  int
}

func (m *member) Setup(s sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.owned = 0
	for _, partitions := range s.Claims() {
		m.owned += len(partitions)
	}
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	return nil
}

func (m *member) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			m.mutex.Lock()
			m.got = append(m.got, string(message.Value))
			m.mutex.Unlock()
			s.MarkMessage(message, "")
		case <-s.Context().Done():
			return nil
		}
	}
}

func join(c *sarama.Config, topic, group string) *member {
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{group: get(sarama.NewConsumerGroup(brokers, group, c)), cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(m.ended)
		for ctx.Err() == nil {
			if err := m.group.Consume(ctx, []string{topic}, m); err != nil && ctx.Err() == nil {
				fmt.Println("consume:", err)
				time.Sleep(100 * time.Millisecond)
			}
		}
	}()
	return m
}

func (m *member) leave() {
	m.cancel()
	<-m.ended
	must(m.group.Close())
}

func (m *member) partitions() int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.owned
}

// readAll reports whether the members together have read each of n numbers.
func readAll(n int, members ...*member) bool {
	seen := map[string]bool{}
	for _, m := range members {
		m.mutex.Lock()
		for _, v := range m.got {
			seen[v] = true
		}
		m.mutex.Unlock()
	}
	return len(seen) == n
}

func syncProducer() {
	topic := makeTopic("sync", 1)
	p := get(sarama.NewSyncProducer(brokers, newest()))
	defer p.Close()
	for i := range 10 {
		partition, offset, err := p.SendMessage(message(topic, i, 1))
		must(err)
		expect(partition == 0 && offset == int64(i), "message %d has the place %d/%d", i, partition, offset)
	}
	same(values(read(newest(), topic, 0, 10)), numbers(0, 10))
}

func asyncProducer() {
	const n = 20000
	topic := makeTopic("async", 1)
	p := get(sarama.NewAsyncProducer(brokers, newest()))
	go func() {
		for i := range n {
			p.Input() <- message(topic, i, 1)
		}
	}()
	for acked := 0; acked < n; {
		select {
		case <-p.Successes():
			acked++
		case err := <-p.Errors():
			panic(err)
		}
	}
	must(p.Close())
	same(values(read(newest(), topic, 0, n)), numbers(0, n))
}

func codecs() {
	topic := makeTopic("codecs", 1)
	all := []sarama.CompressionCodec{
		sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy, sarama.CompressionLZ4, sarama.CompressionZSTD,
	}
	for i, codec := range all {
		c := newest()
		c.Producer.Compression = codec
		feed(c, topic, i*1000, (i+1)*1000, 1)
	}
	same(values(read(newest(), topic, 0, 5000)), numbers(0, 5000))
}

func wholeMessage() {
	topic := makeTopic("whole", 1)
	at := time.UnixMilli(1700000000123)
	p := get(sarama.NewSyncProducer(brokers, newest()))
	defer p.Close()
	_, _, err := p.SendMessage(&sarama.ProducerMessage{
		Topic: topic, Key: sarama.StringEncoder("k"), Value: sarama.StringEncoder("v"), Timestamp: at,
		Headers: []sarama.RecordHeader{{Key: []byte("h"), Value: []byte{0, 255}}, {Key: []byte("h"), Value: nil}},
	})
	must(err)
	_, _, err = p.SendMessage(&sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder("gone")})
	must(err)
	got := read(newest(), topic, 0, 2)
	expect(string(got[0].Key) == "k" && string(got[0].Value) == "v" && got[0].Timestamp.Equal(at), "got %v", got[0])
	expect(len(got[0].Headers) == 2 && string(got[0].Headers[0].Value) == "\x00\xff", "got headers %v", got[0].Headers)
	expect(string(got[1].Key) == "gone" && got[1].Value == nil, "got %v", got[1])
}

func idempotent() {
	topic := makeTopic("idempotent", 1)
	c := newest()
	c.Producer.Idempotent = true
	c.Net.MaxOpenRequests = 1
	for i := range 5 {
		feed(c, topic, i*200, (i+1)*200, 1)
	}
	same(values(read(newest(), topic, 0, 1000)), numbers(0, 1000))
	expect(!more(newest(), topic, 0, 1000), "there is more than was sent")
}

func transactional(id string) *sarama.Config {
	c := newest()
	c.Producer.Idempotent = true
	c.Net.MaxOpenRequests = 1
	c.Producer.Transaction.ID = id
	return c
}

func committedOnly() *sarama.Config {
	c := newest()
	c.Consumer.IsolationLevel = sarama.ReadCommitted
	return c
}

func transactions() {
	topic := makeTopic("txn", 1)
	p := get(sarama.NewSyncProducer(brokers, transactional(name("txn"))))
	defer p.Close()
	for i := range 6 {
		must(p.BeginTxn())
		_, _, err := p.SendMessage(message(topic, i, 1))
		must(err)
		if i%2 == 0 {
			must(p.CommitTxn())
		} else {
			must(p.AbortTxn())
		}
	}
	same(values(read(committedOnly(), topic, 0, 3)), []string{"0", "2", "4"})
	expect(!more(committedOnly(), topic, 0, 3), "an aborted message is read")
	same(values(read(newest(), topic, 0, 6)), numbers(0, 6))
}

func fenced() {
	topic, id := makeTopic("fenced", 1), name("fenced")
	first := get(sarama.NewSyncProducer(brokers, transactional(id)))
	defer first.Close()
	must(first.BeginTxn())
	_, _, err := first.SendMessage(message(topic, 0, 1))
	must(err)
	second := get(sarama.NewSyncProducer(brokers, transactional(id)))
	defer second.Close()
	must(second.BeginTxn())
	_, _, err = second.SendMessage(message(topic, 1, 1))
	must(err)
	must(second.CommitTxn())
	_, _, err = first.SendMessage(message(topic, 2, 1))
	if err == nil {
		err = first.CommitTxn()
	}
	expect(err != nil, "the first producer is not fenced")
	same(values(read(committedOnly(), topic, 0, 1)), []string{"1"})
	expect(!more(committedOnly(), topic, 0, 1), "there is more than what the second committed")
}

// The offsets are committed in the same transaction as the records written.
func offsetsInTransactions() {
	from, to, group := makeTopic("from", 1), makeTopic("to", 1), name("g")
	feed(newest(), from, 0, 100, 1)
	p := get(sarama.NewSyncProducer(brokers, transactional(name("copy"))))
	defer p.Close()
	for _, m := range read(newest(), from, 0, 100) {
		must(p.BeginTxn())
		_, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: to, Value: sarama.ByteEncoder(m.Value)})
		must(err)
		must(p.AddMessageToTxn(m, group, nil))
		if m.Offset%10 == 9 {
			must(p.AbortTxn())
			continue
		}
		must(p.CommitTxn())
		if m.Offset%30 == 0 {
			withAdmin(newest(), func(a sarama.ClusterAdmin) {
				offsets := get(a.ListConsumerGroupOffsets(group, map[string][]int32{from: {0}}))
				at := offsets.GetBlock(from, 0).Offset
				expect(at == m.Offset+1, "%d is committed, not %d", at, m.Offset+1)
			})
		}
	}
	expect(len(read(committedOnly(), to, 0, 90)) == 90 && !more(committedOnly(), to, 0, 90), "not 90 copies")
}

// Two members share, and when one leaves the other gets all partitions.
func shares(strategy sarama.BalanceStrategy) {
	topic, group, n := makeTopic("share", 6), name("g"), 300
	feed(newest(), topic, 0, n, 6)
	with := func() *sarama.Config {
		c := newest()
		c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy}
		c.Consumer.Offsets.AutoCommit.Interval = 50 * time.Millisecond
		return c
	}
	one, two := join(with(), topic, group), join(with(), topic, group)
	until("both own half", func() bool { return one.partitions() == 3 && two.partitions() == 3 })
	until("all is read", func() bool { return readAll(n, one, two) })
	feed(newest(), topic, n, 2*n, 6)
	until("more is read", func() bool { return readAll(2*n, one, two) })
	one.leave()
	until("the other owns all", func() bool { return two.partitions() == 6 })
	feed(newest(), topic, 2*n, 3*n, 6)
	until("the rest is read", func() bool { return readAll(3*n, one, two) })
	two.leave()
	// The next member continues at their offsets.
	feed(newest(), topic, 3*n, 3*n+60, 6)
	three := join(with(), topic, group)
	until("the new is read", func() bool { return readAll(60, three) })
	three.leave()
}

func admin() {
	topic := name("admin")
	withAdmin(newest(), func(a sarama.ClusterAdmin) {
		retention := "77777"
		detail := &sarama.TopicDetail{
			NumPartitions: 2, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &retention},
		}
		must(a.CreateTopic(topic, detail, true))
		must(a.CreateTopic(topic, detail, false))
		err := a.CreateTopic(topic, detail, false)
		expect(errors.Is(err, sarama.ErrTopicAlreadyExists), "made twice: %v", err)
		must(a.CreatePartitions(topic, 5, nil, false))
		described := get(a.DescribeTopics([]string{topic}))
		expect(len(described) == 1 && len(described[0].Partitions) == 5, "described as %v", described[0])
		listed := get(a.ListTopics())
		expect(listed[topic].NumPartitions == 5, "listed as %v", listed[topic])
		setting := func(want string) {
			resource := sarama.ConfigResource{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{"retention.ms"}}
			entries := get(a.DescribeConfig(resource))
			expect(len(entries) == 1 && entries[0].Value == want, "retention.ms is %v, not %s", entries, want)
		}
		setting("77777")
		hour := "3600000"
		must(a.IncrementalAlterConfig(sarama.TopicResource, topic, map[string]sarama.IncrementalAlterConfigsEntry{
			"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &hour},
		}, false))
		setting("3600000")
		must(a.IncrementalAlterConfig(sarama.TopicResource, topic, map[string]sarama.IncrementalAlterConfigsEntry{
			"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationDelete},
		}, false))
		setting("604800000")
		feed(newest(), topic, 0, 10, 1)
		must(a.DeleteRecords(topic, map[int32]int64{0: 4}))
		client := get(sarama.NewClient(brokers, newest()))
		defer client.Close()
		expect(get(client.GetOffset(topic, 0, sarama.OffsetOldest)) == 4, "not trimmed")
		expect(get(client.GetOffset(topic, 0, sarama.OffsetNewest)) == 10, "not ten")
		must(a.DeleteTopic(topic))
		until("the topic is gone", func() bool {
			_, there := get(a.ListTopics())[topic]
			return !there
		})
		err = a.DeleteTopic(topic)
		expect(errors.Is(err, sarama.ErrUnknownTopicOrPartition), "deleted twice: %v", err)
		brokers, _, err := a.DescribeCluster()
		must(err)
		expect(len(brokers) == 1, "%d brokers", len(brokers))
	})
}

func adminOfGroups() {
	topic, group := makeTopic("groups", 2), name("g")
	feed(newest(), topic, 0, 20, 2)
	withAdmin(newest(), func(a sarama.ClusterAdmin) {
		m := join(newest(), topic, group)
		until("all is read", func() bool { return readAll(20, m) })
		described := get(a.DescribeConsumerGroups([]string{group}))[0]
		expect(described.State == "Stable" && len(described.Members) == 1, "described as %v", described)
		for _, one := range described.Members {
			assigned := get(one.GetMemberAssignment())
			expect(len(assigned.Topics[topic]) == 2, "assigned %v", assigned.Topics)
		}
		err := a.DeleteConsumerGroup(group)
		expect(errors.Is(err, sarama.ErrNonEmptyGroup), "deleted with a member: %v", err)
		m.leave()
		expect(get(a.ListConsumerGroups())[group] == "consumer", "not listed")
		offsets := get(a.ListConsumerGroupOffsets(group, map[string][]int32{topic: {0, 1}}))
		for p := range int32(2) {
			expect(offsets.GetBlock(topic, p).Offset == 10, "committed %v", offsets.GetBlock(topic, p))
		}
		must(a.DeleteConsumerGroupOffset(group, topic, 1))
		offsets = get(a.ListConsumerGroupOffsets(group, map[string][]int32{topic: {1}}))
		expect(offsets.GetBlock(topic, 1).Offset == -1, "the offset is still there")
		must(a.DeleteConsumerGroup(group))
		_, there := get(a.ListConsumerGroups())[group]
		expect(!there, "the group is still there")
	})
}

func offsetsByTime() {
	topic := makeTopic("times", 1)
	p := get(sarama.NewSyncProducer(brokers, newest()))
	defer p.Close()
	for i := range 10 {
		m := message(topic, i, 1)
		m.Timestamp = time.UnixMilli(1700000000000 + int64(i)*1000)
		_, _, err := p.SendMessage(m)
		must(err)
	}
	client := get(sarama.NewClient(brokers, newest()))
	defer client.Close()
	at := get(client.GetOffset(topic, 0, 1700000004500))
	expect(at == 5, "found %d, not 5", at)
	at = get(client.GetOffset(topic, 0, 1700000099000))
	expect(at == -1, "found %d behind the last", at)
}

// All cases with the request versions that belong to one version of Kafka.
func inVersion(version sarama.KafkaVersion) {
	c := config(version)
	topic, group := name("v"+version.String()), name("g")
	withAdmin(c, func(a sarama.ClusterAdmin) {
		must(a.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1}, false))
		feed(c, topic, 0, 100, 2)
		same(values(read(c, topic, 1, 50))[:3], []string{"1", "3", "5"})
		m := join(c, topic, group)
		until("the group reads all", func() bool { return readAll(100, m) })
		expect(len(get(a.DescribeConsumerGroups([]string{group}))[0].Members) == 1, "no member")
		m.leave()
		offsets := get(a.ListConsumerGroupOffsets(group, map[string][]int32{topic: {0, 1}}))
		expect(offsets.GetBlock(topic, 0).Offset == 50, "committed %v", offsets.GetBlock(topic, 0))
		must(a.DeleteConsumerGroup(group))
		t := config(version)
		t.Producer.Idempotent = true
		t.Net.MaxOpenRequests = 1
		t.Producer.Transaction.ID = name("id")
		p := get(sarama.NewSyncProducer(brokers, t))
		must(p.BeginTxn())
		_, _, err := p.SendMessage(message(topic, 100, 2))
		must(err)
		must(p.CommitTxn())
		must(p.Close())
		t.Consumer.IsolationLevel = sarama.ReadCommitted
		got := values(read(t, topic, 0, 51))
		expect(got[50] == "100", "got %v", got)
		must(a.DeleteTopic(topic))
	})
}

type testCase struct {
	words string
	run   func()
}

func cases() []testCase {
	all := []testCase{
		{"a sync producer is told where its messages are", syncProducer},
		{"an async producer has all acknowledged, in order", asyncProducer},
		{"messages in each codec", codecs},
		{"keys, headers, times and nulls stay", wholeMessage},
		{"an idempotent producer writes each message once", idempotent},
		{"what is committed is read, what is aborted is not", transactions},
		{"a producer is fenced by the next of its id", fenced},
		{"offsets are committed in transactions", offsetsInTransactions},
		{"range: two share, and one that leaves is replaced", func() { shares(sarama.NewBalanceStrategyRange()) }},
		{"roundrobin: two share, and one that leaves is replaced", func() { shares(sarama.NewBalanceStrategyRoundRobin()) }},
		{"sticky: two share, and one that leaves is replaced", func() { shares(sarama.NewBalanceStrategySticky()) }},
		{"topics, settings and records are administered", admin},
		{"groups and their offsets are administered", adminOfGroups},
		{"offsets are found by time", offsetsByTime},
	}
	// The first version of each release, from the oldest that Kafka 4 serves.
	for _, version := range sarama.SupportedVersions {
		if version.IsAtLeast(sarama.V2_1_0_0) && strings.HasSuffix(version.String(), ".0") {
			all = append(all, testCase{"everything in version " + version.String(), func() { inVersion(version) }})
		}
	}
	return all
}

func main() {
	all := cases()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: sarama-cases list | NUMBER")
		os.Exit(2)
	}
	if os.Args[1] == "list" {
		for i, one := range all {
			fmt.Println(i+1, one.words)
		}
		return
	}
	all[get(strconv.Atoi(os.Args[1]))-1].run()
}
