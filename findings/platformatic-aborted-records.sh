#!/usr/bin/env bash
# @platformatic/kafka 2.12.1 (npm, Node.js 24.21.0) against Apache Kafka 4.4.0.
#
# A consumer that reads only committed records, which is the default, receives an
# aborted record if the same producer aborted another transaction later in the same
# fetch.  With four transactions of one record each, of which the second and the fourth
# are aborted, it prints
#
#	read 0 1 2
#
# although 1 was aborted.  The client keeps only one range of aborted offsets for each
# producer, the last one.  Kafka's own console consumer reads 0 and 2.
#
# Needs java, mvn, npm.  Exits with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

dir=$(mktemp -d)
broker=
trap '[ -z "$broker" ] || kill "$broker"; wait; rm -rf "$dir"' EXIT
cd "$dir"

cat >pom.xml <<-'END'
	<project xmlns="http://maven.apache.org/POM/4.0.0">
	  <modelVersion>4.0.0</modelVersion>
	  <groupId>x</groupId> <artifactId>x</artifactId> <version>1</version>
	  <dependencies>
	    <dependency>
	      <groupId>org.apache.kafka</groupId> <artifactId>kafka_2.13</artifactId> <version>4.4.0</version>
	    </dependency>
	    <dependency>
	      <groupId>org.apache.kafka</groupId> <artifactId>kafka-tools</artifactId> <version>4.4.0</version>
	    </dependency>
	  </dependencies>
	</project>
END
mvn -q -B dependency:build-classpath -Dmdep.outputFile=cp >mvn.log 2>&1 || { cat mvn.log && exit 2; }
npm install --silent --no-audit --no-fund --prefix . @platformatic/kafka@2.12.1 node@24.21.0

kafka() {
	java -Xmx512m -cp "$(<cp)" "$@" 2> >(grep -v '^SLF4J' >&2)
}

# Two ports that are free at the moment.
port=$((RANDOM % 10000 + 20000))
while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || (: <"/dev/tcp/127.0.0.1/$((port + 1))") 2>/dev/null; do
	port=$((port + 2))
done
cat >server.properties <<-END
	process.roles=broker,controller
	node.id=1
	controller.quorum.voters=1@127.0.0.1:$((port + 1))
	listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
	controller.listener.names=CONTROLLER
	listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
	log.dirs=$dir/data
	offsets.topic.replication.factor=1
	transaction.state.log.replication.factor=1
	transaction.state.log.min.isr=1
	group.initial.rebalance.delay.ms=0
END
kafka kafka.tools.StorageTool format -t 4L6g3nShT-eMCtK--X86sw -c server.properties >format.log
java -Xmx512m -cp "$(<cp)" kafka.Kafka server.properties >kafka.log 2>&1 &
broker=$!
for ((i = 0; i < 600; i++)); do
	(: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
	sleep 0.1
done

cat >show.mjs <<'END'
import { Admin, Consumer, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka'

const base = { clientId: 'x', bootstrapBrokers: [process.argv[2]] }
const admin = new Admin(base)
await admin.createTopics({ topics: ['t'], partitions: 1, replicas: 1 })
await admin.close()
const producer = new Producer({ ...base, serializers: stringSerializers, idempotent: true, transactionalId: 'x' })
for (let n = 0; n < 4; n++) {
  const transaction = await producer.beginTransaction()
  await transaction.send({ messages: [{ topic: 't', value: String(n), partition: 0 }] })
  await (n % 2 ? transaction.abort() : transaction.commit())
}
await producer.close()
const consumer = new Consumer({ ...base, groupId: 'g', deserializers: stringDeserializers })
const stream = await consumer.consume({ topics: ['t'], mode: 'earliest' })
const read = []
stream.on('data', message => read.push(message.value))
for (let i = 0; i < 300 && !read.includes('2'); i++) await new Promise(resolve => setTimeout(resolve, 100))
await new Promise(resolve => setTimeout(resolve, 500))
console.log('read', ...read)
process.exit()
END
seen=$(timeout 120 node_modules/.bin/node show.mjs "127.0.0.1:$port")
console=$(kafka org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "127.0.0.1:$port" --topic t \
	--from-beginning --isolation-level read_committed --timeout-ms 5000 2>/dev/null | paste -sd' ')
echo "$seen"
echo "Kafka's console consumer: $console"
[ "$seen" = 'read 0 1 2' ] && [ "$console" = '0 2' ]
