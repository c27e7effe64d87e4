"""Two members of a classic group that hold it in a rebalance.

    stall.py GROUP

The first one joins, and prints "in".  At a line on stdin the second one asks to join, for
which the first one would have to join again, and does not: the other members wait; it prints
"held".  At the next line both leave; it prints "left".
"""
import sys

import kqp
import wire

APIS, _ = kqp.load()
NOTHING = wire.i16(0) + wire.array([]) + wire.data(None)  # a subscription


def ask(group, member):
    return {"group_id": group, "session_timeout_ms": 60000, "rebalance_timeout_ms": 60000,
            "member_id": member, "protocol_type": "consumer",
            "protocols": [{"name": "range", "metadata": NOTHING}]}


def begin(conn, group):
    """Ask to join with a member id, and return that; the answer comes later."""
    api = APIS["join_group"]
    member = kqp.call(conn, api, 5, ask(group, ""))["member_id"]
    conn.send(api.key, 5, kqp.encode(api.request, 5, False, ask(group, member)))
    return member


def joined(conn):
    api = APIS["join_group"]
    return kqp.decode(api.response, 5, False, conn.recv())


def leave(conn, group, member):
    kqp.call(conn, APIS["leave_group"], 2, {"group_id": group, "member_id": member})


def tell(word):
    print(word, flush=True)
    sys.stdin.readline()


def main(group):
    first, second = wire.Conn(), wire.Conn()
    one = begin(first, group)
    generation = joined(first)["generation_id"]
    kqp.call(first, APIS["sync_group"], 3, {"group_id": group, "member_id": one,
                                            "generation_id": generation})
    tell("in")
    two = begin(second, group)
    tell("held")
    leave(first, group, one)
    joined(second)
    leave(second, group, two)
    print("left", flush=True)


main(sys.argv[1])
