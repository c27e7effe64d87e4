// @platformatic/kafka: only the newest, flexible versions of requests.
// `node platformatic_cases.mjs list` shows the cases.
import assert from 'node:assert'
import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const require = createRequire(process.env.NODE_PATH + '/')
const { Admin, Consumer, Producer, stringSerializers, stringDeserializers } =
  await import(pathToFileURL(require.resolve('@platformatic/kafka')))

const base = { clientId: 'tester', bootstrapBrokers: [process.env.broker_tcp] }
const name = prefix => `${prefix}-${randomBytes(4).toString('hex')}`
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
const admin = new Admin(base)

async function until (test, seconds = 30) {
  for (const end = Date.now() + seconds * 1000; !(await test()); await sleep(20)) {
    assert(Date.now() < end, 'waited in vain: ' + test)
  }
}

async function topic (prefix, partitions = 4) {
  const t = name(prefix)
  await admin.createTopics({ topics: [t], partitions, replicas: 1 })
  return t
}

const producer = more => new Producer({ ...base, serializers: stringSerializers, ...more })

async function feed (t, n, first = 0, partitions = 4) {
  const p = producer()
  const messages = []
  for (let i = first; i < first + n; i++) messages.push({ topic: t, value: String(i), partition: i % partitions })
  await p.send({ messages })
  await p.close()
}

// A consumer that records what it read.
async function member (t, group, more = {}) {
  const c = new Consumer({ ...base, groupId: group, deserializers: stringDeserializers, sessionTimeout: 6000, heartbeatInterval: 200, rebalanceTimeout: 6000, maxWaitTime: 50, ...more })
  const stream = await c.consume({ topics: [t], mode: 'committed', fallbackMode: 'earliest', autocommit: 50 })
  const m = { c, stream, read: [] }
  stream.on('data', message => m.read.push(Number(message.value)))
  return m
}

// Close the stream before its consumer: with the new protocol close(true) leaves the
// stream open, which then fetches once more and throws because its client is closed.
async function leave (m) {
  await m.stream.close()
  await m.c.close()
}

const sorted = list => list.toSorted((a, b) => a - b)
const range = (a, b) => Array.from({ length: b - a }, (_, i) => a + i)

async function takesOver (more) {
  const t = await topic('share')
  const g = name('g')
  const a = await member(t, g, more)
  const b = await member(t, g, more)
  const owned = m => m.c.assignments?.find(x => x.topic === t)?.partitions.length
  await until(() => owned(a) === 2 && owned(b) === 2)
  await sleep(300)
  await feed(t, 400)
  await until(() => a.read.length + b.read.length >= 400)
  assert.deepStrictEqual(sorted([...a.read, ...b.read]), range(0, 400))
  await sleep(200)
  await leave(a)
  await until(() => owned(b) === 4)
  b.read = []
  await feed(t, 100, 400)
  await until(() => b.read.length >= 100)
  assert.deepStrictEqual(sorted(b.read), range(400, 500))
  await leave(b)
}

const cases = {
  async share () {
    'two share the partitions, and one takes over when the other closes'
    await takesOver({})
  },

  async consumer () {
    'the new protocol: two share the partitions, and one takes over when the other closes'
    await takesOver({ groupProtocol: 'consumer' })
  },

  async resume () {
    'committed offsets are where the next member begins'
    const t = await topic('resume', 1)
    const g = name('g')
    await feed(t, 100, 0, 1)
    const a = await member(t, g)
    await until(() => a.read.length === 100)
    await sleep(200)
    await leave(a)
    await feed(t, 10, 100, 1)
    const b = await member(t, g)
    await until(() => b.read.length === 10)
    assert.deepStrictEqual(b.read, range(100, 110))
    await leave(b)
  },

  async groups () {
    'groups are listed, described, and deleted when they are empty'
    const t = await topic('groups', 2)
    const g = name('g')
    const m = await member(t, g)
    await until(async () => (await admin.describeGroups({ groups: [g] })).get(g).state.toUpperCase() === 'STABLE')
    const d = (await admin.describeGroups({ groups: [g] })).get(g)
    assert.strictEqual(d.members.size, 1)
    assert((await admin.listGroups()).has(g))
    await assert.rejects(admin.deleteGroups({ groups: [g] }))
    await leave(m)
    await admin.deleteGroups({ groups: [g] })
    assert(!(await admin.listGroups()).has(g))
  },

  async transactions () {
    'what is committed is read, what is aborted is not'
    const t = await topic('txn', 1)
    const p = producer({ idempotent: true, transactionalId: name('id') })
    for (let n = 0; n < 4; n++) {
      const x = await p.beginTransaction()
      await x.send({ messages: [{ topic: t, value: String(n), partition: 0 }] })
      await (n % 2 ? x.abort() : x.commit())
    }
    await p.close()
    const m = await member(t, name('g')) // committed records only, unless told otherwise
    await until(() => m.read.length >= 2)
    await sleep(300)
    assert.deepStrictEqual(m.read, [0, 2])
    await leave(m)
  },

  async idempotent () {
    'an idempotent producer writes each record once, in order'
    const t = await topic('idem', 1)
    const p = producer({ idempotent: true })
    for (let i = 0; i < 50; i++) await p.send({ messages: [{ topic: t, value: String(i), partition: 0 }] })
    await p.close()
    const m = await member(t, name('g'))
    await until(() => m.read.length >= 50)
    assert.deepStrictEqual(m.read, range(0, 50))
    await leave(m)
  }
}

const word = process.argv[2]
if (word === 'list') {
  for (const [k, f] of Object.entries(cases)) console.log(k, /'([^']*)'/.exec(f.toString())[1])
  process.exit(0)
}
cases[word]().then(() => process.exit(0), e => {
  console.error(e)
  process.exit(1)
})
