# config.awk: config.tab -> C.
#   awk -v what=h|c -f config.awk share/config.tab share/kafka-config.tab
# The second table names Kafka's keys; those that config.tab lacks are listed, too.
function fail(msg) {
	printf "%s:%d: %s\n", FILENAME, FNR, msg > "/dev/stderr"
	bad = 1
	exit 1
}
function limit(s, other) { return s == "-" ? other : s "LL" }
/^#/ || !NF { next }
FILENAME ~ /kafka-config\.tab$/ {
	if (($1, $2) in known)
		next
	foreign[++nforeign] = sprintf("\t{ CONFIG_SCOPE_%s, \"%s\" },", toupper($1), $2)
	next
}
NF < 9 { fail("write: NAME SCOPE TYPE DEFAULT MIN MAX SYNONYM EFFECT SENTENCE") }
{
	n++; name[n] = $1; scope[n] = toupper($2); def[n] = $4 == "-" ? "" : $4
	split($3, t, "="); type[n] = toupper(t[1]); choices[n] = t[2]
	if (type[n] !~ /^(BOOL|INT|LONG|DOUBLE|STRING|LIST|ENUM|ANYCASE|REPLICAS)$/)
		fail("unknown type '" $3 "'")
	if (scope[n] !~ /^(TOPIC|BROKER|GROUP)$/) fail("unknown scope '" $2 "'")
	if ($8 !~ /^(yes|live|no|fixed)$/) fail("unknown effect '" $8 "'")
	lowest = type[n] == "INT" ? "INT32_MIN" : "INT64_MIN"
	highest = type[n] == "INT" ? "INT32_MAX" : "INT64_MAX"
	nmin = split($5, m, "|")
	min[n] = limit(m[nmin], lowest); max[n] = limit($6, highest)
	other[n] = nmin == 2 ? m[1] "LL" : min[n]
	syn[n] = $7 == "-" ? "NULL" : "\"" $7 "\""
	effect[n] = toupper($8)
	known[$2, $1] = 1
	if ($7 != "-") known["broker", $7] = 1
	text[n] = $0
	sub(/^[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +/, "", text[n])
	id[n] = toupper(name[n]); gsub(/\./, "_", id[n])
}
END {
	if (bad) exit 1
	print "/* Made by share/gen/config.awk from share/config.tab. Do not edit. */"
	if (what == "h") {
		print "#ifndef KQ_GEN_CONFIG_H\n#define KQ_GEN_CONFIG_H\n\nenum config_id {"
		for (i = 1; i <= n; i++) printf "\tCONFIG_%s,\n", id[i]
		print "\tCONFIG_N\n};\n\n#endif"
		exit
	}
	print "#include \"text/config.h\"\n\nconst struct config_key config_table[CONFIG_N] = {"
	for (i = 1; i <= n; i++)
		printf "\t{ \"%s\", CONFIG_SCOPE_%s, CONFIG_TYPE_%s, \"%s\", %s, %s, %s, \"%s\", %s, CONFIG_EFFECT_%s,\n\t\t\"%s\" },\n", name[i], scope[i], type[i], def[i], min[i], max[i], other[i], choices[i], syn[i], effect[i], text[i]
	print "};\n\nconst struct config_foreign config_foreign_table[] = {"
	for (i = 1; i <= nforeign; i++) print foreign[i]
	print "\t{ CONFIG_SCOPE_TOPIC, NULL },\n};"
}
