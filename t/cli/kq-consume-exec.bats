#!/usr/bin/env bats
# kq-consume --exec: records pass through a command exactly once, whichever process dies;
# and a pipe, which is at least once.

load ../lib/kq.bash
bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR"
	jobs=()
	start_broker -o group.consumer.session.timeout.ms=3000 -o group.consumer.heartbeat.interval.ms=300 \
		-o group.min.session.timeout.ms=1000 -o transaction.abort.timed.out.transaction.cleanup.interval.ms=500
	kq-topic create in -p 3
	kq-topic create out -p 3
}

teardown() {
	local j
	[ "${BATS_TEST_COMPLETED-}" = 1 ] || head -v -n 5 ./*.err 2>/dev/null || :
	for j in "${jobs[@]}"; do kill -KILL "$j" 2>/dev/null || :; done
	end_broker
}

# through COMMAND [OPTION...]: process all records of the topic "in" into "out".
through() {
	local command=$1 group=(-G g)
	shift
	[[ " $* " != *" -G "* ]] || group=()
	timeout "$((kq_patience * 3))" kq-consume "${group[@]}" -o beginning -e in --exec "$command" --to out "$@" 3>&-
}

# spawn NAME COMMAND [OPTION...]: the same in the background; $job is its process.
spawn() {
	local name=$1 command=$2 group=(-G g)
	shift 2
	[[ " $* " != *" -G "* ]] || group=()
	kq-consume "${group[@]}" -o beginning in --exec "$command" --to out "$@" >"$name.out" 2>"$name.err" 3>&- </dev/null &
	job=$!
	jobs+=("$job")
}

# written [OPTION...]: the committed records of "out".
written() {
	kq-consume -e "$@" out
}

anew() {
	kq-topic delete --yes "$1" && kq-topic create "$1" -p 3
}

until_true() {
	local end=$((SECONDS + kq_patience * 2))
	until "$@"; do
		if [ "$SECONDS" -ge "$end" ]; then
			echo "in vain: $*" >&2
			return 1
		fi
		sleep 0.05
	done
}

has_written() {
	[ "$(written | wc -l)" -ge "$1" ]
}

# once FIRST LAST: each of these numbers has been written exactly once.
once() {
	written | sort -n >got
	seq "$1" "$2" >want
	diff want got | head -n 20
	cmp -s want got
}

nothing_written() {
	[ -z "$(written)" ]
	[ -z "$(kq-consume -e --uncommitted out)" ]
}

# ---- commands ----

@test "sed -u: a record for each" {
	seq 5000 | sed 's/$/x/' | kq-produce in
	through 'sed -u s/x/y/'
	written | sort -n | cmp - <(seq 5000 | sed 's/$/y/')
	# the group's offsets were committed with it: nothing is processed twice
	through 'sed -u s/x/z/'
	[ "$(written | wc -l)" -eq 5000 ]
	seq 5001 5100 | sed 's/$/x/' | kq-produce in
	through 'sed -u s/x/y/'
	written | sort -n | cmp - <(seq 5100 | sed 's/$/y/')
}

@test "grep: some of them, and the end mark" {
	seq 5000 | kq-produce in
	through "grep --line-buffered -e 7 -e '^$'"
	written | sort -n | cmp - <(seq 5000 | grep 7)
}

@test "grep: nothing of a batch, whose offsets are stored nevertheless" {
	seq 100 | kq-produce in
	through "grep --line-buffered -e x -e '^$'"
	through 'sed -u s/x/y/'
	nothing_written
}

@test "awk, jq and python" {
	local awk=gawk
	seq 100 | kq-produce in
	command -v gawk >/dev/null || awk='mawk -W interactive'
	if command -v ${awk%% *} >/dev/null; then
		through "$awk '/./ { print; print -\$0 } /^\$/ { print \"\"; fflush() }'"
		written | sort -n | cmp - <(seq -100 100 | grep -vx 0)
	fi
	anew out
	if command -v jq >/dev/null; then
		through "jq --unbuffered -R -r 'if . == \"\" then . else tonumber * 2 end'" -G jq
		written | sort -n | cmp - <(seq 2 2 200)
	fi
	anew out
	cat >map.py <<-'END'
		import sys
		for line in sys.stdin:
		    print(line[::-1].strip() if line != "\n" else "", flush=line == "\n")
	END
	skip_without python3
	through "python3 map.py" -G py
	written | sort -n | cmp - <(seq 100 | rev | sort -n)
}

@test "the other frames: records that are empty, have newlines, or any bytes" {
	skip_without python3
	cat >count.py <<-'END'
		import sys
		for head in sys.stdin:
		    lines = [next(sys.stdin) for _ in range(int(head))]
		    print(2 * len(lines), *["<%s>" % l[:-1] for l in lines + lines], sep="\n", flush=True)
	END
	printf 'a\n\nb\n' | kq-produce -p 0 in
	run -2 --separate-stderr through 'sed -u s/a/b/'
	[[ "$stderr" == *"partition 0 of 'in', offset 1: the record is empty"*"--frame count"* ]]
	nothing_written
	through 'python3 count.py' --frame count
	written | sort | cmp - <(printf '<>\n<>\n<a>\n<a>\n<b>\n<b>\n')
	cat >length.py <<-'END'
		import sys
		i, o = sys.stdin.buffer, sys.stdout.buffer
		while head := i.read(4):
		    n = int.from_bytes(head, "big")
		    if n == 0xffffffff:
		        o.write(head)
		        o.flush()
		    else:
		        r = i.read(n)
		        o.write(len(r + r).to_bytes(4, "big") + r + r)
	END
	anew out
	printf 'x\ny;\0\xff;' | kq-produce -p 1 -D ';' in
	run -2 --separate-stderr through 'sed -u s/a/b/' --frame count
	[[ "$stderr" == *"the record contains a newline"* ]]
	through 'python3 length.py' --frame length
	written -D ';' | cmp - <(printf 'x\nyx\ny;\0\xff\0\xff;')
}

@test "keys both ways, nulls, and JSON in" {
	printf 'k1:v1\nk2:v2\nk3:\n' | kq-produce -K : in
	through 'sed -u s/v/w/' -K : -Z
	written -K = | sort | cmp - <(printf 'k1=w1\nk2=w2\nk3=\n')
	written -f '%S\n' | grep -qx -e -1
	# their keys determine the partitions, as with a producer
	kq-topic create other -p 3
	printf 'k1:v1\nk2:v2\nk3:\n' | kq-produce -K : other
	cmp <(written -f '%p %k\n' | sort) <(kq-consume -e -f '%p %k\n' other | sort)
	anew out
	skip_without jq
	through "jq --unbuffered -R -r 'if . == \"\" then . else fromjson | .key + \"/\" + .value end'" -J -G j
	written | sort | cmp - <(printf 'k1/v1\nk2/v2\nk3/\n')
}

@test "full pipes: batches and answers larger than they hold" {
	local line
	line=$(printf 'x%.0s' {1..2000})
	seq 2000 | sed "s/\$/$line/" | kq-produce in
	through 'sed -u "/./p;s/^x//"' --batch 2000 -z 2>/dev/null || through 'sed -u "/./p"' --batch 2000
	[ "$(written | wc -l)" -eq 4000 ]
	[ "$(written | sort -u | wc -l)" -eq 2000 ]
	skip_without python3
	# a command that reads all its input before it writes
	cat >last.py <<-'END'
		import sys
		lines = []
		for line in sys.stdin:
		    lines.append(line)
		    if line == "\n":
		        sys.stdout.write("".join(lines))
		        sys.stdout.flush()
		        lines = []
	END
	through 'python3 last.py' -G last --batch 2000
	[ "$(written | wc -l)" -eq 6000 ]
}

# ---- failures ----

@test "a command that fails: nothing is written, and the place is kept" {
	seq 1 100 | kq-produce -p 0 in
	run -1 --separate-stderr through 'sed -u /77/q3'
	[ "$stderr" = "kq-consume: 'sed -u /77/q3' exited (exit code 3) during a batch" ]
	nothing_written
	run -75 --separate-stderr through 'read x; exit 75'
	[[ "$stderr" == *"(exit code 75) during a batch" ]]
	run -1 --separate-stderr through './no-such-command'
	[[ "$stderr" == *"exited (exit code 127) "* ]]
	run -1 --separate-stderr through 'read x; kill -SEGV $$'
	[[ "$stderr" == *"exited (signal 11) during a batch" ]]
	nothing_written
	# batches that were complete before it failed are committed
	run -1 through 'sed -u /77/q3' --batch 10
	once 1 70
	through 'sed -u s/x/y/'
	once 1 100
}

@test "a command that fails at its end, or has more to say then" {
	seq 1 100 | kq-produce -p 0 in
	run -1 --separate-stderr through 'sed -u s/x/y/; exit 9'
	[[ "$stderr" == *"exited (exit code 9) at the end of its input" ]]
	once 1 100
	seq 101 200 | kq-produce -p 0 in
	run -1 --separate-stderr through 'sed -u s/x/y/; echo total 7'
	[[ "$stderr" == *"wrote output at its end that belongs to no batch" ]]
	once 1 200
}

@test "a command that hangs: it is killed after --exec-timeout" {
	seq 100 | kq-produce in
	run -75 --separate-stderr through 'echo $$ >pid; exec sleep 1000' --exec-timeout 300ms
	[[ "$stderr" == *"made no progress for 300 ms (--exec-timeout)"*"answer an empty line with an empty line"* ]]
	[ -s pid ]
	! kill -0 "$(<pid)" 2>/dev/null
	# a command that does not flush
	run -75 through 'sed s/x/y/' --exec-timeout 300ms
	# a command that hangs in a pipeline
	run -75 through 'sed -u s/x/y/ | (echo $BASHPID >/dev/null; sleep 1000)' --exec-timeout 300ms
	nothing_written
}

@test "a command that babbles" {
	local babble
	seq 10 | kq-produce -p 0 in
	run -1 --separate-stderr through 'read x; echo hello; cat' --frame count
	[[ "$stderr" == *"record 1 of its answer: 'hello' is not the number of records of an answer" ]]
	run -1 --separate-stderr through 'sed -u "s/^$/\n/"'
	[[ "$stderr" == *"wrote more after the end of its answer" || "$stderr" == *"belongs to no batch" ]]
	run -1 --separate-stderr through 'read x; yes xxxxxxxxxxxxxxx | tr -d "\n"'
	[[ "$stderr" == *"a record of more than 16 MiB" ]]
	run -1 --separate-stderr through 'read x; yes xxxxxxxxxxxxxxx'
	[[ "$stderr" == *"answered a batch of 10 records with more than 64 MiB"* ]]
	run -1 --separate-stderr through 'head -c 1 >first; printf "\377\377\377\375"; cat' --frame length
	[[ "$stderr" == *"a record of more than 16 MiB" ]]
	nothing_written
	through 'sed -u s/x/y/'
	once 1 10
	# before any batch, since early output would be taken for an answer
	anew in
	for babble in 'echo hello' 'printf "\n"'; do
		spawn a "$babble; cat" -G none
		wait "$job" && false
		[ "$(<a.err)" = "kq-consume: '$babble; cat' wrote output that belongs to no batch" ]
	done
}

@test "a huge line: as long as the topic takes it" {
	head -c 900000 /dev/zero | tr '\0' a >huge
	(cat huge; echo; echo b) | kq-produce -p 0 in
	through "sed -u 's/./&/'"
	written | head -n 1 | tr -d '\n' | cmp - huge
	[ "$(written | wc -l)" -eq 2 ]
	seq 3 | kq-produce -p 0 in
	run -1 --separate-stderr through "sed -u 's/2/'\$(head -c 60000 huge)'&/;s/a/$(printf '&%.0s' {1..50})/g'"
	[[ "$stderr" == *"larger than the topic's max.message.bytes"* ]]
	[ "$(written | wc -l)" -eq 2 ] # its transaction was aborted
}

@test "a command that was given nothing to do may end as it likes, if it was run at all" {
	seq 3 | kq-produce in
	local command
	for command in "grep x" "cat >/dev/null; exit 125"; do
		run -0 --separate-stderr kq-consume -G "at the end" -o end -e in --exec "$command" --to out
		[ -z "$stderr" ]
	done
	run -1 --separate-stderr kq-consume -G "at the end" -o end -e in --exec 'exec no-such-command' --to out
	[[ $stderr == *"(exit code 127)"* ]]
	# The exit status of a command that had batches is reported; its answers are committed.
	run -1 --separate-stderr through 'sed -u s/x/y/; exit 3'
	[[ $stderr == *"exited (exit code 3) at the end of its input" ]]
	[ "$(written | wc -l)" -eq 3 ]
	run -75 through 'sed -u s/x/y/; exit 75' -G again
}

@test "what the manual shows does what it says" {
	local line
	printf '{"id":"error 1"}\n{"id":"fine"}\n' | kq-produce in
	sed -n '/^These commands answer/,/^In Python/p' "$BATS_TEST_DIRNAME/../../share/man/kq-consume.1.in" |
		sed -n '/^\.Bd/,/^\.Ed/{/^\./d;s/  *#.*//;s/\\e/\\/g;p;}' >examples
	cat examples
	[ "$(wc -l <examples)" -ge 4 ]
	while IFS= read -r line; do
		echo "$line"
		command -v "${line%% *}" >/dev/null || continue
		run -0 through "$line" -G "$line" --exec-timeout 10s
	done <examples
	[ "$(written | grep -ic 'error 1')" -ge 3 ]
}

