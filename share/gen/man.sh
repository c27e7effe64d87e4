#!/bin/sh
# man.sh BUILD_DIR FILE.in: print a manual page.  Lines of @OPTIONS@, @CONFIG@,
# @STEPS@ or @PROTOCOL@ alone are replaced by text from the programs' own tables.
set -eu
build=$1 page=$2
name=$(basename "$page" .in)
name=${name%.*}

# If a program is not built, print a reference instead, and a note on stderr.
ask() {
	if [ -x "$build/$1" ]; then
		"$build/$1" "$2"
	else
		echo "man.sh: $page: no $build/$1 yet" >&2
		echo "See $1 $2."
	fi
}

while IFS= read -r line || [ -n "$line" ]; do
	case $line in
	@OPTIONS@) ask "$name" --help=mdoc ;;
	@CONFIG@) ask kq-broker --help=config-mdoc ;;
	@STEPS@) ask kq-stream --help=steps-mdoc ;;
	@PROTOCOL@) ask kq-broker --help=protocol-mdoc ;;
	*) printf '%s\n' "$line" ;;
	esac
done <"$page"
