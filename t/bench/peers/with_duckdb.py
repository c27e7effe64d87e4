"""with_duckdb.py map | windows FILE: the jobs of streamloop.c by DuckDB, in one thread."""
import sys

import duckdb

columns = "{id: 'VARCHAR', ts: 'TIMESTAMP', customer: 'VARCHAR', amount: 'DOUBLE'}"
orders = f"read_json('{sys.argv[2]}', format = 'newline_delimited', columns = {columns})"
query = {
    "map": f"SELECT id, amount FROM {orders} WHERE amount > 100",
    "windows": "SELECT customer AS key, epoch_ms(date_trunc('minute', ts)) AS start, "
               f"sum(amount) AS total, count(*) AS n FROM {orders} GROUP BY ALL",
}[sys.argv[1]]
duckdb.sql("SET threads = 1")
duckdb.sql("SET preserve_insertion_order = false")
duckdb.sql(f"COPY ({query}) TO '/dev/stdout' (FORMAT json)")
