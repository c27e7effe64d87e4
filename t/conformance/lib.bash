# lib.bash - functions shared by the clients' scripts.  A script begins with
#
#	. "$(dirname "$0")/lib.bash"
#
# and writes TAP:
#
# need WORD...           Skip the whole client unless the commands, or py:MODULE,
#     are installed.
# skip_all WORD...       Skip the whole client, for this reason.
# version WORD...        Set the client's version, for the table.
# fetch NAME COMMAND...  Run COMMAND once, in the cache's directory NAME; $fetched is its
#     path.  If it fails, skip the client.  When COMMAND fetches something else, change
#     NAME.
# broker [KEY=VALUE...]  A fresh broker with these settings, kq-broker or
#     Kafka's: see start_broker in t/lib/kq.bash for the variables.
# bounce                 Kill it with SIGKILL and start it again.
# check WORDS COMMAND... One case: COMMAND, a function or a program, ends with 0
#     within $limit seconds.  Processes that it leaves are killed.
# check_each COMMAND...  A case for each line, NAME WORDS, that `COMMAND list`
#     prints: `COMMAND NAME`.
# check_go COMMAND...    A case for each Go test that COMMAND, which must be verbose, runs
#     within $limit seconds; a case for each subtest of the test $suite.
# check_skip WORDS WHY   A case that cannot be run here.
# done_checking          The end.
# kafka CLASS ARG...     One of Kafka's tools, after fetch_kafka; kafka_start runs it
#     in the background.
# eventually COMMAND...  Wait until COMMAND succeeds, for at most $limit seconds.

set -uo pipefail

conf_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
conf_name=$(basename "$0" .sh)
# shellcheck source=t/lib/kq.bash
. "$conf_dir/../lib/kq.bash"

AGAINST=${AGAINST:-kq}
cache=${KQ_CONFORMANCE_CACHE:-$conf_dir/../../build/conformance-cache}
mkdir -p "$cache" || exit 1
cache=$(cd "$cache" && pwd)
conf_logs=$cache/logs/$AGAINST/$conf_name
rm -rf "$conf_logs"
mkdir -p "$conf_logs"
BATS_TEST_TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/kq-conf.XXXXXX") || exit 1
export BATS_TEST_TMPDIR AGAINST
scratch=$BATS_TEST_TMPDIR
limit=60
ncase=0
kafka_version=4.4.0
kafka_opts=(-Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1)

_conf_exit() {
	[ -z "${broker_log-}" ] || cp "$broker_log" "$conf_logs/broker.log"
	[ ! -e "${broker_dir-}/pid" ] || broker_pid=$(<"$broker_dir/pid")
	if [ "$AGAINST" = kafka ]; then
		end_kafka
	else
		end_broker || echo 'not ok - the broker ended without a complaint'
	fi
	rm -rf "$scratch"
}
trap _conf_exit EXIT
trap 'exit 130' INT TERM HUP

skip_all() {
	echo "1..0 # SKIP $*"
	exit 0
}

need() {
	local word
	for word; do
		case $word in
		py:*) _kq_python "${word#py:}" >/dev/null || skip_all "no ${word#py:} for python3" ;;
		*) command -v "$word" >/dev/null || skip_all "no $word" ;;
		esac
	done
}

version() {
	echo "# version $*"
}

fetch() {
	local name=$1
	shift
	fetched=$cache/$name
	[ ! -e "$fetched/.fetched" ] || return 0
	(
		flock 8
		[ ! -e "$fetched/.fetched" ] || exit 0
		rm -rf "$fetched"
		mkdir -p "$fetched" && cd "$fetched" || exit 1
		set -e
		"$@" && touch "$fetched/.fetched"
	) 8>"$cache/.lock.$name" </dev/null >"$conf_logs/fetch" 2>&1 ||
		skip_all "$name cannot be fetched; see $conf_logs/fetch"
}

