# share/demo passes, and fails if a byte is lost.  A fake catalogue and fake tools come
# before the real ones in PATH.

bats_require_minimum_version 1.5.0
load ../lib/kq.bash

setup() {
	demo=$BATS_TEST_DIRNAME/../../share/demo
	real=$(dirname "$(command -v kq-broker)")
	bin=$BATS_TEST_TMPDIR/bin
	export TMPDIR=$BATS_TEST_TMPDIR/tmp
	mkdir "$bin" "$TMPDIR"
	PATH=$bin:$PATH
	{
		seq -f '%.0f' 2000 | awk '{
			printf "Package: p%d\nVersion: 1:%d\nInstalled-Size: %d\nSection: s%d\n", $1 % 700, $1, $1, $1 % 9
			print "Description: one \"two\" \\three\n more of it\n .\n\nPackage:\nVersion: none\n"
		}'
		printf 'Package: odd\nDescription: tab\tbell\a \303\251 \177 end\nHomepage:\nSize: many\n'
	} >"$BATS_TEST_TMPDIR/catalogue"
	wrap apt-cache "cat '$BATS_TEST_TMPDIR/catalogue'"
}

# wrap NAME SCRIPT: put a program before the real one in PATH.
wrap() {
	printf '#!/bin/sh\nreal=%s\n%s\n' "$real" "$2" >"$bin/$1"
	chmod +x "$bin/$1"
}

refuses() {
	run "$demo"
	echo "$status: $output"
	[ "$status" -eq 1 ]
	[[ $output == *"demo: "$1* ]]
	[ -z "$(ls "$TMPDIR")" ]
}

@test "the demo passes, leaves nothing, and makes JSON" {
	skip_without python3
	wrap kq-produce "tee '$BATS_TEST_TMPDIR/made' | '$real/kq-produce' \"\$@\""
	run "$demo"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"knows 2001 packages"* ]]
	[[ $output == *"kq-consume: all 2001 records are back"* ]]
	[ -z "$(ls "$TMPDIR")" ]
	python3 - "$BATS_TEST_TMPDIR/made" <<-'END'
		import json, sys
		for line in open(sys.argv[1], encoding="utf-8"):
		    key, value = line.rstrip("\n").split("\t")
		    record = json.loads(value)
		    assert record["package"] == key, line
		    if key != "odd":
		        assert record["description"] == 'one "two" \\three', line
		        assert int(record["version"][2:]) == record["installed_kb"], line
		assert record == {"package": "odd", "description": "tab\tbell\a \u00e9 \x7f end"}, record
	END
}

@test "a record that is lost, or there twice, fails it" {
	wrap kq-consume '"$real/kq-consume" "$@" | sed 1000d'
	refuses "kq-consume: 2000 records came back of 2001"
	wrap kq-consume '"$real/kq-consume" "$@" | sed 1000p'
	refuses "kq-consume: 2002 records came back of 2001"
}

@test "a byte that differs fails it" {
	wrap kq-consume '"$real/kq-consume" "$@" | sed "s/\"1:1234\"/\"1:1235\"/"'
	refuses "kq-consume: what came back is not what went in"
	wrap kq-consume '"$real/kq-consume" "$@" | sed "s/\"1:1234\"/\"1:123\"/"'
	refuses "kq-consume: *bytes came back of"
}

@test "records of a key out of order fail it" {
	wrap kq-consume '"$real/kq-consume" "$@" | tac'
	refuses "kq-consume: what came back is not what went in"
}

@test "what kcat reads is compared, too" {
	skip_without kcat
	wrap kcat "'$(command -v kcat)' \"\$@\" | sed 7d"
	refuses "kcat: 2000 records came back of 2001"
}

@test "a program that fails, fails it" {
	wrap kq-produce 'exit 75'
	refuses "kq-produce failed with 75"
	rm "$bin/kq-produce"
	wrap kq-broker 'exit 1'
	refuses "the broker did not come up"
	wrap kq-broker "'$real/kq-broker' \"\$@\"; exit 3"
	run "$demo"
	[ "$status" -eq 1 ]
	[[ $output == *"demo: the broker ended with "* ]]
}

@test "without a catalogue the installed packages do; without those it says so" {
	skip_without dpkg-query
	wrap apt-cache 'exit 1'
	run "$demo"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"dpkg-query -W knows "* ]]
	wrap dpkg-query 'exit 1'
	refuses "neither apt-cache nor dpkg-query"
}
