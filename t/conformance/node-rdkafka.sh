# node-rdkafka of npm, with the system's librdkafka: its own end-to-end tests.
. "$(dirname "$0")/lib.bash"
need node npm make g++ pkg-config
release=3.6.1
pkg-config --exists rdkafka || skip_all "no librdkafka-dev"
# What node-gyp would otherwise fetch from elsewhere.
prefix=$(node -p 'require("path").dirname(require("path").dirname(require("fs").realpathSync(process.execPath)))')
[ -e "$prefix/include/node/node.h" ] || skip_all "no headers of node in $prefix/include/node"

build() {
	export BUILD_LIBRDKAFKA=0 npm_config_nodedir=$prefix JOBS=1
	nice npm install --no-audit --no-fund --foreground-scripts --prefix . "node-rdkafka@$release" mocha@10
}
fetch "node-rdkafka-$release" build
version "$release librdkafka $(pkg-config --modversion rdkafka)"
limit=240
broker
kq-topic create test test2 >/dev/null

# mocha's TAP as ours.
check_mocha() {
	local log=$conf_logs/mocha line words planned='' begin=$ncase
	timeout -k 5 "$limit" "$@" </dev/null >"$log" 2>&1
	while IFS= read -r line; do
		case $line in
		1..[1-9]*) planned=${line#1..} ;;
		ok\ [0-9]* | not\ ok\ [0-9]*)
			ncase=$((ncase + 1))
			words=${line#*ok [0-9]* }
			echo "${line%%ok *}ok $ncase - $words"
			;;
		\ *) echo "#$line" ;;
		esac
	done < <(grep -E '^((not )?ok [0-9]|1\.\.| +)' "$log")
	[ $((ncase - begin)) -eq "${planned:--1}" ] || {
		echo "# $((ncase - begin)) of ${planned:-no} tests ran; the last of $log:"
		tail -n 20 "$log" | sed 's/^/#   /'
		ncase=$((ncase + 1))
		echo "not ok $ncase - all tests run"
	}
}

# Not those that consume in a loop: now and then one never disconnects and takes
# what follows with it, against Kafka, too.
cd "$fetched/node_modules/node-rdkafka" || exit 1
KAFKA_HOST=$broker_tcp check_mocha "$fetched/node_modules/.bin/mocha" --exit --timeout 30000 --reporter tap \
	--invert --grep consumeLoop e2e/*.spec.js
done_checking