# Kafka's jars, with Maven; kafka_cp is their class path.
fetch_kafka() {
	command -v java >/dev/null || skip_all "no java"
	command -v mvn >/dev/null || skip_all "no mvn"
	fetch "kafka-$kafka_version" _fetch_kafka
	kafka_cp=$(<"$cache/kafka-$kafka_version/cp")
	local jar
	jar=${kafka_cp%%:*}
	[ -e "$jar" ] || { rm -rf "$fetched" && skip_all "$jar is gone; run it again"; }
}

_fetch_kafka() {
	cp "$conf_dir/java/pom.xml" .
	mvn -q -B dependency:build-classpath -Dmdep.includeScope=runtime -Dmdep.outputFile=cp
}

# kafka CLASS ARG...: one of Kafka's own tools; the usual packages may be left out.
kafka() {
	_kafka_class "$1"
	shift
	java "${kafka_opts[@]}" -cp "$kafka_cp" "$class" "$@" 2> >(grep -v '^SLF4J: ' >&2)
}

# The same in the background, $! its pid.
kafka_start() {
	_kafka_class "$1"
	shift
	java "${kafka_opts[@]}" -cp "$kafka_cp" "$class" "$@" </dev/null &
}

_kafka_class() {
	class=$1
	case $class in
	org.* | kafka.*) ;;
	*) class=org.apache.kafka.tools.$class ;;
	esac
}

