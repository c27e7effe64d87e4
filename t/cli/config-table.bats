# share/config.tab against the settings of Apache Kafka, share/kafka-config.tab.
bats_require_minimum_version 1.5.0

tabs=$BATS_TEST_DIRNAME/../../share

# NAME WORD: where kq differs from Kafka in a type, default, synonym or limit.
# A limit may be narrower where Kafka checks elsewhere or not at all.
differs='
connections.max.idle.ms limit
default.replication.factor limit
group.coordinator.rebalance.protocols default
group.initial.rebalance.delay.ms default limit
group.max.session.timeout.ms limit
group.min.session.timeout.ms limit
internal.segment.bytes synonym limit mode
listeners default
log.flush.offset.checkpoint.interval.ms limit
log.retention.hours limit
log.retention.minutes limit
max.connections default limit
max.connections.per.ip limit
node.id default
num.partitions limit
offset.metadata.max.bytes limit
offsets.topic.num.partitions limit
offsets.topic.segment.bytes limit
queued.max.request.bytes default limit
socket.listen.backlog.size default
socket.request.max.bytes limit
transaction.state.log.num.partitions limit
transaction.state.log.segment.bytes limit
'

@test "settings have Kafka's types, defaults, limits and synonyms" {
	run awk -v differs="$differs" '
		function complain(word, want, got) {
			if (!((name, word) in known))
				print name ": " word " is " got ", in Kafka " want
			known[name, word] = "seen"
		}
		BEGIN {
			n = split(differs, line, "\n")
			for (i = 1; i <= n; i++) {
				m = split(line[i], w, " ")
				for (k = 2; k <= m; k++)
					known[w[1], w[k]] = "unseen"
			}
		}
		/^#/ || !NF { next }
		NR == FNR { # Kafka
			split($0, f, "\t")
			type[f[1], f[2]] = f[3]; def[f[1], f[2]] = f[4]; valid[f[1], f[2]] = f[5]
			split(f[6], s, ","); synonym[f[1], f[2]] = s[1]; mode[f[2]] = f[7]
			next
		}
		{
			name = $1; key = $2 SUBSEP $1
			if (!(key in type))
				next
			split($3, t, "=")
			kind = t[1]
			if (kind == "bool") kind = "boolean"
			if (kind ~ /^(enum|anycase)$/) kind = "string"
			if (kind == "replicas") kind = "list"
			want = def[key] == "\"\"" ? "-" : def[key]
			if (kind != type[key])
				complain("type", type[key], kind)
			if ($4 != want)
				complain("default", want, $4)
			if ($7 != synonym[key])
				complain("synonym", synonym[key], $7)
			# The limits, in the notation of Kafka.
			low = $5; high = $6; also = ""
			if (split($5, lows, "|") == 2) { also = " or " lows[1]; low = lows[2] }
			got = low == "-" && high == "-" ? "-" \
				: "[" low ",..." (high == "-" ? "" : "," high) "]" also
			if (kind ~ /^(int|long|double)$/ && got != valid[key])
				complain("limit", valid[key], got)
			# The words, in any order.
			if (t[2] != "" && valid[key] ~ /\[/) {
				all = tolower(valid[key]); gsub(/^[^[]*\[|\]| /, "", all)
				split(all, w, ","); n = split(tolower(t[2]), mine, ",")
				nall = 0; ok = 1
				for (i in w) { words[name, w[i]]; nall++ }
				for (i in mine) if (!((name, mine[i]) in words)) ok = 0
				if (!ok || n > nall || (n < nall && $2 == "topic"))
					complain("words", valid[key], t[2])
			}
			# A setting that kq can change at run time can be changed in Kafka, too.
			if ($8 == "live" && mode[$1] == "-")
				complain("mode", "-", "live")
			if ($2 == "topic" && $7 != "-" && ($7 in mode) && mode[$7] == "-")
				complain("mode", "-", "live")
		}
		END {
			for (i in known)
				if (known[i] == "unseen") {
					sub(SUBSEP, " ", i)
					print i ": no difference any more"
				}
		}
	' "$tabs/kafka-config.tab" "$tabs/config.tab"
	echo "$output"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "every topic setting of Kafka is one of kq's" {
	run awk '/^#/ || !NF { next }
		NR == FNR { if ($2 == "topic") mine[$1]; next }
		$1 == "topic" && !($2 in mine) { print $2 }' "$tabs/config.tab" "$tabs/kafka-config.tab"
	echo "$output"
	[ -z "$output" ]
}

# default.replication.factor can only be 1.
@test "every setting with an effect is read by the broker" {
	cd "$tabs/.."
	run awk '!/^#/ && NF && $8 ~ /^(yes|live)$/ && $1 != "default.replication.factor" {
		name = toupper($1); gsub(/\./, "_", name); print "CONFIG_" name }' share/config.tab
	[ "${#lines[@]}" -gt 50 ]
	for name in "${lines[@]}"; do
		grep -rqw "$name" cmd common || { echo "$name is not used"; false; }
	done
}