@test "a signal: the batch under way is finished, or void" {
	seq 1 100 | kq-produce -p 0 in
	spawn a 'sed -u s/x/y/'
	until_true has_written 100
	kill -TERM "$job"
	died_of TERM "$job"
	[ ! -s a.err ]
	seq 101 200 | kq-produce -p 0 in
	spawn b 'read x; touch begun; exec sleep 1000'
	until_true test -e begun
	kill -TERM "$job"
	died_of TERM "$job"
	[ ! -s b.err ]
	through 'sed -u s/x/y/'
	once 1 200
}

@test "what does not go together is refused" {
	run -2 kq-consume -G g in --exec cat
	run -2 kq-consume -G g in --to out
	run -2 kq-consume in --exec cat --to out
	run -2 kq-consume -G g in --exec cat --to out --uncommitted
	run -2 kq-consume -G g in --exec cat --to out --frame json
	run -2 kq-consume -G g in --exec cat --to out --batch 0
	run -2 kq-consume -G g in --exec cat --to out --txn ''
	run -2 kq-consume -G g in --batch 10
	run -2 --separate-stderr kq-consume -G g in --exec cat --to in
	[[ "$stderr" == *"topic 'in' is also an input: its records would be read again" ]]
}

# ---- processes that die ----

@test "kq-consume is killed again and again: each record once" {
	local i code=1 kills=0
	seq 1 6000 | kq-produce in
	for ((i = 0; i < 60 && code != 0; i++)); do
		spawn a 'sed -u s/x/y/' -e --batch 5 --protocol classic --instance one --session 6s
		sleep "0.$((RANDOM % 5 + 1))$((RANDOM % 10))"
		kill -KILL "$job" && kills=$((kills + 1))
		code=0
		wait "$job" || code=$?
	done 2>/dev/null
	[ "$code" -eq 0 ] || through 'sed -u s/x/y/' --protocol classic --instance one --session 6s
	echo "$kills kills; $(cat a.err)"
	[ "$kills" -ge 3 ]
	once 1 6000
}

