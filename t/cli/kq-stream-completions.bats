#!/usr/bin/env bats
# completions/: the words of kq-stream's chains, from the program itself.

setup() {
	root=$BATS_TEST_DIRNAME/../..
	bin=$BATS_TEST_TMPDIR/bin
	mkdir "$bin"
	printf '#!/bin/sh\nprintf "orders\\nodd\\n"\n' >"$bin/kq-topic"
	chmod +x "$bin/kq-topic"
	PATH=$bin:$PATH
}

# is WANT LINE...: bash offers the words; the last word of the line is incomplete
is() {
	local want=$1
	shift
	run bash -c '
		. "$1"
		shift
		compopt() { :; }
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		_kq "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
		echo "${COMPREPLY[*]}"
	' - "$root/completions/kq.bash" "$@"
	echo "$*: '$output', want '$want'"
	[ "$status" -eq 0 ] && [ "$output" = "$want" ]
}

@test "bash: verbs, steps, arguments, and their values" {
	is "from" kq-stream fr
	is "then time format key separator as history name orders odd" kq-stream from ""
	is "orders odd" kq-stream from o
	is "time top table to" kq-stream from orders then t
	is "then time format key separator as history name" kq-stream from orders time .ts ""
	is "json text bytes csv" kq-stream from - format ""
	is "tumbling" kq-stream from - then window tu
	is "grace" kq-stream from - then by .a then window tumbling 1m gr
	is "left" kq-stream from a then join le
	is "outer on orders odd" kq-stream from a then join o
	is "--print-yaml" kq-stream from a --pri
	is "filter filter-not flatmap" kq-stream explain from a then f
}

@test "every step and argument is offered" {
	kq-stream --help=words | awk -F '\t' '$1 == "then" { print $2 }' >steps
	[ "$(wc -l <steps)" -ge 20 ]
	while read -r step; do
		kq-stream "$step" --help >/dev/null
	done <steps
	rm steps
}

@test "applications that run, and their stores, are offered" {
	real=$(command -v kq-stream)
	cat >"$bin/kq-stream" <<-END
		#!/bin/sh
		case "\$1 \$2" in
		"ps "*) printf 'application  pid\nshop         1\nshop         2\nsales        3\n' ;;
		"query shop") printf 'store   step\ncounts  agg\ntotals  agg\n' ;;
		*) exec "$real" "\$@" ;;
		esac
	END
	chmod +x "$bin/kq-stream"
	is "sales shop" kq-stream describe s
	is "shop" kq-stream stop sh
	is "counts totals" kq-stream query shop ""
	is "totals" kq-stream query -J shop t
	is "" kq-stream query shop totals ""
	is "--all" kq-stream stop shop --al
	is "sales shop" kq-stream reset s
}
