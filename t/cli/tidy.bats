#!/usr/bin/env bats
# Each check of share/gen/tidy passes on a good tree, and fails on a fault.

setup() {
	tidy=$BATS_TEST_DIRNAME/../../share/gen/tidy
	cd "$BATS_TEST_TMPDIR"
	mkdir -p cmd/kq-a cmd/kq-b common/base common/sys completions share/man build
	echo kq-a kq-b | tee completions/kq.bash completions/_kq completions/kq.fish >/dev/null
	touch share/man/kq-a.1.in share/man/kq-b.1.in
	printf 'base:\nsys: base\n' >common/LAYERS
	printf 'kq-a: 1\n\tmain\n\tlook\nkq-b: 2\n' >cmd/LAYERS
	printf 's  str\nn  int* # a count\n' >share/letters
	printf '/* Strings. */\nstruct str {\n\tconst char *at;\n\tint n;\n};\n' >common/base/str.h
	printf '#include "base/str.h"\n\nint\nsys_read(struct str *s)\n{\n\treturn s->n\n\t    && s->at;\n}\n' >common/sys/sys.c
	printf '#include "base/str.h"\n#include "kq-a/look.h"\n\nint\nmain(void)\n{\n\treturn look();\n}\n' >cmd/kq-a/main.c
	printf '/* A look. */\nint look(void);\n' >cmd/kq-a/look.h
	printf '#include "kq-a/look.h"\n\n/* ---- a section ---- */\n\nint\nlook(void)\n{\n\treturn 0;\n}\n' >cmd/kq-a/look.c
	printf 'int b_x(void);\nint\nmain(void)\n{\n\treturn b_x();\n}\n' >cmd/kq-b/main.c
	printf 'int b_x(void);\nint\nb_x(void)\n{\n\treturn 0;\n}\n' >cmd/kq-b/x.c
	cat >README.md <<-'END'
	## Source tree

	| where | what |
	|---|---|
	| `cmd/kq-a/`, `cmd/kq-b/`, `common/base/` | `str` |
	| `common/` | `sys/` |
	| `share/`, `completions/` | data |
	| `share/man/` | pages |

	## Else
	END
}

# build: the objects and the library of the small tree.
build() {
	local file
	for file in cmd/*/*.c common/*/*.c; do
		mkdir -p "build/$(dirname "$file")"
		cc -Icommon -Icmd -c -o "build/${file%.c}.o" "$file"
	done
	rm -f build/libkq.a
	ar rcs build/libkq.a build/common/*/*.o
}

# refused CHECK LINE: the check reports exactly this line.
refused() {
	run "$tidy" "$1"
	echo "$output"
	[ "$status" -eq 1 ]
	[ "$output" = "$2" ]
}

all='layers includes headers functions files columns form letters tags symbols loops commands tree'

@test "a good tree passes every check" {
	build
	run "$tidy" $all
	echo "$output"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	run "$tidy" nonsense
	[ "$status" -eq 2 ]
}

@test "every check is described, and make check-tidy runs it" {
	run sed -n '/^tidy :=/,/^check-tidy:/p' "$BATS_TEST_DIRNAME/../../Makefile"
	for check in $all; do
		grep -q "^#   $check  *[^ ]" "$tidy"
		[[ $output == *" $check"* ]]
	done
}

@test "layers: a room of common/ that is above" {
	echo '#include "sys/sys.h"' >>common/base/str.h
	refused layers 'common/base/str.h:6: base may not include sys/ (common/LAYERS)'
}

@test "layers: a table that goes upwards" {
	printf 'base: sys\nsys:\n' >common/LAYERS
	run "$tidy" layers
	[ "$status" -eq 1 ]
	[ "${lines[0]}" = 'common/LAYERS:1: base is not above sys' ]
}

@test "layers: a room without a row" {
	mkdir common/io
	echo '/* A. */' | tee common/io/a.h >common/io/b.h
	refused layers 'common/LAYERS: io has no row: add one'
}

@test "layers: a file of another command" {
	echo '#include "kq-a/look.h"' >>cmd/kq-b/x.c
	refused layers 'cmd/kq-b/x.c:7: kq-b may include its own files and common/, not kq-a/'
}

@test "layers: a file of a floor above" {
	echo '/* M. */' >cmd/kq-a/main.h
	echo '#include "kq-a/main.h"' >>cmd/kq-a/look.h
	refused layers 'cmd/kq-a/look.h:3: look may not include main: it is on a floor above (cmd/LAYERS)'
}

@test "layers: a file without a floor, a floor without a file" {
	echo >cmd/kq-a/new.c
	refused layers 'cmd/kq-a/new.c:1: has no floor in cmd/LAYERS: add it to one'
	rm cmd/kq-a/new.c
	printf 'kq-a: 1\n\tmain\n\tlook old\n' >cmd/LAYERS
	refused layers 'cmd/LAYERS:3: kq-a has no file old: remove it'
}

