# The live view of the example 'shop': lines of TOPIC <tab> KEY <tab> JSON become a
# table of each product's stock, and its revenue by minute.  With terminal=1 it is
# drawn again in place at each change; else each minute and each alert is a line.

BEGIN {
	FS = "\t"
}

$1 == "stock" {
	row = row_of($2)
	stock[row] = number($3, "stock")
	if (stock[row] >= 10)
		low[row] = 0
	if (number($3, "ts") > now)
		now = number($3, "ts")
}

$1 == "alerts" {
	low[row_of($2)] = 1
	if (!terminal)
		printf "%s  only %d %s left\n", clock(number($3, "ts")), number($3, "stock"), $2
}

# The key is {"key": PRODUCT, "start": MS, "end": MS}.
$1 == "minutes" {
	split($2, part, "\"")
	product = part[4]
	start = int(number($2, "start") / 1000)
	if (!(start in column)) {
		column[start] = ++columns
		heading[columns] = substr(clock(start), 1, 5)
	}
	revenue[row_of(product), column[start]] = number($3, "revenue") / 100
	if (!terminal)
		printf "%s  %-7s sold %2d for %6.2f, stock %2d\n", clock(start), product,
			number($3, "sold"), number($3, "revenue") / 100, number($3, "stock")
}

{
	if (terminal)
		draw()
	fflush()
}

function row_of(product) {
	if (!(product in rows)) {
		rows[product] = ++products
		name[products] = product
	}
	return rows[product]
}

# The number that a JSON object has under this name.
function number(json, member) {
	if (!match(json, "\"" member "\":[0-9]+"))
		return 0
	return substr(json, RSTART + length(member) + 3, RLENGTH - length(member) - 3) + 0
}

function clock(seconds) {
	return sprintf("%02d:%02d:%02d", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

# Go back to the first line of the table, and write each line anew up to its end.
function draw(   i, k) {
	if (lines)
		printf "\033[%dA", lines
	printf "\033[1m%s %9s     ", clock(now), "stock"
	for (k = 1; k <= columns; k++)
		printf "%9s", heading[k]
	printf "\033[0m\033[K\n"
	for (i = 1; i <= products; i++) {
		printf "%-8s %9d %s ", name[i], stock[i], low[i] ? "\033[31mlow\033[0m" : "   "
		for (k = 1; k <= columns; k++)
			if ((i, k) in revenue)
				printf "%9.2f", revenue[i, k]
			else
				printf "%9s", ""
		printf "\033[K\n"
	}
	lines = products + 1
}