@test "the broker is killed in the midst, and comes back" {
	local i
	seq 1 6000 | kq-produce in
	spawn a 'sed -u s/x/y/' -e --batch 20
	for i in 1 2 3; do
		until_true has_written $((i * 100))
		kill_broker
		restart_broker
	done
	wait "$job"
	cat a.err
	[ ! -s a.err ]
	once 1 6000
}

@test "two share the work; one is killed, the other takes over" {
	local p a b
	for p in classic consumer; do
		anew out
		anew in
		seq 1 1000 | kq-produce in
		spawn a 'sed -u s/x/y/' --batch 20 --protocol $p --session 2s -G $p
		a=$job
		spawn b 'sed -u s/x/y/' --batch 20 --protocol $p --session 2s -G $p
		b=$job
		seq 1001 3000 | kq-produce in
		until_true has_written 1500
		kill -KILL "$a"
		seq 3001 4000 | kq-produce in
		until_true has_written 4000
		kill -TERM "$b"
		died_of TERM "$b"
		[ ! -s b.err ]
		once 1 4000
	done
}

@test "partitions that are wanted in the midst of a slow batch: it is void, nothing doubles" {
	local p
	for p in classic consumer; do
		anew out
		anew in
		rm -f hung
		seq 1 300 | kq-produce in
		# hangs once, in its first batch; before that it might not be a member yet, and
		# no partitions would be taken from it
		spawn a 'test -e hung || { read x; touch hung; exec sleep 1000; }; exec sed -u s/x/y/' --protocol $p -G $p
		until_true test -e hung
		spawn b 'sed -u s/x/y/' --protocol $p -G $p
		until_true has_written 300
		kill -TERM "${jobs[@]: -2}"
		died_of TERM "${jobs[-2]}"
		died_of TERM "${jobs[-1]}"
		once 1 300
	done
}

