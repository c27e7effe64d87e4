# node-rdkafka of npm, with the librdkafka that it includes: all its own end-to-end
# tests.
. "$(dirname "$0")/lib.bash"
need node npm make g++ python3
release=3.6.1
# The headers, which node-gyp would otherwise download.
prefix=$(node -p 'require("path").dirname(require("path").dirname(require("fs").realpathSync(process.execPath)))')
[ -e "$prefix/include/node/node.h" ] || skip_all "no headers of node in $prefix/include/node"

build() {
	export npm_config_nodedir=$prefix JOBS=1
	nice npm install --no-audit --no-fund --foreground-scripts --prefix . "node-rdkafka@$release" mocha@10
}
fetch "node-rdkafka-$release-whole" build
cd "$fetched/node_modules/node-rdkafka" || exit 1
version "$release librdkafka $(node -p 'require(".").librdkafkaVersion')"
limit=150
broker
kq-topic create test test2 >/dev/null

# Run tests of mocha in a separate process, and report each as a case.  The client has a
# race, with every broker: if a consumer is closed while a message is passed from the
# reading loop to the callback, the message is lost, and the client waits for it forever
# or crashes.  Tests that end in this way are tried again.
check_mocha() {
	local log=$conf_logs/mocha.$((++nmocha)) line words try
	for try in 1 2 3 4; do
		timeout -k 1 "$limit" "$fetched/node_modules/.bin/mocha" --exit --timeout 20000 --reporter tap "$@" </dev/null >"$log" 2>&1
		# Its exit status does not count: the process does not end because of that consumer.
		if grep -q '^# tests [1-9]' "$log" && ! grep -q '^not ok .*"after each" hook' "$log"; then
			break
		fi
		cp "$log" "$log.try$try"
		echo "# try $try of ${*: -1} did not end: $log.try$try"
	done 2>/dev/null
	while IFS= read -r line; do
		case $line in
		ok\ [0-9]* | not\ ok\ [0-9]*)
			ncase=$((ncase + 1))
			words=${line#*ok [0-9]* }
			echo "${line%%ok *}ok $ncase - $words"
			;;
		\ *) echo "#$line" ;;
		esac
	done < <(grep -E '^((not )?ok [0-9]| +)' "$log")
	grep -q '^# tests [1-9]' "$log" || {
		tail -n 20 "$log" | sed 's/^/#   /'
		ncase=$((ncase + 1))
		echo "not ok $ncase - all tests of $* run"
	}
}

export KAFKA_HOST=$broker_tcp
nmocha=0
for spec in e2e/*.spec.js; do
	case $spec in
	*/both.spec.js) ;;
	*/groups.spec.js)
		check_skip 'Consumer group/Producer should be able to commit, read committed and restart from the committed offset' \
			'it closes a consumer on the first of several messages, where the client crashes at the second'
		continue
		;;
	*/consumer.spec.js)
		check_mocha --invert --fgrep 'should obey the timeout' "$spec"
		check_skip 'Consumer committed and position should obey the timeout' \
			'it wants its own threads to take longer than 0 ms'
		continue
		;;
	*)
		check_mocha "$spec"
		continue
		;;
	esac
	# Those with the loop one by one, since they are independent.
	limit=45
	while IFS= read -r words; do
		check_mocha --fgrep "$words" "$spec"
	done < <("$fetched/node_modules/.bin/mocha" --dry-run --reporter tap "$spec" </dev/null | sed -n 's/^ok [0-9]* //p')
	limit=150
done
[ "$ncase" -ge 64 ] || {
	ncase=$((ncase + 1))
	echo "not ok $ncase - there are all of its 64 tests"
}
done_checking
