# @platformatic/kafka of npm, with the Node.js that it needs.
. "$(dirname "$0")/lib.bash"
need npm
release=2.12.1 node=24.21.0
fetch "platformatic-$release-$node" \
	npm install --silent --no-audit --no-fund --prefix . "@platformatic/kafka@$release" "node@$node"
export NODE_PATH=$fetched/node_modules
node=$NODE_PATH/.bin/node
version "$release node $("$node" -v)"
broker
check_each "$node" "$conf_dir/platformatic_cases.mjs"
done_checking
