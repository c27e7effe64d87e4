# aiokafka of PyPI.
. "$(dirname "$0")/lib.bash"
need python3
release=0.14.0
fetch "aiokafka-$release" eval "python3 -m venv . && bin/pip install -q aiokafka==$release"
python=$fetched/bin/python
export PYTHONDONTWRITEBYTECODE=1
version "$("$python" -c 'import aiokafka; print(aiokafka.__version__)')"
broker
check_each "$python" "$conf_dir/aiokafka_cases.py"
done_checking
