# Debian's python3-kafka: the oldest requests in use.
. "$(dirname "$0")/lib.bash"
need py:kafka
python=$(_kq_python kafka)
export PYTHONDONTWRITEBYTECODE=1
version "$("$python" -c 'import kafka; print(kafka.__version__)')"
broker group.min.session.timeout.ms=1000
check_each "$python" "$conf_dir/kafka_python_cases.py"
done_checking
