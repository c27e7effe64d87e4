# Debian's python3-confluent-kafka: librdkafka's groups, transactions, admin.
. "$(dirname "$0")/lib.bash"
need py:confluent_kafka
python=$(_kq_python confluent_kafka)
export PYTHONDONTWRITEBYTECODE=1
version "$("$python" -c 'import confluent_kafka as c; print(c.version()[0], "librdkafka", c.libversion()[0])')"
broker group.min.session.timeout.ms=1000
check_each "$python" "$conf_dir/confluent_cases.py"
done_checking
