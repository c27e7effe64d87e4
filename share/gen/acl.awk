# acl.awk: acl.tab -> C.   awk -f acl.awk share/acl.tab
# enum acl_operation, and for each kind of resource ACL_<KIND>_OPERATIONS, the
# operations that can be allowed on it, as bits.
function fail(msg) {
	printf "%s:%d: %s\n", FILENAME, FNR, msg > "/dev/stderr"
	bad = 1
	exit 1
}
/^#/ || !NF { next }
NF < 3 { fail("write: CODE NAME RESOURCES") }
{
	if ($1 !~ /^[0-9]+$/ || $1 != n) fail("codes rise by one from 0")
	word[n] = "ACL_" toupper($2)
	for (i = 3; i <= NF && $i != "-"; i++) {
		if (!($i in mask)) kind[++nkind] = $i
		mask[$i] = mask[$i] (mask[$i] == "" ? "" : " | ") "1 << " word[n]
	}
	n++
}
BEGIN { n = 0 }
END {
	if (bad) exit 1
	print "/* Made by share/gen/acl.awk from share/acl.tab. Do not edit. */"
	print "#ifndef KQ_GEN_ACL_H\n#define KQ_GEN_ACL_H\n\nenum acl_operation {"
	for (i = 0; i < n; i++) printf "\t%s = %d,\n", word[i], i
	print "};\n\nenum {"
	for (i = 1; i <= nkind; i++)
		printf "\tACL_%s_OPERATIONS = %s,\n", toupper(kind[i]), mask[kind[i]]
	print "};\n\n#endif"
}
