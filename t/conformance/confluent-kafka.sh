# confluent-kafka of PyPI: today's librdkafka, with the new group protocol.
. "$(dirname "$0")/lib.bash"
need python3
release=2.16.1
fetch "confluent-kafka-$release" eval "python3 -m venv . && bin/pip install -q confluent-kafka==$release"
python=$fetched/bin/python
export PYTHONDONTWRITEBYTECODE=1
version "$("$python" -c 'import confluent_kafka as c; print(c.version()[0] if isinstance(c.version(), tuple) else c.version(), "librdkafka", c.libversion()[0])')"
broker group.min.session.timeout.ms=1000
check_each "$python" "$conf_dir/confluent_cases.py"
done_checking
