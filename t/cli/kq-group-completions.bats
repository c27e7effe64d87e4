# completions/: groups, and the other arguments of kq-group.

setup() {
	root=$BATS_TEST_DIRNAME/../..
	bin=$BATS_TEST_TMPDIR/bin
	mkdir "$bin"
	real=$(command -v kq-group)
	cat >"$bin/kq-group" <<-END
		#!/bin/sh
		case \$1 in
		--help=words) exec "$real" --help=words ;;
		list) printf 'billing\tclassic\tconsumer\tStable\nbooks\tconsumer\tconsumer\tEmpty\n'
			[ \$# -eq 1 ] || printf 'at-%s\tclassic\t-\tEmpty\n' "\$3" ;;
		esac
	END
	printf '#!/bin/sh\necho orders\n' >"$bin/kq-topic"
	chmod +x "$bin"/*
	PATH=$bin:$PATH
}

# is WANT LINE...: the words that bash would offer; the last word is incomplete.
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

@test "bash: groups, then topics" {
	is "delete delete-offsets" kq-group delete
	is "billing books" kq-group describe b
	is "books" kq-group describe billing bo
	is "at-h" kq-group -b h describe at
	is "billing books" kq-group seek ""
	is "orders" kq-group seek billing ""
	is "orders" kq-group delete-offsets billing ""
	is "" kq-group import ""
	is "--to" kq-group seek billing --t
	is "" kq-group list ""
	is "billing books" kq-group rm ""
	is "--yes" kq-group rm --y
}

@test "fish: groups, then topics" {
	command -v fish >/dev/null || skip "no fish here"
	offered() { fish --no-config -c "source $root/completions/kq.fish; complete -C '$1'"; }
	[ "$(offered 'kq-group describe bo')" = books ]
	[ "$(offered 'kq-group seek billing o')" = orders ]
	[ "$(offered 'kq-group seek bi')" = billing ]
	[ "$(offered 'kq-group wa')" = "watch	show lag and rate, refreshed regularly" ]
}

@test "zsh: the file is one that zsh reads" {
	command -v zsh >/dev/null || skip "no zsh here"
	zsh -n "$root/completions/_kq"
	grep -q '^#compdef .*kq-group' "$root/completions/_kq"
}
