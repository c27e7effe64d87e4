# The other direction: kq's own tools print the same against every broker.
#
# tools.txt is a session: a line "## WORDS" begins a case, "$ COMMAND" is run,
# and the lines after it are its output.  TOOLS_WRITE=1 writes them again.
. "$(dirname "$0")/lib.bash"
version "$(kq-topic --version | sed 's/^[^ ]* //')"
broker
session=$conf_dir/tools.txt

# Replace what differs from run to run or from broker to broker.
normalise() {
	sed -E -e 's/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/UUID/g' \
		-e "s/(127\\.0\\.0\\.1|localhost):[0-9]+/HOST:PORT/g; s#unix:[^ ]*kq.sock#HOST:PORT#g" \
		-e 's/"port": ?[0-9]+/"port":PORT/g' \
		-e 's/\b1[5-9][0-9]{11}\b/TIME/g' \
		-e 's/20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]+(\.[0-9]+)?Z?/TIME/g' \
		-e 's/(id +)[A-Za-z0-9_-]{22}$/\1UUID/; s/"id": ?"[A-Za-z0-9_-]{22}"/"id": "UUID"/' \
		-e 's/^(epoch|assigned at) +[0-9]+$/\1 N/' \
		-e 's/^(kq-[a-z]+: ).* (\([A-Z_]+\))$/\1... \2/' -e 's/  +/  /g'
}

# Run a case's commands; print each and its output, in the form of the session.
play() {
	local line
	cd "$scratch"
	while IFS= read -r line; do
		case $line in
		'$ '*)
			printf '%s\n' "$line"
			(eval "${line#\$ }") 2>&1 </dev/null | normalise
			;;
		esac
	done <"$1"
}

same() {
	set +e +o pipefail
	play "$1" >"$1.got"
	diff "$1" "$1.got"
}

# Over TCP, as with Kafka.
export KQ_BROKERS=$broker_tcp
awk -v dir="$scratch" '/^## / { n++; print substr($0, 4) >(dir "/names"); next } n { print >(dir "/part." n) }' "$session"
n=0
while IFS= read -r words; do
	n=$((n + 1))
	check "$words" same "$scratch/part.$n"
	[ -z "${TOOLS_WRITE-}" ] || { echo "## $words" && cat "$scratch/part.$n.got"; } >>"$scratch/new"
done <"$scratch/names"
if [ -n "${TOOLS_WRITE-}" ]; then
	{ sed '/^## /,$d' "$session" && cat "$scratch/new"; } >"$scratch/all"
	cp "$scratch/all" "$session"
fi
done_checking
