"""aiokafka: groups, transactions."""
import asyncio
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from group_cases import BROKER, PATIENCE, name, run


async def until(test):
    end = time.time() + PATIENCE
    while not test():
        await asyncio.sleep(0.02)
        assert time.time() < end, "waited in vain"


async def topic(prefix, partitions=4):
    t = name(prefix)
    a = AIOKafkaAdminClient(bootstrap_servers=BROKER)
    await a.start()
    await a.create_topics([NewTopic(name=t, num_partitions=partitions, replication_factor=1)])
    await a.close()
    return t


async def feed(t, n, first=0, partitions=4):
    p = AIOKafkaProducer(bootstrap_servers=BROKER)
    await p.start()
    for i in range(first, first + n):
        await p.send(t, str(i).encode(), partition=i % partitions)
    await p.stop()


class Member:
    """A consumer that records what it read."""

    async def start(self, t, group, **more):
        self.c = AIOKafkaConsumer(t, bootstrap_servers=BROKER, group_id=group, auto_offset_reset="earliest",
                                  heartbeat_interval_ms=200, fetch_max_wait_ms=50,
                                  **dict({"enable_auto_commit": False}, **more))
        self.read = []
        await self.c.start()
        self.task = asyncio.create_task(self.loop())
        return self

    async def loop(self):
        async for m in self.c:
            self.read.append(m.value.decode())

    def owned(self):
        return len(self.c.assignment())

    async def stop(self):
        self.task.cancel()
        await self.c.stop()


async def share():
    t, g = await topic("share"), name("g")
    a = await Member().start(t, g)
    await until(lambda: a.owned() == 4)
    b = await Member().start(t, g)
    await until(lambda: a.owned() == 2 and b.owned() == 2)
    await feed(t, 400)
    await until(lambda: len(a.read) + len(b.read) >= 400)
    assert sorted(map(int, a.read + b.read)) == list(range(400)) and len(a.read) == 200
    await b.c.commit()
    await a.stop()
    await until(lambda: b.owned() == 4)
    await b.stop()


def case_share():
    """two share the partitions, and one takes over when the other stops"""
    asyncio.run(share())


async def resume():
    t, g = await topic("resume", 1), name("g")
    await feed(t, 100, partitions=1)
    a = await Member().start(t, g, enable_auto_commit=True)
    await until(lambda: len(a.read) == 100)
    await a.stop()
    await feed(t, 10, 100, partitions=1)
    b = await Member().start(t, g)
    await until(lambda: len(b.read) == 10)
    assert b.read == [str(i) for i in range(100, 110)]
    await b.stop()


def case_resume():
    """committed offsets are where the next member begins"""
    asyncio.run(resume())


async def transactions():
    t = await topic("txn", 1)
    i = name("id")
    p = AIOKafkaProducer(bootstrap_servers=BROKER, transactional_id=i)
    await p.start()
    want = []
    for n in range(4):
        try:
            async with p.transaction():
                await p.send_and_wait(t, b"%d" % n, partition=0)
                if n % 2:
                    raise KeyError
            want.append("%d" % n)
        except KeyError:
            pass
    await p.stop()
    m = await Member().start(t, name("g"), isolation_level="read_committed")
    await until(lambda: len(m.read) == 2)
    assert m.read == want, m.read
    await m.stop()


def case_transactions():
    """what is committed is read, what is aborted is not"""
    asyncio.run(transactions())


async def send_offsets():
    t, g = await topic("in", 1), name("g")
    p = AIOKafkaProducer(bootstrap_servers=BROKER, transactional_id=name("id"))
    await p.start()
    c = AIOKafkaConsumer(bootstrap_servers=BROKER, group_id=g)
    await c.start()
    tp = TopicPartition(t, 0)
    c.assign([tp])
    async with p.transaction():
        await p.send(t, b"1", partition=0)
        await p.send_offsets_to_transaction({tp: 5}, g)
    assert await c.committed(tp) == 5
    await p.stop()
    await c.stop()


def case_send_offsets():
    """offsets are committed with a transaction"""
    asyncio.run(send_offsets())


if __name__ == "__main__":
    run(globals())