@test "layers: a source and its header on two floors" {
	printf 'kq-a: 1\n\tlook.c\n\tmain\n\tlook.h\n' >cmd/LAYERS
	echo '/* M. */' >cmd/kq-a/main.h
	echo '#include "kq-a/main.h"' >>cmd/kq-a/look.c
	"$tidy" layers
	echo '#include "kq-a/main.h"' >>cmd/kq-a/look.h
	refused layers 'cmd/kq-a/look.h:3: look may not include main: it is on a floor above (cmd/LAYERS)'
}
@test "layers: floors of a folder below, by a pattern" {
	mkdir cmd/kq-a/api
	printf 'kq-a: 1\n\tmain\n\tapi/*\n\tlook\n' >cmd/LAYERS
	echo '#include "kq-a/look.h"' >cmd/kq-a/api/x.c
	"$tidy" layers
	echo '/* X. */' >cmd/kq-a/api/x.h
	echo '#include "kq-a/api/x.h"' >>cmd/kq-a/look.c
	refused layers 'cmd/kq-a/look.c:10: look may not include api/x: it is on a floor above (cmd/LAYERS)'
}

@test "layers: a generated header counts as one of its room" {
	printf 'base:\nwire: base\nsys: base\n' >common/LAYERS
	echo '#include "proto.h"' >>common/sys/sys.c
	refused layers 'common/sys/sys.c:9: sys may not include wire/ (common/LAYERS)'
}

@test "layers: an include that is written with blanks" {
	printf '#\tinclude  "sys/sys.h"\n' >>common/base/str.h
	refused layers 'common/base/str.h:6: base may not include sys/ (common/LAYERS)'
}

@test "includes: a header without its folder" {
	echo '#include "look.h"' >>cmd/kq-a/main.c
	refused includes 'cmd/kq-a/main.c:9: "look.h": include it with its folder'
	printf '#include "proto.h"\n#include "kerr_gen.h"\n#include <stdio.h>\n' >cmd/kq-a/main.c
	"$tidy" includes
}

@test "headers: no comment at the top" {
	echo 'int bare(void);' >common/base/bare.h
	refused headers 'common/base/bare.h:1: the header has no opening comment: say what it is and how to use it'
}

@test "functions: more than 70 lines" {
	{ printf 'int\nf(void)\n{\n'; yes '' | head -n 68; echo '}'; } >cmd/kq-b/x.c
	"$tidy" functions
	{ printf 'int\nf(void)\n{\n'; yes '' | head -n 69; echo '}'; } >cmd/kq-b/x.c
	refused functions 'cmd/kq-b/x.c:3: a function of 71 lines, at most 70'
	{ echo 'int f(void) {'; yes '' | head -n 69; echo '}'; } >cmd/kq-b/x.c
	refused functions 'cmd/kq-b/x.c:1: a function of 71 lines, at most 70'
}

@test "files: more than 800 lines" {
	yes '' | head -n 800 >cmd/kq-b/x.c
	"$tidy" files
	echo >>cmd/kq-b/x.c
	refused files 'cmd/kq-b/x.c:801: a file of 801 lines, at most 800'
}

@test "columns: more than 100, a tab counting as 4" {
	printf '\t%096d\n' 0 >cmd/kq-b/x.c
	"$tidy" columns
	printf '\t%097d\n' 0 >cmd/kq-b/x.c
	refused columns 'cmd/kq-b/x.c:1: 101 columns, at most 100 (a tab counts 4)'
}

@test "form: an operator at the end of a line, another kind of section" {
	printf 'int\nf(int n)\n{\n\treturn n ||\n\t    n;\n}\n' >cmd/kq-b/x.c
	refused form "cmd/kq-b/x.c:4: '||' belongs at the start of the next line"
	printf '\tn && /* why */\n' >cmd/kq-b/x.c
	refused form "cmd/kq-b/x.c:1: '&&' belongs at the start of the next line"
	printf '/* The first &&\n * and the second || */\n' >cmd/kq-b/x.c
	"$tidy" form
	echo '/* --- three --- */' >cmd/kq-b/x.c
	refused form "cmd/kq-b/x.c:1: a section begins with '/* ---- name ---- */'"
}

@test "letters: a letter of another type, and two that are compared" {
	printf 'int\nf(const struct str *n)\n{\n\treturn 0;\n}\n' >cmd/kq-b/x.c
	refused letters "cmd/kq-b/x.c:2: 'n' is not a name for str (share/letters)"
	printf 'int\nf(void)\n{\n\tint32_t r = 0;\n}\n' >cmd/kq-b/x.c
	refused letters "cmd/kq-b/x.c:4: 'r' is not a name for int32_t (share/letters)"
	printf 'int\nf(struct str *a, struct str *b)\n{\n\tint32_t n, point = 0; /* int r; */\n}\n' >cmd/kq-b/x.c
	"$tidy" letters
	printf 'int\nf(void *p)\n{\n\tstruct str *x = p, *y = p;\n}\n' >cmd/kq-b/x.c
	run "$tidy" letters
	[ "${lines[*]}" = "cmd/kq-b/x.c:2: 'p' is not a name for void (share/letters)" ]
	printf 'int\nf(void)\n{\n\tstruct str *s, *n;\n}\n' >cmd/kq-b/x.c
	refused letters "cmd/kq-b/x.c:4: 'n' is not a name for str (share/letters)"
	printf 'int\nf(struct str *a, int b)\n{\n}\n' >cmd/kq-b/x.c
	run "$tidy" letters
	[ "${#lines[@]}" -eq 2 ]
}

