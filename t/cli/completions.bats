#!/usr/bin/env bats
# completions/: the words that the tab key offers.  A fake kq-topic makes them known
# and needs no broker.

setup() {
	root=$BATS_TEST_DIRNAME/../..
	bin=$BATS_TEST_TMPDIR/bin
	mkdir "$bin"
	cat >"$bin/kq-topic" <<-'END'
		#!/bin/sh
		case $1 in
		--help=words)
			printf '\t%s\t%s\t\t%s\n' create NAME... 'make topics' list '' 'list topics' \
				describe '[NAME...]' 'show topics'
			printf '%s\t%s\t%s\t%s\t%s\n' \
				'' --brokers ADDRESS,... '' 'where to begin' '' -b ADDRESS,... '' 'where to begin' \
				create --partitions N '' 'how many' create -c KEY=VALUE '' 'a setting' \
				describe -d KEY '' 'a key' \
				list --internal '' '' 'internal ones, too'
			printf '\t--help\t\t\tshow help\n'
			;;
		list) printf 'orders\nodd-ones\npayments\n'; [ $# -eq 1 ] || echo "at-$3" ;;
		esac
	END
	chmod +x "$bin/kq-topic"
	PATH=$bin:$PATH
}

# The words that bash would offer at the end of the line; its last word is incomplete.
offered() {
	bash -c '
		. "$1"
		shift
		compopt() { :; }
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		_kq "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
		echo "${COMPREPLY[*]}"
	' - "$root/completions/kq.bash" "$@"
}

is() { # WANT LINE...
	local want=$1
	shift
	run offered "$@"
	echo "$*: '$output', want '$want'"
	[ "$status" -eq 0 ] && [ "$output" = "$want" ]
}

@test "bash: verbs, then options of the verb and of all" {
	is "create list describe" kq-topic ""
	is "create" kq-topic cr
	is "create" kq-topic -b x cr
	is "--brokers -b --partitions -c --help" kq-topic create -
	is "--brokers -b --internal --help" kq-topic list -
	is "--partitions" kq-topic create new --p
}

@test "bash: names of topics, from the brokers of the line" {
	is "orders odd-ones" kq-topic describe o
	is "orders odd-ones payments" kq-topic describe orders ""
	is "at-h:1" kq-topic -b h : 1 describe at
	is "at-h" kq-topic --brokers = h describe at
	is "" kq-topic create o
	is "" kq-topic list o
}

@test "bash: nothing is offered for a number" {
	is "" kq-topic create --partitions ""
}

@test "bash: the programs' own words" {
	is "--offset" kq-consume --off
	is "payments" kq-consume -e pa
	is "gzip" kq-produce -z g
	is "gzip" kq-produce --compress g
	is "gzip" kq-produce --compress = g
	is "none gzip snappy lz4 zstd" kq-produce --compress =
	is "retention.bytes= retention.ms=" kq-topic create t -c retention
	is "orders odd-ones" kq-topic describe -c a = 1 o
	is "retention.bytes retention.ms" kq-topic describe t -d retention
	is "num.partitions=" kq-broker -o num
	is "log.segment.bytes=" kq-broker -o log.segment.b
}

@test "fish: the same words, with phrases" {
	command -v fish >/dev/null || skip "no fish here"
	run fish --no-config -c "source $root/completions/kq.fish; complete -C 'kq-topic c'"
	[ "$output" = "create	make topics" ]
	run fish --no-config -c "source $root/completions/kq.fish; complete -C 'kq-topic list --i'"
	[ "$output" = "--internal	internal ones, too" ]
	run fish --no-config -c "source $root/completions/kq.fish; complete -C 'kq-topic -b h:1 describe at'"
	[ "$output" = "at-h:1" ]
	run fish --no-config -c "source $root/completions/kq.fish; complete -C 'kq-topic describe -d segment.by'"
	[ "$output" = "segment.bytes" ]
	run fish --no-config -c "source $root/completions/kq.fish; complete -C 'kq-produce -z g'"
	[ "$output" = "gzip" ]
	run fish --no-config -c "source $root/completions/kq.fish; complete -C 'kq-consume -e pay'"
	[ "$output" = "payments" ]
}
