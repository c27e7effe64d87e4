# @platformatic/kafka of npm.
. "$(dirname "$0")/lib.bash"
need node npm
release=1.35.0
fetch "platformatic-$release" npm install --silent --no-audit --no-fund --prefix . "@platformatic/kafka@$release"
export NODE_PATH=$fetched/node_modules
version "$release node $(node -v)"
broker
check_each node "$conf_dir/platformatic_cases.mjs"
done_checking
