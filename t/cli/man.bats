#!/usr/bin/env bats
# The manual pages as they are built.

setup() {
	build=$(dirname "$(command -v kq-broker)")
	pages=("$build"/man/*.[157])
	[ -e "${pages[0]}" ]
}

@test "nothing is left to fill in" {
	run grep -n '@[A-Z]*@$' "${pages[@]}"
	[ "$status" -eq 1 ]
}

@test "every long option of a command is in its page" {
	for page in "$build"/man/kq-*.1; do
		name=$(basename "$page" .1)
		"$build/$name" --help | sed -n 's/^  .*--\([a-z-]*\).*/\1/p' |
			grep -vx 'help\|version' >"$BATS_TEST_TMPDIR/options"
		[ -s "$BATS_TEST_TMPDIR/options" ]
		while read -r option; do
			echo "$name --$option"
			grep -q "^\.It .*Fl Fl $option\( \|$\)" "$page"
		done <"$BATS_TEST_TMPDIR/options"
	done
}

# --execute, a second name of --yes, is described elsewhere, and those that verbs share are
# in a section of their own.
@test "every option of a verb is in the synopsis" {
	for page in "$build"/man/kq-*.1; do
		name=$(basename "$page" .1)
		sed -n '/^\.Sh SYN/,/^\.Sh DESC/p' "$page" >"$BATS_TEST_TMPDIR/synopsis"
		"$build/$name" --help=words | awk -F '\t' '$1 != "" && $2 ~ /^--/ && $2 != "--execute" { print $2 }' |
			sort -u >"$BATS_TEST_TMPDIR/long"
		sed -n '/^\.Ss Options of/,/^\.S[hs] [^O]/p' "$page" >"$BATS_TEST_TMPDIR/shared"
		while read -r option; do
			! grep -q "Fl Fl ${option#--}\( \|$\)" "$BATS_TEST_TMPDIR/shared" || continue
			letter=$("$build/$name" --help=words | awk -F '\t' -v o="$option" '
				$2 == o { of = $1; phrase = $5 }
				$1 == of && $5 == phrase && $2 ~ /^-[a-zA-Z]$/ { print substr($2, 2); exit }')
			echo "$name $option $letter"
			grep -q "Fl \(Fl ${option#--}${letter:+\|$letter}\)\( \|$\)" "$BATS_TEST_TMPDIR/synopsis"
		done <"$BATS_TEST_TMPDIR/long"
	done
}

@test "every setting of the broker is in kq.yaml(5)" {
	kq-broker --help=config | sed -n 's/^\([a-z][a-z.]*\)  (.*/\1/p' >"$BATS_TEST_TMPDIR/keys"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/keys")" -gt 50 ]
	while read -r key; do
		echo "$key"
		grep -qxF ".It Ic $key" "$build/man/kq.yaml.5"
	done <"$BATS_TEST_TMPDIR/keys"
}

@test "the example of settings is one that the broker takes" {
	# A directory that cannot be created stops the broker after it has read the settings.
	run kq-broker -c "$BATS_TEST_DIRNAME/../../share/example.yaml" -d /dev/null/x
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"/dev/null/x"* ]]
	[[ $output != *warn* ]]
}

@test "mandoc finds nothing wrong" {
	command -v mandoc >/dev/null || skip "no mandoc here"
	run mandoc -Tlint -Wwarning "${pages[@]}"
	echo "$output"
	[ "$status" -eq 0 ] && [ -z "$output" ]
}
