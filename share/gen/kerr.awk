# kerr.awk: errors.tab -> C.   awk -v what=h|c -f kerr.awk share/errors.tab
/^#/ || !NF { next }
NF < 4 || $1 !~ /^-?[0-9]+$/ || $3 !~ /^(yes|no)$/ {
	printf "%s:%d: write: CODE NAME yes|no SENTENCE\n", FILENAME, FNR > "/dev/stderr"
	bad = 1
	exit 1
}
{
	n++; code[n] = $1; name[n] = $2; retry[n] = $3 == "yes" ? "true" : "false"
	text[n] = $0
	sub(/^[^ ]+ +[^ ]+ +[^ ]+ +/, "", text[n])
	gsub(/["\\]/, "\\\\&", text[n])
}
END {
	if (bad) exit 1
	print "/* Made by share/gen/kerr.awk from share/errors.tab. Do not edit. */"
	if (what == "h") {
		print "#ifndef KQ_GEN_KERR_H\n#define KQ_GEN_KERR_H\n\nenum kerr {"
		for (i = 1; i <= n; i++) printf "\tKERR_%s = %d,\n", name[i], code[i]
		print "};\n\n#endif"
	} else {
		print "#include \"wire/kerr.h\"\n\nconst struct kerr_info kerr_table[] = {"
		for (i = 1; i <= n; i++)
			printf "\t{ %d, \"%s\", %s, \"%s\" },\n", code[i], name[i], retry[i], text[i]
		print "};\nconst int kerr_table_n = sizeof kerr_table / sizeof kerr_table[0];"
	}
}
