// kafkajs: groups, offsets, transactions, admin.  `node kafkajs_cases.js list`
// shows the cases: the name of each function and its description.
'use strict'
const assert = require('node:assert')
const { randomBytes } = require('node:crypto')
const { Kafka, logLevel, PartitionAssigners } = require('kafkajs')

const kafka = new Kafka({ clientId: 'tester', brokers: [process.env.broker_tcp], logLevel: logLevel.NOTHING, retry: { retries: 8 } })
const name = prefix => `${prefix}-${randomBytes(4).toString('hex')}`
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

async function until (test, seconds = 30) {
  for (const end = Date.now() + seconds * 1000; !(await test()); await sleep(20)) {
    assert(Date.now() < end, 'waited in vain: ' + test)
  }
}

async function withAdmin (use) {
  const admin = kafka.admin()
  await admin.connect()
  try {
    return await use(admin)
  } finally {
    await admin.disconnect()
  }
}

async function topic (prefix, partitions = 4) {
  const t = name(prefix)
  await withAdmin(a => a.createTopics({ topics: [{ topic: t, numPartitions: partitions }], waitForLeaders: true }))
  return t
}

async function feed (t, n, first = 0, partitions = 4) {
  const p = kafka.producer()
  await p.connect()
  const messages = []
  for (let i = first; i < first + n; i++) messages.push({ value: String(i), partition: i % partitions })
  await p.send({ topic: t, messages })
  await p.disconnect()
}

// A consumer that records what it owned and read.
async function member (t, group, more = {}, run = {}) {
  const c = kafka.consumer({ groupId: group, sessionTimeout: 6000, heartbeatInterval: 200, rebalanceTimeout: 6000, maxWaitTimeInMs: 50, ...more })
  const m = { c, read: [], owned: [], joins: 0 }
  c.on(c.events.GROUP_JOIN, e => {
    m.owned = e.payload.memberAssignment[t] ?? []
    m.joins++
  })
  await c.connect()
  await c.subscribe({ topics: [t], fromBeginning: true })
  await c.run({ eachMessage: async ({ message }) => { m.read.push(message.value.toString()) }, ...run })
  return m
}

const numbers = list => list.map(Number).sort((a, b) => a - b)
const range = (a, b) => Array.from({ length: b - a }, (_, i) => a + i)

// What a reader with this isolation finds in partition 0: `n` records and no more.
async function readAll (t, n, readUncommitted) {
  const m = await member(t, name('reader'), { readUncommitted })
  await until(() => m.read.length >= n)
  await sleep(300)
  await m.c.disconnect()
  return m.read
}

