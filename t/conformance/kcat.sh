# kcat -G: librdkafka's classic groups.
. "$(dirname "$0")/lib.bash"
need kcat
version "$(kcat -V | sed -n 's/^Version \([^ ]*\).*librdkafka \([0-9.]*\).*/\1 librdkafka \2/p')"
broker group.min.session.timeout.ms=1000

k() {
	kcat -b "$broker_tcp" "$@"
}

# member GROUP FILE [ARG...] TOPIC: a member of a group, which writes lines to FILE.
member() {
	local group=$1 file=$2
	shift 2
	kcat -b "$broker_tcp" -u -X auto.offset.reset=earliest -X fetch.wait.max.ms=20 -X auto.commit.interval.ms=100 \
		-X session.timeout.ms=2000 -X heartbeat.interval.ms=200 -G "$group" "$@" >>"$file" &
}

# feed TOPIC FROM TO: write these numbers, spread over the partitions by their keys.
feed() {
	seq "$2" "$3" | sed 's/.*/&:&/' | k -P -t "$1" -K:
}

topic() {
	kq-topic create -p "$2" "$1" >/dev/null
}

# read_all FROM TO FILE...: together the files have each number at least once.
read_all() {
	local from=$1 to=$2
	shift 2
	[ "$(cat "$@" | sort -nu)" = "$(seq "$from" "$to")" ]
}

alone() {
	topic alone 4
	feed alone 1 1000
	k -q -e -X auto.offset.reset=earliest -G alone alone >"$scratch/a1"
	read_all 1 1000 "$scratch/a1"
	[ "$(wc -l <"$scratch/a1")" -eq 1000 ]
}

resumes() {
	feed alone 1001 1500
	k -q -e -X auto.offset.reset=earliest -G alone alone >"$scratch/a2"
	read_all 1001 1500 "$scratch/a2"
	[ "$(wc -l <"$scratch/a2")" -eq 500 ]
}

other_group() {
	k -q -e -X auto.offset.reset=earliest -G other alone >"$scratch/a3"
	read_all 1 1500 "$scratch/a3"
}

both_some() {
	[ -s "$1" ] && [ -s "$2" ]
}

# What to print when eventually gives up.
in_vain() {
	wc -l "$scratch"/[a-z]*[0-9] 2>/dev/null || :
	kq-group describe --all
}

# shares STRATEGY HOW: two members share; when one leaves, the other gets all partitions.
shares() {
	local t=shares-$1-$2 f=$scratch/shares-$1-$2 first last=200
	topic "$t" 8
	member "$t" "$f.1" -X "partition.assignment.strategy=$1" "$t"
	first=$!
	member "$t" "$f.2" -X "partition.assignment.strategy=$1" "$t"
	feed "$t" 1 200
	eventually read_all 1 200 "$f.1" "$f.2"
	# The first may have read everything before the second had joined.
	until both_some "$f.1" "$f.2"; do
		last=$((last + 200))
		feed "$t" $((last - 199)) $last
		eventually read_all 1 $last "$f.1" "$f.2"
		sleep 0.2
	done
	kill "-$2" "$first"
	wait "$first" || :
	feed "$t" 1000001 1000200
	eventually has_range 1000001 1000200 "$f.2"
}

has_range() {
	[ "$(awk -v a="$1" -v b="$2" '$1 >= a && $1 <= b' "$3" | sort -nu)" = "$(seq "$1" "$2")" ]
}

pattern() {
	topic pattern-a 2
	topic pattern-b 2
	feed pattern-a 1 100
	feed pattern-b 101 200
	k -q -e -X auto.offset.reset=earliest -G pattern '^pattern-.*' >"$scratch/p"
	read_all 1 200 "$scratch/p"
}

# A static member that comes back under its name gets its partitions back.
static() {
	local f=$scratch/static
	topic static 4
	member static "$f.1" -X group.instance.id=one -X session.timeout.ms=10000 static
	local one=$!
	member static "$f.2" -X group.instance.id=two -X session.timeout.ms=10000 static
	feed static 1 100
	eventually read_all 1 100 "$f.1" "$f.2"
	kill -KILL "$one"
	wait "$one" || :
	member static "$f.3" -X group.instance.id=one -X session.timeout.ms=10000 static
	feed static 101 200
	eventually read_all 1 200 "$f.1" "$f.2" "$f.3"
}

# all_committed GROUP N: N partitions have a lag of 0.
all_committed() {
	[ "$(kq-group describe "$1" | awk 'in_table && $5 == "0" { n++ } $1 == "topic" { in_table = 1 } END { print n + 0 }')" -eq "$2" ]
}

# kcat exits when its broker is down, so other members continue its work.
restart() {
	local f=$scratch/restart
	topic restart 4
	member restart "$f.1" restart
	member restart "$f.2" restart
	feed restart 1 500
	eventually read_all 1 500 "$f.1" "$f.2"
	eventually all_committed restart 4
	bounce
	member restart "$f.3" restart
	member restart "$f.4" restart
	feed restart 501 1000
	eventually read_all 1 1000 "$f".[1-4]
	# Records committed before are not read again.
	[ "$(cat "$f".[34] | awk '$1 <= 500' | wc -l)" -eq 0 ]
}

check 'a group of one reads every partition' alone
check 'it goes on where it stopped' resumes
check 'another group begins at the beginning' other_group
check 'range: two share, and one that leaves is replaced' shares range TERM
check 'roundrobin: two share, and one that leaves is replaced' shares roundrobin TERM
check 'cooperative-sticky: two share, and one that leaves is replaced' shares cooperative-sticky TERM
check 'a member that is killed is replaced after its session' shares range KILL
check 'a pattern of topics' pattern
check 'a static member comes back' static
check 'the broker is killed, and the group goes on where it was' restart
done_checking