@test "another with the same transactional id takes over" {
	local a
	seq 1 100 | kq-produce -p 0 in
	spawn a 'sed -u s/x/y/' --txn mine -G g
	a=$job
	until_true has_written 100
	spawn b 'sed -u s/x/y/' --txn mine -G h
	until_true has_written 200
	seq 101 200 | kq-produce -p 0 in
	wait "$a" && false
	grep -q "another producer with the transactional ID 'mine' has taken over" a.err
}

# ---- the pipe ----

cut_has() {
	[ "$(written | grep -c '^2')" -ge "$1" ]
}

@test "-G | filter | kq-produce: at least once, as long as the filter and kq-produce live" {
	mkfifo fifo
	seq 1 5000 | kq-produce in
	kq-consume -G pipe -o beginning -e in | sed 's/^/1/' | kq-produce out
	written | sort -n | cmp - <(seq 1 5000 | sed 's/^/1/' | sort -n)
	# killed while it runs: records may be repeated, but none is missing
	kq-consume -G cut -o beginning -u --commit-every 20ms --protocol classic --instance one in 3>&- >fifo &
	jobs+=("$!")
	sed -u 's/^/2/' <fifo 3>&- | kq-produce out 3>&- &
	jobs+=("$!")
	until_true cut_has 500
	kill -KILL "${jobs[0]}"
	wait "${jobs[1]}"
	kq-consume -G cut -o beginning -e --protocol classic --instance one in | sed 's/^/2/' | kq-produce out
	cmp <(written | grep '^2' | sort -u) <(seq 1 5000 | sed 's/^/2/' | sort)
}
