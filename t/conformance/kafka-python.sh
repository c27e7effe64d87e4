# kafka-python of PyPI.
. "$(dirname "$0")/lib.bash"
need python3
release=3.0.12
fetch "kafka-python-$release" eval "python3 -m venv . && bin/pip install -q kafka-python==$release"
python=$fetched/bin/python
export PYTHONDONTWRITEBYTECODE=1
version "$("$python" -c 'import kafka; print(kafka.__version__)')"
broker group.min.session.timeout.ms=1000
check_each "$python" "$conf_dir/kafka_python_cases.py"
done_checking
