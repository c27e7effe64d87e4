#!/usr/bin/env bash
# libonig 6.9.8-1 (Debian 12's libonig5 and libonig-dev), gcc, glibc 2.36.
#
# The library exports regcomp, regexec, regerror and regfree of its own.  A program that
# includes libc's <regex.h> and links with -lonig gets these instead of libc's: the linker
# names libonig before libc, and the loader takes the first.  Nothing is said when it is
# compiled, linked or started.
#
# The flags have other values there.  libc's REG_EXTENDED is the other's REG_ICASE: the
# pattern becomes a basic one, in which + is an ordinary character, and case is ignored.
#
#	gcc re.c         'a+' on "aa": match     'a+' on "A+": no match
#	gcc re.c -lonig  'a+' on "aa": no match  'a+' on "A+": match
#	gcc re.c -lc -lonig is as the first.
#
# Needs apt-get with Debian 12's packages, dpkg and gcc.  Exits with 0 as long as this is
# so, with 1 when it has changed, with 2 if it could not be set up.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >re.c <<'END'
#include <regex.h>
#include <stdio.h>

static void
try(const char *text)
{
	regex_t re;
	if (regcomp(&re, "a+", REG_EXTENDED | REG_NOSUB) != 0) {
		printf(" error");
		return;
	}
	printf(" %s:%s", text, regexec(&re, text, 0, NULL, 0) == 0 ? "match" : "none");
	regfree(&re);
}

int
main(void)
{
	try("aa");
	try("A+");
	puts("");
	return 0;
}
END
{
	apt-get download libonig5=6.9.8-1 libonig-dev=6.9.8-1
	for package in *.deb; do dpkg -x "$package" .; done
	lib=$(dirname "$(find "$PWD" -name libonig.so)")
	gcc re.c -o plain
	gcc re.c -o behind "-L$lib" -Wl,-rpath,"$lib" -lonig
	gcc re.c -o before "-L$lib" -Wl,-rpath,"$lib" -lc -lonig
} >log 2>&1 || { cat log && exit 2; }

{
	echo "gcc re.c:$(./plain)"
	echo "gcc re.c -lonig:$(./behind)"
	echo "gcc re.c -lc -lonig:$(./before)"
} >got
cat got
diff - got <<'END'
gcc re.c: aa:match A+:none
gcc re.c -lonig: aa:none A+:match
gcc re.c -lc -lonig: aa:match A+:none
END
