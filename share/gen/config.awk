# config.awk: config.tab -> C.   awk -v what=h|c -f config.awk share/config.tab
function fail(msg) {
	printf "%s:%d: %s\n", FILENAME, FNR, msg > "/dev/stderr"
	bad = 1
	exit 1
}
function limit(s, other) { return s == "-" ? other : s "LL" }
/^#/ || !NF { next }
NF < 9 { fail("write: NAME SCOPE TYPE DEFAULT MIN MAX SYNONYM ENFORCED SENTENCE") }
{
	n++; name[n] = $1; scope[n] = toupper($2); def[n] = $4 == "-" ? "" : $4
	split($3, t, "="); type[n] = toupper(t[1]); choices[n] = t[2]
	if (type[n] !~ /^(BOOL|INT|LONG|DOUBLE|STRING|LIST|ENUM)$/) fail("unknown type '" $3 "'")
	if (scope[n] !~ /^(TOPIC|BROKER)$/) fail("unknown scope '" $2 "'")
	lowest = type[n] == "INT" ? "INT32_MIN" : "INT64_MIN"
	highest = type[n] == "INT" ? "INT32_MAX" : "INT64_MAX"
	min[n] = limit($5, lowest); max[n] = limit($6, highest)
	syn[n] = $7 == "-" ? "NULL" : "\"" $7 "\""
	enforced[n] = $8 == "yes" ? "true" : "false"
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
	} else {
		print "#include \"text/config.h\"\n\nconst struct config_key config_table[CONFIG_N] = {"
		for (i = 1; i <= n; i++)
			printf "\t{ \"%s\", CONFIG_SCOPE_%s, CONFIG_TYPE_%s, \"%s\", %s, %s, \"%s\", %s, %s,\n\t\t\"%s\" },\n", name[i], scope[i], type[i], def[i], min[i], max[i], choices[i], syn[i], enforced[i], text[i]
		print "};"
	}
}
