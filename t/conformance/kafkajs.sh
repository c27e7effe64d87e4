# kafkajs of npm.
. "$(dirname "$0")/lib.bash"
need node npm
release=2.2.4
fetch "kafkajs-$release" npm install --silent --no-audit --no-fund --prefix . "kafkajs@$release"
export NODE_PATH=$fetched/node_modules KAFKAJS_NO_PARTITIONER_WARNING=1
version "$release node $(node -v)"
broker
check_each node "$conf_dir/kafkajs_cases.js"
done_checking
