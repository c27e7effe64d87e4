"""with_quixstreams.py map | windows BROKER N: topic orders to topic out, until N orders are read."""
import sys
from datetime import datetime, timedelta

from quixstreams import Application

job, broker, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
app = Application(broker_address=broker, consumer_group="quix-" + job, auto_offset_reset="earliest",
                  loglevel="ERROR", processing_guarantee="exactly-once",
                  state_dir=sys.argv[4])


def time_of(value, headers, timestamp, timestamp_type):
    return int(datetime.fromisoformat(value["ts"]).timestamp() * 1000)


orders = app.topic("orders", value_deserializer="json", timestamp_extractor=time_of)
out = app.topic("out", value_serializer="json")
stream = app.dataframe(orders)
if job == "map":
    stream = stream[stream["amount"] > 100]
    stream = stream.apply(lambda order: {"id": order["id"], "amount": order["amount"]})
else:
    stream = stream.group_by("customer")
    stream = stream.apply(lambda order: order["amount"])
    stream = stream.tumbling_window(timedelta(minutes=1)).reduce(
        lambda row, amount: {"total": row["total"] + amount, "n": row["n"] + 1},
        lambda amount: {"total": amount, "n": 1}).final()
stream.to_topic(out)
app.run(count=n * (1 if job == "map" else 2), timeout=30)
