# tidy.awk: the checks of share/gen/tidy that read text.
#
# -v on=" NAME NAME ... "  the checks to run
# Input: the tables (common/LAYERS, cmd/LAYERS, share/letters), then C files.

function is_on(check) { return index(on, " " check " ") > 0 }
function fault(what) { fault_at(FILENAME ":" FNR, what) }
function fault_at(place, what) { print place ": " what; bad = 1 }

# Removes the comment from a table's row; false: nothing is left.
function row() { sub(/#.*/, ""); return NF > 0 }

# A pattern of file or struct names, as a regular expression: only * is special.
function glob(s) { gsub(/\./, "\\.", s); gsub(/\*/, ".*", s); return "^(" s ")$" }

BEGIN {
	FUNCTION_MAX = 70; FILE_MAX = 800; COLUMN_MAX = 100; TAB = 4
	TYPE = "(struct [a-z_0-9]+|enum [a-z_0-9]+|u?int(8|16|32|64)_t|int|long long|long|unsigned char|unsigned|size_t|ssize_t|char|bool|double|void|json_t)"
	DECLARED = TYPE "( const)?( |[ ]?[*]+)(const )?[a-z][ ]*[],;)=[]"
	TAG = "^[\t ]*(typedef )?(static )?(const )?(struct|union|enum)[ ]+[a-z_0-9]+[ ]*"
	# Generated headers count as headers of these rooms.
	room_of["proto.h"] = room_of["kerr_gen.h"] = room_of["apis_gen.h"] = "wire"
	room_of["config_gen.h"] = "text"
}

# ---- tables ----

# room: the rooms whose headers it may include
FILENAME == "common/LAYERS" {
	if (!row()) next
	room = $1; sub(/:$/, "", room); is_room[room] = 1
	for (i = 2; i <= NF; i++) {
		if (!($i in is_room)) fault(room " is not above " $i)
		may[room, $i] = 1
	}
	next
}
# command: MAX, and below it its floors, indented.  MAX is for callgraph.
FILENAME == "cmd/LAYERS" {
	if (!row()) next
	if (!/^[ \t]/) { command = $1; sub(/:.*/, "", command); nfloor = 0; next }
	nfloor++
	for (i = 1; i <= NF; i++) {
		pattern[command, ++npattern[command]] = glob($i)
		floor_of[command, npattern[command]] = nfloor
		text_of[command, npattern[command]] = $i
		line_of[command, npattern[command]] = FNR
	}
	next
}
# letter: the types that it may have
FILENAME == "share/letters" {
	if (!row()) next
	for (i = 2; i <= NF; i++)
		letter[$1] = letter[$1] (letter[$1] ? "|" : "") substr(glob($i), 2, length(glob($i)) - 2)
	next
}

# ---- C files ----

FNR == 1 {
	end_file()
	file = FILENAME; split(file, path, "/")
	tree = path[1]; room = path[2]
	inner = file; sub(/^[^\/]*\/[^\/]*\//, "", inner)
	stem = inner; sub(/\.[ch]$/, "", stem)
	is_header = file ~ /\.h$/
	start = 0; tag_line = ""
	if (is_on("layers") && tree == "common" && !(room in is_room) && !has_said[room]++)
		fault_at("common/LAYERS", room " has no row: add one")
	if (is_on("headers") && tree ~ /^(cmd|common|t)$/ && is_header && !/^\/\*/)
		fault("the header has no opening comment: say what it is and how to use it")
}
{ nline = FNR }

# Each test is a program of its own, with tags of its own.
is_on("tags") && tree != "t" { tags() }
tree !~ /^(cmd|common|t)$/ { next } # generated

is_on("columns") {
	width = length($0) + (TAB - 1) * gsub(/\t/, "\t")
	if (width > COLUMN_MAX) fault(width " columns, at most " COLUMN_MAX " (a tab counts " TAB ")")
}

/^[{]|^[A-Za-z_].*\)[\t ]*[{]$/ { start = FNR }
is_on("functions") && /^[}]/ && start && FNR - start + 1 > FUNCTION_MAX {
	fault_at(file ":" start, "a function of " FNR - start + 1 " lines, at most " FUNCTION_MAX)
}
/^[}]/ { start = 0 }

is_on("form") && !/^[\t ]*(\/\*|\*)/ && match($0, /(&&|\|\|)[\t ]*(\/\*.*)?$/) {
	fault("'" substr($0, RSTART, 2) "' belongs at the start of the next line")
}
is_on("form") && /^[\t ]*\/\* ?---/ && !/^\/\* ---- .* ----( \*\/)?$/ { fault("a section begins with '/* ---- name ---- */'") }

/^[\t ]*#[\t ]*include[\t ]*"/ { split($0, quoted, "\""); include(quoted[2]) }

is_on("letters") && tree ~ /^(cmd|common)$/ { letters() }
!start && /^([}].*)?$/ { end_function() }

function include(name,   part, n) {
	n = split(name, part, "/")
	if (is_on("includes") && n == 1 && tree ~ /^(cmd|common)$/ && name !~ /^proto\.h$|_gen\.h$/)
		fault("\"" name "\": include it with its folder")
	if (n == 1) {
		if (tree != "common" || !(name in room_of)) return
		part[1] = room_of[name]
	}
	if (!is_on("layers"))
		return
	if (tree == "common" && room != part[1] && !((room, part[1]) in may))
		fault(room " may not include " part[1] "/ (common/LAYERS)")
	if (tree != "cmd")
		return
	if (part[1] != room && !(part[1] in is_room))
		fault(room " may include its own files and common/, not " part[1] "/")
	else if (part[1] == room && (room in npattern)) {
		sub(/^[^\/]*\//, "", name)
		if (level(name) < level(inner)) {
			sub(/\.h$/, "", name)
			fault(stem " may not include " name ": it is on a floor above (cmd/LAYERS)")
		}
	}
}

# The floor of a command's file, 1 at the top; 0 if it has none.  A pattern has
# the name with ".c" or ".h", or without.
function level(name,   i, base) {
	base = name; sub(/\.[ch]$/, "", base)
	for (i = 1; i <= npattern[room]; i++)
		if (name ~ pattern[room, i] || base ~ pattern[room, i]) {
			is_used[room, i] = 1
			return floor_of[room, i]
		}
	return 0
}
function unused_floors(   name, i) {
	for (name in npattern)
		for (i = 1; i <= npattern[name]; i++)
			if (!((name, i) in is_used))
				fault_at("cmd/LAYERS:" line_of[name, i], name " has no file " text_of[name, i] ": remove it")
}

# Notes the tag of a struct, union or enum that is defined in this line, or in the last
# one if this is its brace.
function tags(   line, n, part) {
	line = $0
	gsub(/\/\*([^*]|\*[^\/])*\*\//, "", line)
	gsub(/__attribute__ *\(\(.*\)\) */, "", line)
	if (line ~ /^[\t ]*[{]/) line = tag_line line
	tag_line = line ~ TAG "$" ? line : ""
	if (line ~ TAG "[{]") {
		sub(/[ ]*[{].*/, "", line); n = split(line, part, /[ \t]+/)
		once(part[n - 1] == "enum" ? "enum" : "struct", part[n])
	}
}
function once(kind, name) {
	if ((kind, name) in tag_at)
		fault(kind " " name " is also at " tag_at[kind, name] ": rename one")
	else
		tag_at[kind, name] = FILENAME ":" FNR
}

# Collects the names of one letter.  They are judged at the function's end, since
# two values that are compared may be a and b, or x and y.
function letters(   line, declared, name, type) {
	if (/^[\t ]*(\/?\*|#)/) return
	line = $0
	gsub(/"([^"\\]|\\.)*"/, "\"\"", line); gsub(/\/\*.*/, "", line)
	while (match(line, DECLARED)) {
		declared = substr(line, RSTART, RLENGTH)
		if (RSTART > 1 && substr(line, RSTART - 1, 1) ~ /[A-Za-z_0-9]/) {
			line = substr(line, RSTART + 1)
			continue
		}
		line = substr(line, RSTART + RLENGTH - 1)
		match(declared, TYPE)
		type = substr(declared, 1, RLENGTH); sub(/^(struct|enum) /, "", type)
		sub(/[ ]*[],;)=[]$/, "", declared)
		name = substr(declared, length(declared), 1)
		use(name, type)
		while (match(line, /^, [*]*[a-z][ ]*[],;)=[]/)) {
			declared = substr(line, 3); sub(/^[*]*/, "", declared)
			use(substr(declared, 1, 1), type)
			line = substr(line, RLENGTH)
		}
		if (name ~ /[ax]/ && $0 ~ ", [*]*" (name == "a" ? "b" : "y") "[ ,;]")
			has[type, name == "a" ? "b" : "y"] = 1
	}
}
function use(name, type) {
	nuse++
	use_at[nuse] = FILENAME ":" FNR; use_name[nuse] = name; use_type[nuse] = type
	has[type, name] = 1
}
function end_function(   i, name, type) {
	for (i = 1; i <= nuse; i++) {
		name = use_name[i]; type = use_type[i]
		if (name ~ /[ab]/ && (type, "a") in has && (type, "b") in has)
			continue
		if (name ~ /[xy]/ && (type, "x") in has && (type, "y") in has)
			continue
		if (!(name in letter) || type !~ "^(" letter[name] ")$")
			fault_at(use_at[i], "'" name "' is not a name for " type " (share/letters)")
	}
	if (nuse) split("", has)
	nuse = 0
}
function end_file() {
	end_function()
	if (!file) return
	if (is_on("files") && tree ~ /^(cmd|common|t)$/ && nline > FILE_MAX)
		fault_at(file ":" nline, "a file of " nline " lines, at most " FILE_MAX)
	if (is_on("layers") && tree == "cmd" && (room in npattern) && !level(inner))
		fault_at(file ":1", "has no floor in cmd/LAYERS: add it to one")
}
END {
	end_file()
	if (is_on("layers")) unused_floors()
	exit bad
}