# A port on which nothing listens at the moment.
free_port() {
	local port
	while :; do
		port=$((RANDOM % 12000 + 20000))
		(: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	echo "$port"
}

_kafka_spawn() {
	kafka_start kafka.Kafka "$broker_dir/server.properties" >>"$broker_log" 2>&1
	broker_pid=$!
	disown
	export broker_pid
	echo "$broker_pid" >"$broker_dir/pid"
	local limit=60
	if ! eventually tcp_open "$broker_tcp" || ! eventually timeout 5 kq-topic list >/dev/null 2>&1; then
		_kq_show_log
		return 1
	fi
}

tcp_open() {
	(: <"/dev/tcp/${1%:*}/${1##*:}") 2>/dev/null
}

start_kafka() {
	local controller
	broker_dir=$(mktemp -d "$scratch/kafka.XXXXXX")
	broker_data=$broker_dir/data
	broker_log=$broker_dir/log
	broker_tcp=127.0.0.1:$(free_port)
	controller=127.0.0.1:$(free_port)
	KQ_BROKERS=$broker_tcp
	export KQ_BROKERS broker_tcp broker_dir broker_data broker_log
	cat >"$broker_dir/server.properties" <<-END
		process.roles=broker,controller
		node.id=1
		controller.quorum.voters=1@$controller
		listeners=PLAINTEXT://$broker_tcp,CONTROLLER://$controller
		advertised.listeners=PLAINTEXT://$broker_tcp
		controller.listener.names=CONTROLLER
		inter.broker.listener.name=PLAINTEXT
		listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
		log.dirs=$broker_data
		offsets.topic.replication.factor=1
		transaction.state.log.replication.factor=1
		transaction.state.log.min.isr=1
		share.coordinator.state.topic.replication.factor=1
		share.coordinator.state.topic.min.isr=1
		group.initial.rebalance.delay.ms=0
	END
	printf '%s\n' "$@" >>"$broker_dir/server.properties"
	kafka kafka.tools.StorageTool format -t "$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d =)" \
		-c "$broker_dir/server.properties" >"$broker_log" 2>&1 || { _kq_show_log && return 1; }
	_kafka_spawn
}

end_kafka() {
	[ -n "${broker_pid-}" ] || return 0
	kill -KILL "$broker_pid" 2>/dev/null
	while kill -0 "$broker_pid" 2>/dev/null; do
		sleep 0.05
	done
	broker_pid=
}

broker() {
	local key fetched
	local -a args=()
	if [ "$AGAINST" = kafka ]; then
		fetch_kafka
		start_kafka "$@" || { echo 'Bail out! Apache Kafka does not start' && exit 1; }
	else
		for key; do
			args+=(-o "$key")
		done
		start_broker "${args[@]}" || { echo 'Bail out! kq-broker does not start' && exit 1; }
	fi
}

# The broker gets a process group of its own, since it must outlive the case.
bounce() {
	broker_pid=$(<"$broker_dir/pid")
	set -m
	if [ "$AGAINST" = kafka ]; then
		end_kafka
		_kafka_spawn
	else
		kill_broker && restart_broker
	fi
	set +m
}

eventually() {
	local end=$((SECONDS + limit))
	until "$@"; do
		if [ "$SECONDS" -ge "$end" ]; then
			echo "waited in vain: $*" >&2
			return 1
		fi
		sleep 0.05
	done
}

check() {
	local words=$1 log pid watch code=0 begin=$SECONDS
	shift
	ncase=$((ncase + 1))
	log=$conf_logs/$ncase
	# A process group of its own, so that the processes it leaves can be killed.
	set -m
	(
		set +m
		set -e
		trap - EXIT INT TERM HUP
		"$@"
	) </dev/null >"$log" 2>&1 &
	pid=$!
	(
		trap - EXIT INT TERM HUP
		sleep "$limit"
		echo "not done after $limit s" >>"$log"
		kill -KILL -- "-$pid"
	) >/dev/null 2>&1 &
	watch=$!
	set +m
	wait "$pid" 2>/dev/null || code=$?
	{
		kill -KILL -- "-$watch"
		kill -KILL -- "-$pid"
		wait "$watch"
	} 2>/dev/null
	echo "$((SECONDS - begin)) s: $words" >>"$conf_logs/times"
	if [ "$code" -eq 0 ]; then
		echo "ok $ncase - $words"
		return
	fi
	echo "not ok $ncase - $words"
	echo "# it ended with $code; the last of $log:"
	tail -n 25 "$log" | sed 's/^/#   /'
}

check_each() {
	local name words
	while read -r name words; do
		check "$words" "$@" "$name"
	done < <("$@" list)
}

# _go_words TEST LOG: the output of one test, even if others ran in parallel, and of its
# subtests those that failed.
_go_words() {
	awk -v test="$1" '
		NR == FNR { if ($1 == "---" && $2 == "FAIL:") bad[$3]; next }
		$1 == "===" { is_its = $3 == test || index($3, test "/") == 1 && ($3 in bad || !(test in bad)) }
		is_its && /\.go:[0-9]+: |^panic: /' "$2" "$2"
}

check_go() {
	local log=$conf_logs/go verdict test first
	timeout -k 5 "$limit" "$@" </dev/null >"$log" 2>&1
	while read -r verdict test; do
		ncase=$((ncase + 1))
		case $verdict in
		PASS) echo "ok $ncase - $test" ;;
		SKIP)
			first=$(_go_words "$test" "$log" | sed -nE 's/^ +[a-zA-Z0-9_]+\.go:[0-9]+: //p' | tail -n 1)
			echo "ok $ncase - $test # SKIP by itself: ${first:-no reason}"
			;;
		*)
			echo "not ok $ncase - $test"
			echo "# the first words of it in $log:"
			_go_words "$test" "$log" | sed 's/^/#   /;14q'
			;;
		esac
	done < <(awk -v suite="${suite--}" '
		function is_one(name) { return name ~ "/" ? name ~ "^" suite "/[^/]*$" : name != suite }
		$1 == "===" && $2 == "RUN" && is_one($3) { order[++n] = $3; got[$3] = "HUNG" }
		match($0, /--- (PASS|FAIL|SKIP): /) && is_one($3) { got[$3] = substr($2, 1, 4) }
		END { for (i = 1; i <= n; i++) print got[order[i]], order[i] }' "$log")
	if ! grep -q '^=== RUN' "$log"; then
		ncase=$((ncase + 1))
		echo "not ok $ncase - the tests run"
		tail -n 20 "$log" | sed 's/^/#   /'
	fi
}

check_skip() {
	ncase=$((ncase + 1))
	echo "ok $ncase - $1 # SKIP $2"
}

done_checking() {
	echo "1..$ncase"
}
