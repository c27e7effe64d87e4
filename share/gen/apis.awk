# apis.awk: apis.tab -> C.   awk -v what=h|c -f apis.awk share/apis.tab
function fail(msg) {
	printf "%s:%d: %s\n", FILENAME, FNR, msg > "/dev/stderr"
	bad = 1
	exit 1
}
/^#/ || !NF { next }
NF < 4 { fail("write: KEY NAME VERSIONS NOTE") }
{
	n++; key[n] = $1 + 0; name[n] = $2; min[n] = max[n] = -1
	if (n > 1 && key[n] <= key[n - 1]) fail("keys rise")
	if ($3 ~ /^[0-9]+-[0-9]+$/) { split($3, v, "-"); min[n] = v[1] + 0; max[n] = v[2] + 0 }
	else if ($3 != "-") fail("bad version range '" $3 "'")
	text[n] = $0
	sub(/^[^ ]+ +[^ ]+ +[^ ]+ +/, "", text[n])
	if (text[n] == "-") text[n] = ""
	if (text[n] ~ /["\\]/) fail("no quotes in a note")
}
END {
	if (bad) exit 1
	print "/* Made by share/gen/apis.awk from share/apis.tab. Do not edit. */"
	if (what == "h") {
		print "#ifndef KQ_GEN_APIS_H\n#define KQ_GEN_APIS_H\n\nenum { KAFKA_API_N = " n " };\n\n#endif"
	} else {
		print "#include \"wire/kafka_api.h\"\n\nconst struct kafka_api kafka_apis[KAFKA_API_N] = {"
		for (i = 1; i <= n; i++)
			printf "\t{ %d, \"%s\", %d, %d, \"%s\" },\n", key[i], name[i], min[i], max[i], text[i]
		print "};"
	}
}
