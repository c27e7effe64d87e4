#!/usr/bin/env bash
# node-rdkafka 3.6.1 (npm) on Node.js 20.20.2, with Debian's librdkafka 2.0.2.
#
# A message with an empty key and an empty value (Buffer.alloc(0)) is sent with a null
# key and a null value; in a compacted topic null deletes.  The lengths of key and value
# that kcat reads, -1 for null:
#
#	empty buffers  -1 -1
#	one byte each  1 1
#
# Since Node.js 20 node::Buffer::Data() of an empty Buffer is NULL, which librdkafka
# sends as null.  The client's own end-to-end tests of empty keys fail because of this.
# The broker is librdkafka's mock.
#
# Needs node 20 with its headers, npm, g++, make, python3, librdkafka-dev, kcat.
# Exits with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export BUILD_LIBRDKAFKA=0
npm_config_nodedir=$(node -p 'const { dirname } = require("path"); dirname(dirname(require("fs").realpathSync(process.execPath)))')
export npm_config_nodedir
npm install --no-audit --no-fund --foreground-scripts --prefix . node-rdkafka@3.6.1 >npm.log 2>&1 || { cat npm.log && exit 2; }

cat >show.js <<'END'
const { execFileSync } = require('child_process')
const { Producer } = require('node-rdkafka')

const producer = new Producer({ 'test.mock.num.brokers': 1, dr_cb: true, 'queue.buffering.max.ms': 0 })
let delivered = 0
producer.on('delivery-report', () => {
  if (++delivered < 2) return
  producer.getMetadata({}, (error, metadata) => {
    const { host, port } = metadata.brokers[0]
    const read = p => execFileSync('kcat', ['-C', '-b', `${host}:${port}`, '-t', 't', '-p', String(p), '-e', '-q', '-f', '%K %S\n'])
    process.stdout.write(`empty buffers  ${read(0)}one byte each  ${read(1)}`)
    process.exit()
  })
})
producer.connect({}, () => {
  producer.setPollInterval(20)
  producer.produce('t', 0, Buffer.alloc(0), Buffer.alloc(0))
  producer.produce('t', 1, Buffer.from('v'), Buffer.from('k'))
})
END
seen=$(timeout 60 node show.js)
echo "$seen"
[ "$seen" = $'empty buffers  -1 -1\none byte each  1 1' ]
