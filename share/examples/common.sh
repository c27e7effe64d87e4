# Helpers of the examples, to be sourced: a broker of their own, services that can
# be killed, and a tidy end.

export LC_ALL=C
here=$(dirname "$0")
work=$(mktemp -d "${TMPDIR:-/tmp}/kq-example.XXXXXX")
export KQ_BROKERS="unix:$work/kq.sock" KQ_STREAM_STATE="$work/state" TMPDIR="$work"
# In the source tree the programs may be built, and not installed.
command -v kq-broker >/dev/null || PATH=$(cd "$here/../.." && pwd)/build:$PATH

trap 'finish' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

finish() {
	code=$?
	trap '' INT TERM HUP
	at_end
	for file in "$work"/*.pid; do
		[ -e "$file" ] && end KILL "$(basename "$file" .pid)"
	done
	rm -rf "$work"
	exit "$code"
}

# What an example has to do first in the end.
at_end() {
	:
}

say() {
	printf '\n== %s\n' "$*"
}

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# start NAME COMMAND...  Run a service in the background, in a process group of its
# own, so that it can be killed as a whole.  Its stderr is $work/NAME.log.
start() {
	name=$1
	shift
	setsid "$@" </dev/null 2>>"$work/$name.log" &
	echo $! >"$work/$name.pid"
}

# end SIGNAL NAME  Send a service a signal, and wait until it has ended.
end() {
	read -r pid <"$work/$2.pid"
	rm "$work/$2.pid"
	kill -s "$1" -- "-$pid" 2>/dev/null || :
	wait "$pid" 2>/dev/null || :
}

# await WHAT COMMAND...  Wait until the command succeeds, for about a minute.
await() {
	what=$1 tries=300
	shift
	until "$@" 2>/dev/null; do
		for file in "$work"/*.pid; do
			kill -0 "$(cat "$file")" 2>/dev/null && continue
			tail -n 5 "${file%.pid}.log" >&2
			die "$(basename "$file" .pid) has ended"
		done
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || { echo "${0##*/}: this takes too long: $what" >&2; return 1; }
		sleep 0.2
	done
}

# caught_up GROUP  Whether a group has taken all records of its topics.
caught_up() {
	kq-group describe "$1" | awk '/^lag / { lag = $2; n++ } END { exit !(n && lag == "0") }'
}

# prompt_awk ARG...  awk that takes each line as it comes.  mawk, which is Debian's,
# otherwise waits for some kilobytes.
prompt_awk() {
	case $(awk -W version 2>&1 </dev/null) in
	mawk*) awk -W interactive "$@" ;;
	*) awk "$@" ;;
	esac
}

command -v kq-broker >/dev/null || die "no kq-broker in PATH: run make, or make install"

# broker  Start the broker.  A process that was killed is noticed after two seconds,
# not after the usual 45.
broker() {
	start broker kq-broker -d "$work/data" -l "$KQ_BROKERS" \
		-o group.consumer.session.timeout.ms=2000 \
		-o group.consumer.heartbeat.interval.ms=500 >/dev/null
	kq-topic list --wait 10s || die "the broker does not serve"
}