@test "tags: one of a local struct in another file" {
	printf '\tstatic struct str { int x; } y;\n' >cmd/kq-b/x.c
	refused tags 'common/base/str.h:2: struct str is also at cmd/kq-b/x.c:1: rename one'
	printf 'struct __attribute__((packed)) str {\n' >cmd/kq-b/x.c
	refused tags 'common/base/str.h:2: struct str is also at cmd/kq-b/x.c:1: rename one'
	printf 'struct str\n{\n' >cmd/kq-b/x.c
	refused tags 'common/base/str.h:2: struct str is also at cmd/kq-b/x.c:2: rename one'
	printf 'struct str\nf(void)\n{\n' >cmd/kq-b/x.c
	"$tidy" tags
}

@test "symbols: one of the library in a command, one in two commands" {
	printf 'int sys_read;\n' >>cmd/kq-b/x.c
	build
	refused symbols 'build/cmd/kq-b/x.o: sys_read is also in build/libkq.a[sys.o]: rename one'
	sed -i 's/sys_read/look/' cmd/kq-b/x.c
	build
	refused symbols 'build/cmd/kq-b/x.o: look is also in build/cmd/kq-a/look.o: rename one'
}

@test "loops: more objects than allowed; objects without a source do not count" {
	printf 'int b_y(void);\nint b_x(void)\n{\n\treturn b_y();\n}\n' >cmd/kq-b/x.c
	printf 'int b_z(void);\nint b_y(void)\n{\n\treturn b_z();\n}\n' >cmd/kq-b/y.c
	printf 'int b_x(void);\nint b_z(void)\n{\n\treturn b_x();\n}\n' >cmd/kq-b/z.c
	build
	run "$tidy" loops
	[ "$status" -eq 1 ]
	[ "${lines[0]}" = 'build/cmd/kq-b/: loop of 3 objects: x y z' ]
	[[ ${lines[1]} == "cmd/LAYERS: at most 2 for kq-b: remove a call that '"*"/callgraph -c build/cmd/kq-b' lists" ]]
	sed -i 's/^kq-b: 2/kq-b: 3/' cmd/LAYERS
	"$tidy" loops
	sed -i 's/^kq-b: 3/kq-b: 2/' cmd/LAYERS
	rm cmd/kq-b/z.c
	"$tidy" loops
}

@test "symbols and loops: objects that are not built" {
	build
	rm build/cmd/kq-b/x.o
	refused symbols 'build/cmd/kq-b/x.o is not built: run make'
	refused loops 'build/cmd/kq-b/x.o is not built: run make'
}

@test "commands: one without a row, a manual page or completions" {
	echo 'int main(void);' >cmd/kq-c.c
	run "$tidy" commands
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 5 ]
	[ "${lines[0]}" = 'cmd/LAYERS: kq-c has no row: add one' ]
	[ "${lines[1]}" = 'share/man/kq-c.1.in: the manual page of kq-c is missing' ]
	[ "${lines[4]}" = 'completions/kq.fish: kq-c is not in the list of commands' ]
}

@test "tree: a folder that is missing in the README, or only there" {
	mkdir man
	refused tree 'README.md: "Source tree" lacks man/: add it'
	rmdir man
	mkdir common/io
	refused tree 'README.md: "Source tree" lacks common/io/: add it'
	rmdir common/io
	rm -r common/sys
	refused tree 'README.md:6: common/sys/ does not exist'
}

@test "callgraph: edges, and what each cut leaves" {
	printf 'int b_x(void);\nint b_y(void);\nint b_y(void)\n{\n\treturn b_x();\n}\n' >cmd/kq-b/y.c
	printf 'int b_y(void);\nint b_x(void)\n{\n\treturn b_y();\n}\n' >cmd/kq-b/x.c
	build
	callgraph=$(dirname "$tidy")/callgraph
	run "$callgraph" -e build/cmd/kq-b
	[ "${lines[0]}" = 'build/cmd/kq-b/: loop of 2 objects: x y' ]
	[ "${lines[1]}" = '  x -> y: b_y' ]
	[ "${lines[2]}" = '  y -> x: b_x' ]
	run "$callgraph" -c build/cmd/kq-b
	[ "${lines[1]}" = '    1 without x -> y: b_y' ]
	run "$callgraph" build/cmd/kq-a
	[ "$output" = 'no loop among 2 objects' ]
	run "$callgraph"
	[ "$status" -eq 2 ]
}
