#!/usr/bin/env bats
# share/install-deps with a fake apt-get.

bats_require_minimum_version 1.5.0

setup() {
	root=$BATS_TEST_DIRNAME/../..
	bin=$BATS_TEST_TMPDIR/bin
	mkdir "$bin"
	for c in sh env id sed awk mktemp rm cat ln cc make bats prove python3; do
		ln -s "$(command -v "$c")" "$bin/$c"
	done
	printf '#!/bin/sh\nexec "$@"\n' >"$bin/sudo"
	chmod +x "$bin/sudo"
	for c in kcat clang; do
		ln -s /bin/true "$bin/$c"
	done
	[ -z "$("$root/share/install-deps" 2>&1)" ] || skip "something is missing here"
}

# A fake apt-get that records its arguments, then runs the lines of stdin.
fake_apt() {
	{
		echo '#!/bin/sh'
		echo "echo \"\$DEBIAN_FRONTEND \$*\" >>$BATS_TEST_TMPDIR/calls"
		cat
	} >"$bin/apt-get"
	chmod +x "$bin/apt-get"
}

install_deps() {
	PATH=$bin "$root/share/install-deps" "$@"
}

@test "nothing is said or done when all is there" {
	fake_apt <<<'exit 1'
	run --separate-stderr -0 install_deps
	[ -z "$output" ] && [ -z "$stderr" ]
	[ ! -e "$BATS_TEST_TMPDIR/calls" ]
}

@test "what is missing is installed, and said" {
	rm "$bin/kcat"
	fake_apt <<<"ln -s /bin/true $bin/kcat"
	run --separate-stderr -0 install_deps
	[ -z "$output" ]
	[ "$stderr" = "install-deps: installing kcat" ]
	[ "$(wc -l <"$BATS_TEST_TMPDIR/calls")" -eq 1 ]
	grep -q '^noninteractive .*install -y .* kcat$' "$BATS_TEST_TMPDIR/calls"
}

@test "package lists are fetched when the package is not known yet" {
	rm "$bin/kcat"
	fake_apt <<-END
		case "\$*" in
		*update) ln -s /bin/true $bin/updated ;;
		*) [ -e $bin/updated ] || { echo "E: Unable to locate package"; exit 100; }
		   ln -s /bin/true $bin/kcat ;;
		esac
	END
	run --separate-stderr -0 install_deps
	[ "$(wc -l <"$BATS_TEST_TMPDIR/calls")" -eq 3 ]
	[[ $stderr != *"Unable to locate"* ]]
}

@test "an apt-get that fails is quoted" {
	rm "$bin/kcat"
	fake_apt <<<'echo "E: no network"; exit 100'
	run --separate-stderr -1 install_deps
	[[ $stderr == *"E: no network"*"could not install kcat"* ]]
}

@test "an apt-get that installs nothing is not believed" {
	rm "$bin/kcat"
	fake_apt <<<'exit 0'
	run --separate-stderr -1 install_deps
	[[ $stderr == *"these are missing"*kcat*"a foreign client"* ]]
}

@test "without apt-get there is a list" {
	rm "$bin/kcat" "$bin/bats"
	run --separate-stderr -1 install_deps
	[ -z "$output" ]
	[[ $stderr == *bats*"tests of the programs"*kcat*"a foreign client"*"own package manager"* ]]
}

@test "clang is asked for with --fuzz only" {
	rm "$bin/clang"
	run -0 install_deps
	run --separate-stderr -1 install_deps --fuzz
	[[ $stderr == *clang* ]]
}

@test "--list names the packages, another option is refused" {
	run -0 install_deps --list
	[[ $output == *"libyaml-dev "*"kcat "*"clang "* ]]
	run --separate-stderr -2 install_deps --lst
	[[ $stderr == *"option '--lst' is not known"* ]]
}