const cases = {
  async share () {
    'two share the partitions, and one takes over when the other leaves'
    const t = await topic('share')
    const g = name('g')
    const a = await member(t, g)
    await until(() => a.owned.length === 4)
    const b = await member(t, g)
    await until(() => a.owned.length === 2 && b.owned.length === 2)
    await feed(t, 400)
    await until(() => a.read.length + b.read.length >= 400)
    assert.deepStrictEqual(numbers([...a.read, ...b.read]), range(0, 400))
    await a.c.disconnect()
    await until(() => b.owned.length === 4)
    b.read = []
    await feed(t, 100, 400)
    await until(() => b.read.length >= 100)
    assert.deepStrictEqual(numbers(b.read), range(400, 500))
    await b.c.disconnect()
  },

  async resume () {
    'committed offsets are where the next member begins'
    const t = await topic('resume', 1)
    const g = name('g')
    await feed(t, 100, 0, 1)
    const a = await member(t, g, {}, { autoCommitThreshold: 1 })
    await until(() => a.read.length === 100)
    await a.c.disconnect()
    await feed(t, 10, 100, 1)
    const b = await member(t, g)
    await until(() => b.read.length === 10)
    assert.deepStrictEqual(numbers(b.read), range(100, 110))
    await b.c.disconnect()
  },

  async commit () {
    'offsets are committed by hand, with metadata'
    const t = await topic('commit', 1)
    const g = name('g')
    await feed(t, 10, 0, 1)
    const a = await member(t, g, {}, { autoCommit: false })
    await until(() => a.read.length === 10)
    await a.c.commitOffsets([{ topic: t, partition: 0, offset: '7', metadata: 'words' }])
    const [got] = await withAdmin(x => x.fetchOffsets({ groupId: g, topics: [t] }))
    assert.deepStrictEqual(got.partitions, [{ partition: 0, offset: '7', metadata: 'words' }])
    await a.c.disconnect()
  },

  async groups () {
    'groups are listed, described, and deleted when they are empty'
    const t = await topic('groups', 2)
    const g = name('g')
    const m = await member(t, g, { partitionAssigners: [PartitionAssigners.roundRobin] })
    await until(() => m.owned.length === 2)
    await withAdmin(async a => {
      assert((await a.listGroups()).groups.some(x => x.groupId === g && x.protocolType === 'consumer'))
      const { groups: [d] } = await a.describeGroups([g])
      assert.strictEqual(d.state, 'Stable')
      assert.strictEqual(d.protocol, 'RoundRobinAssigner')
      assert.strictEqual(d.members[0].clientId, 'tester')
      await assert.rejects(a.deleteGroups([g]), e => e.groups[0].error.type === 'NON_EMPTY_GROUP')
      await m.c.disconnect()
      await a.deleteGroups([g])
      assert(!(await a.listGroups()).groups.some(x => x.groupId === g))
    })
  },

  async offsets () {
    'a group of no members has its offsets set and reset'
    const t = await topic('offsets', 2)
    const g = name('g')
    await feed(t, 20, 0, 2)
    await withAdmin(async a => {
      await a.setOffsets({ groupId: g, topic: t, partitions: [{ partition: 0, offset: '4' }, { partition: 1, offset: '5' }] })
      let [got] = await a.fetchOffsets({ groupId: g, topics: [t] })
      assert.deepStrictEqual(got.partitions.map(p => p.offset).sort(), ['4', '5'])
      await a.resetOffsets({ groupId: g, topic: t, earliest: true })
      ;[got] = await a.fetchOffsets({ groupId: g, topics: [t], resolveOffsets: true })
      assert.deepStrictEqual(got.partitions.map(p => p.offset), ['0', '0'])
    })
  },

  async idempotent () {
    'an idempotent producer writes each record once, in order'
    const t = await topic('idem', 1)
    const p = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
    await p.connect()
    for (let i = 0; i < 100; i++) await p.send({ topic: t, acks: -1, messages: [{ value: String(i), partition: 0 }] })
    await p.disconnect()
    assert.deepStrictEqual(await readAll(t, 100, false), range(0, 100).map(String))
  },

  async transactions () {
    'what is committed is read, what is aborted only by who wants it'
    const t = await topic('txn', 1)
    const p = kafka.producer({ idempotent: true, maxInFlightRequests: 1, transactionalId: name('id') })
    await p.connect()
    for (const [i, end] of ['commit', 'abort', 'commit'].entries()) {
      const x = await p.transaction()
      for (let j = 0; j < 5; j++) await x.send({ topic: t, messages: [{ value: `${i}-${j}`, partition: 0 }] })
      await x[end]()
    }
    await p.disconnect()
    const all = [0, 1, 2].flatMap(i => range(0, 5).map(j => `${i}-${j}`))
    assert.deepStrictEqual(await readAll(t, 10, false), [...all.slice(0, 5), ...all.slice(10)])
    assert.deepStrictEqual(await readAll(t, 15, true), all)
  },

  async sendOffsets () {
    'offsets are committed with a transaction, and not with an aborted one'
    const t = await topic('sendoffsets', 1)
    const g = name('g')
    const p = kafka.producer({ idempotent: true, maxInFlightRequests: 1, transactionalId: name('id') })
    await p.connect()
    const at = async () => (await withAdmin(a => a.fetchOffsets({ groupId: g, topics: [t] })))[0].partitions[0].offset
    for (const [offset, end, want] of [['4', 'abort', '-1'], ['8', 'commit', '8']]) {
      const x = await p.transaction()
      await x.send({ topic: t, messages: [{ value: offset }] })
      await x.sendOffsets({ consumerGroupId: g, topics: [{ topic: t, partitions: [{ partition: 0, offset }] }] })
      await x[end]()
      assert.strictEqual(await at(), want)
    }
    await p.disconnect()
  },

  async fenced () {
    'a second producer of the same id fences the first'
    const t = await topic('fence', 1)
    const conf = { idempotent: true, maxInFlightRequests: 1, transactionalId: name('id') }
    const one = kafka.producer(conf)
    await one.connect()
    const x = await one.transaction()
    await x.send({ topic: t, messages: [{ value: 'one' }] })
    const two = kafka.producer(conf)
    await two.connect()
    const y = await two.transaction()
    await y.send({ topic: t, messages: [{ value: 'two' }] })
    await y.commit()
    await assert.rejects(x.commit(), e => /INVALID_PRODUCER_EPOCH|PRODUCER_FENCED/.test(e.type))
    assert.deepStrictEqual(await readAll(t, 1, false), ['two'])
    await one.disconnect()
    await two.disconnect()
  },

  async admin () {
    'topics are made, grown, described, configured and deleted'
    const t = await topic('admin', 1)
    await withAdmin(async a => {
      assert.strictEqual(await a.createTopics({ topics: [{ topic: t }] }), false)
      await a.createPartitions({ topicPartitions: [{ topic: t, count: 3 }] })
      const { topics: [d] } = await a.fetchTopicMetadata({ topics: [t] })
      assert.strictEqual(d.partitions.length, 3)
      await a.alterConfigs({ resources: [{ type: 2, name: t, configEntries: [{ name: 'retention.ms', value: '777' }] }] })
      const got = await a.describeConfigs({ resources: [{ type: 2, name: t, configNames: ['retention.ms'] }] })
      assert.strictEqual(got.resources[0].configEntries[0].configValue, '777')
      await feed(t, 30, 0, 3)
      assert.deepStrictEqual((await a.fetchTopicOffsets(t)).map(p => [p.low, p.high]), range(0, 3).map(() => ['0', '10']))
      await a.deleteTopicRecords({ topic: t, partitions: [{ partition: 0, offset: '5' }] })
      assert.strictEqual((await a.fetchTopicOffsets(t)).find(p => p.partition === 0).low, '5')
      const cluster = await a.describeCluster()
      assert.strictEqual(cluster.brokers.length, 1)
      await a.deleteTopics({ topics: [t] })
      assert(!(await a.listTopics()).includes(t))
    })
  },

  async gzip () {
    'compressed batches, headers, keys and null values'
    const { CompressionTypes } = require('kafkajs')
    const t = await topic('gzip', 1)
    const p = kafka.producer()
    await p.connect()
    await p.send({ topic: t, compression: CompressionTypes.GZIP, messages: [{ key: 'k', value: 'v', headers: { a: 'b' } }, { key: 'k', value: null }] })
    await p.disconnect()
    const got = []
    const m = await member(t, name('g'), {}, { eachMessage: async ({ message }) => { got.push(message) } })
    await until(() => got.length === 2)
    assert.strictEqual(got[0].headers.a.toString(), 'b')
    assert.strictEqual(got[1].value, null)
    await m.c.disconnect()
  }
}

const word = process.argv[2]
if (word === 'list') {
  for (const [k, f] of Object.entries(cases)) console.log(k, /'([^']*)'/.exec(f.toString())[1])
} else {
  cases[word]().then(() => process.exit(0), e => {
    console.error(e)
    process.exit(1)
  })
}
