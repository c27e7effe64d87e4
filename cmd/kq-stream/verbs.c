#include "kq-stream/steps.h"

#define FORMATS "json|text|bytes|csv"
#define KEY_FORMATS "json|text|bytes"

#define FIRST(name_, kind_, shown_, phrase_, ...) \
	{ .name = name_, .kind = STEP_ARG_##kind_, .place = STEP_ARG_FIRST, .shown = shown_, \
		.phrase = phrase_, __VA_ARGS__ }
#define MAYBE(name_, kind_, shown_, phrase_, ...) \
	{ .name = name_, .kind = STEP_ARG_##kind_, .place = STEP_ARG_MAYBE, .shown = shown_, \
		.phrase = phrase_, __VA_ARGS__ }
#define NAMED(name_, kind_, shown_, phrase_, ...) \
	{ .name = name_, .kind = STEP_ARG_##kind_, .place = STEP_ARG_NAMED, .shown = shown_, \
		.phrase = phrase_, __VA_ARGS__ }
#define STORE NAMED("name", TEXT, "NAME", "name of the store")

const struct step_verb step_verbs[STEP_NKIND] = {
	[STEP_FROM] = { "from", STEP_FROM, "read topics, or stdin (-)",
		"  kq-stream from orders time .ts then filter '.amount > 100' then to big-orders\n"
		"  kq-stream from - format csv then by .city then agg n=count then to -\n"
		"  kq-stream from - format text \\\n"
		"    time 'split(\" \")[3][1:] | strptime(\"%d/%b/%Y:%H:%M:%S\") | mktime' \\\n"
		"    then map 'split(\" \") | {url: .[6], status: .[8]}' then to -\n",
		"The third one reads an access log of Apache, whose times it takes as UTC.\n"
		"Without 'time', a record of a topic has its own timestamp, and a line of stdin the\n"
		"time at which it was read.  A number below 10^11 is taken as seconds, a larger one as\n"
		"milliseconds, a string as ISO 8601.\n"
		"A line of CSV is an object with the names of the header.  A field without quotes that\n"
		"looks like 1 or -2.5 is a number; others are strings (007, 1e3, true, empty ones).\n", {
			FIRST("from", TOPICS, "TOPIC[,TOPIC]...", "topics to read, or - for stdin"),
			NAMED("time", EXPR, "EXPR", "a record's timestamp (default: its own)"),
			NAMED("format", CHOICE, "FORMAT", "of values (default json)", FORMATS),
			NAMED("key", CHOICE, "FORMAT", "of keys (default text)", KEY_FORMATS),
			NAMED("separator", TEXT, "CHAR", "of fields of CSV (default ,), or tab"),
			NAMED("as", CHOICE, "KIND", "what the records are (default stream)",
				"stream|table|global"),
			NAMED("history", DURATION, "TIME", "of a table: keep former values this long"),
			STORE } },
	[STEP_USE] = { "use", STEP_USE, "continue a stream of the file",
		"  streams:\n"
		"    orders:\n"
		"      - from: orders\n"
		"    big:\n"
		"      - use: orders\n"
		"      - filter: .amount > 100\n"
		"      - to: big-orders\n", NULL, {
			FIRST("use", STREAM, "STREAM", "name of the stream") }, true },
	[STEP_TIME] = { "time", STEP_TIME, "set the timestamps of what 'from' reads",
		"  kq-stream from orders then time .ts then by .city then agg n=count then to -\n",
		"It follows 'from', and is the same as its argument 'time'.\n", {
			FIRST("time", EXPR, "EXPR", "seconds or milliseconds since 1970, or ISO 8601") } },
	[STEP_FILTER] = { "filter", STEP_FILTER, "keep the records for which EXPR is true",
		"  kq-stream from orders then filter '.amount > 100' then to big-orders\n",
		"Of several results of EXPR the first one counts; none is false.\n", {
			FIRST("filter", EXPR, "EXPR", "a test of . and $key; null is false") } },
	[STEP_FILTER_NOT] = { "filter-not", STEP_FILTER_NOT, "drop the records for which EXPR is true",
		"  kq-stream from orders then filter-not '.test' then to real-orders\n", NULL, {
			FIRST("filter-not", EXPR, "EXPR", "a test of . and $key") } },
	[STEP_MAP] = { "map", STEP_MAP, "make a new value; the key stays",
		"  kq-stream from orders then map '{id, amount}' then to amounts\n",
		"Without a result the value is null; filter drops records, flatmap makes any number.\n", {
			FIRST("map", EXPR, "EXPR", "the new value, of . and $key") } },
	[STEP_FLATMAP] = { "flatmap", STEP_FLATMAP, "make a record of each result; the key stays",
		"  kq-stream from orders then flatmap '.items[]' then by .sku then to items\n", NULL, {
			FIRST("flatmap", EXPR, "EXPR", "new values, of . and $key") } },
	[STEP_BY] = { "by", STEP_BY, "make a new key; what follows is grouped by it",
		"  kq-stream from orders then by .customer then agg n=count then to counts\n",
		"A string becomes a key as it is where keys are text (in topics unless 'to' says\n"
		"otherwise), and JSON where they are json.  The order of members matters: {x,y} and {y,x}\n"
		"make different keys.  Integers above 2^53 lose digits, as in all expressions: take\n"
		"strings for such IDs.\n", {
			FIRST("by", EXPR, "EXPR", "the new key, of . and $key"),
			NAMED("key", CHOICE, "FORMAT", "of the new keys (default json)", KEY_FORMATS) } },
	[STEP_PEEK] = { "peek", STEP_PEEK, "print records to stderr as they pass",
		"  kq-stream from orders then peek '{id}' then to -\n", NULL, {
			MAYBE("peek", EXPR, "EXPR", "what to print (default .)") } },
	[STEP_SAMPLE] = { "sample", STEP_SAMPLE, "keep one of N records",
		"  kq-stream from clicks then sample 100 then to -\n",
		"Of every N records of a partition the first one is kept.\n", {
			FIRST("sample", COUNT, "N", "keep one of so many records") } },
	[STEP_DEDUPE] = { "dedupe", STEP_DEDUPE, "drop repeated records",
		"  kq-stream from clicks time .ts then dedupe .id within 10m then to -\n",
		"A record is dropped if one with the same key, or the same result of EXPR, was let\n"
		"through whose time is at most TIME before or after its own.  This holds for records\n"
		"that are late by at most TIME, behind the newest one of their partition.  A repeated\n"
		"record that is later may be let through.  A record whose key or result is null is\n"
		"always let through.\n", {
			MAYBE("dedupe", EXPR, "EXPR", "what to compare (default: the key)"),
			NAMED("within", DURATION, "TIME", "greatest difference of time", .is_needed = true),
			STORE } },
	[STEP_MERGE] = { "merge", STEP_MERGE, "join the records of several streams into one",
		"  - merge: web, shop\n", NULL, {
			FIRST("merge", STREAMS, "STREAM[,STREAM]...", "names of streams of the file") }, true },
	[STEP_BRANCH] = { "branch", STEP_BRANCH, "split a stream: the first test that is true wins",
		"  - branch:\n"
		"      big: .amount > 100\n"
		"      small: .amount > 0\n"
		"    default: rest\n",
		"Each name is a stream, to be continued with 'use'.  Without 'default', records for\n"
		"which no test is true are dropped.\n", {
			FIRST("branch", PAIRS, "NAME: EXPR ...", "names of new streams, and their tests"),
			NAMED("default", TEXT, "NAME", "stream of the records for which no test is true") },
		true },
	[STEP_EXEC] = { "exec", STEP_EXEC, "take the values through a command, a line each",
		"  kq-stream from lines then exec 'sed -u s/a/b/' then to -\n",
		"COMMAND gets a line of JSON and an empty line, and answers with any number of lines of\n"
		"JSON and an empty line, at once (sed -u, grep --line-buffered).  A command that answers\n"
		"no empty line to one, as jq, is waited for until the timeout ends the application.\n", {
			FIRST("exec", TEXT, "COMMAND", "run by sh, as long as the task runs"),
			NAMED("timeout", DURATION, "TIME", "an answer takes no longer (default 60s)") } },
	[STEP_EVERY] = { "every", STEP_EVERY, "send the latest value of each key at intervals",
		"  kq-stream from temps time .ts then by .sensor then every 1m then to -\n", NULL, {
			FIRST("every", DURATION, "TIME", "the interval"),
			NAMED("clock", CHOICE, "CLOCK", "event time or wall time (default event)",
				"event|wall") } },
	[STEP_REPARTITION] = { "repartition", STEP_REPARTITION, "send records through a topic",
		"  kq-stream from orders then by .customer then repartition 8 then to -\n", NULL, {
			MAYBE("repartition", COUNT, "N", "number of partitions (default: as the input)"),
			NAMED("name", TEXT, "NAME", "the topic is APPLICATION-NAME-repartition") } },
	[STEP_WINDOW] = { "window", STEP_WINDOW, "aggregate over windows of time",
		"  kq-stream from - time .ts then by .city then window tumbling 1m \\\n"
		"    then agg n=count then to -\n"
		"  window hopping 5m every 1m\n"
		"  window sliding 10s\n"
		"  window session 30s grace 5s\n"
		"  window unlimited\n",
		"It stands before agg, top, reduce, aggregate or cogroup.\n", {
			FIRST("window", CHOICE, "TYPE", "type of the windows",
				"tumbling|hopping|sliding|session|unlimited"),
			MAYBE("size", DURATION, "SIZE", "size; of sessions the gap that ends one"),
			NAMED("every", DURATION, "TIME", "hopping: a window begins this often"),
			NAMED("grace", DURATION, "TIME", "how late a record may come (default 0)"),
			NAMED("start", COUNT, "MS", "unlimited: its start, in ms since 1970 (default 0)") } },
	[STEP_AGG] = { "agg", STEP_AGG, "aggregate the records of each key",
		"  kq-stream from - then by .city then agg total='sum(.amount)' n=count then to -\n",
		"AGGREGATOR: count, count(E), sum(E), avg(E), min(E), max(E), first(E), last(E),\n"
		"collect(E; N), distinct(E; N), distinct_approx(E), quantile(E; P).  E is an expression\n"
		"of . and $key, N the largest number of values (default 1000; one more is an error),\n"
		"P from 0 to 1.  collect gives an array of all values, nulls too; distinct the number of\n"
		"different ones; count(E) that of those that are not null, over which the others pass;\n"
		"sum, avg, min, max and quantile are of numbers, and anything else is an error.\n"
		"distinct_approx is off by 1.6 % on average, quantile by 1 % at most;\n"
		"quantile(E; 0) and quantile(E; 1) of a stream are exact.\n", {
			FIRST("agg", PAIRS, "NAME=AGGREGATOR...", "members of the result"),
			STORE } },
	[STEP_TOP] = { "top", STEP_TOP, "keep the N highest records of each key",
		"  kq-stream from - then by .city then top 3 .amount then to -\n"
		"  kq-stream from - then by .url then agg n=count then emit end then stream \\\n"
		"    then map '{url: $key, n}' then by '\"all\"' then top 10 .n then emit end \\\n"
		"    then to -\n",
		"The result is the array of the records' values, the highest first.  The second example\n"
		"gives the ten URLs with the highest counts: top is of final counts, since it would take\n"
		"each change of a count as a record of its own.\n", {
			FIRST("top", COUNT, "N", "number of records"),
			FIRST("of", EXPR, "EXPR", "the number by which they are ordered"),
			STORE } },
	[STEP_REDUCE] = { "reduce", STEP_REDUCE, "combine the values of each key",
		"  kq-stream from - then by .city then reduce '$acc + .' then to -\n",
		"The first value is taken as it is.\n", {
			FIRST("reduce", EXPR, "EXPR", "the new value, of $acc and ."),
			NAMED("sub", EXPR, "EXPR", "of a table: take a former row out of $acc"),
			STORE } },
	[STEP_AGGREGATE] = { "aggregate", STEP_AGGREGATE, "aggregate by an expression",
		"  kq-stream from - then by .city then aggregate '$acc + [.id]' init '[]' then to -\n",
		NULL, {
			FIRST("aggregate", EXPR, "EXPR", "the new aggregate, of $acc, . and $key"),
			NAMED("init", CONSTANT, "JSON", "the aggregate before the first value (default null)"),
			NAMED("sub", EXPR, "EXPR", "of a table: take a former row out of $acc"),
			NAMED("merge", EXPR, "EXPR", "sessions: join the aggregates $left and $right"),
			STORE } },
	[STEP_COGROUP] = { "cogroup", STEP_COGROUP, "aggregate several streams into one table",
		"  - cogroup:\n"
		"      bought: $acc + .amount\n"
		"      returned: $acc - .amount\n"
		"    init: 0\n",
		"Each name is a stream of the file that ends in 'by'.\n", {
			FIRST("cogroup", PAIRS, "STREAM: EXPR ...", "the new aggregate for a record of each"),
			NAMED("init", CONSTANT, "JSON", "the aggregate before the first value (default null)"),
			NAMED("merge", EXPR, "EXPR", "sessions: join the aggregates $left and $right"),
			STORE }, true },
	[STEP_EMIT] = { "emit", STEP_EMIT, "choose when the results of an aggregation come out",
		"  kq-stream from - time .ts then by .city then window tumbling 1m \\\n"
		"    then agg n=count then emit final then to -\n"
		"  kq-stream from - then by .status then agg n=count then emit end then to -\n"
		"  emit every 10s max 1000 full stop\n",
		"update: each change (the default); final: each window once, when it is closed; every:\n"
		"the last change of a row, TIME after the first one in event time; end: the last change\n"
		"of each row, when the input ends.\n", {
			FIRST("emit", CHOICE, "WHEN", "when results come out", "update|final|every|end"),
			MAYBE("interval", DURATION, "TIME", "with every"),
			NAMED("max", COUNT, "N", "at most N rows wait"),
			NAMED("full", CHOICE, "ACTION", "when more would wait (default emit: the oldest)",
				"emit|stop") } },
	[STEP_LATE] = { "late", STEP_LATE, "send the late records of an aggregation or join to a topic",
		"  kq-stream from x then by .url then window tumbling 1m then agg n=count "
		"then late to old then to -\n", NULL, {
			NAMED("to", TOPIC, "TOPIC", "topic, or - for stdout", .is_needed = true) } },
	[STEP_JOIN] = { "join", STEP_JOIN, "join with another stream or table",
		"  kq-stream from clicks then join left users on .user then to enriched\n"
		"  kq-stream from orders time .ts then by .id \\\n"
		"    then join payments time .ts within 5m then to paid\n"
		"  kq-stream from clicks then join countries as global on .country then to -\n",
		"With within, before or after, TOPIC is read as a stream, and records whose times differ\n"
		"by at most so much are joined; otherwise it is a table.  'on' gives the key that is\n"
		"looked up: a stream gets it as its new key, a table is joined by a foreign key.\n"
		"The keys of TOPIC's records are those that they have in the topic.  A record of a stream\n"
		"meets the row that the table has by the record's time: inputs are read in order of time,\n"
		"so a row that is younger than the record is no partner of it.  Old records thus do not\n"
		"meet rows that were written now: 'as global' looks rows up whatever their times, and\n"
		"'time' gives TOPIC's records other times.  Where TOPIC's records come later than those\n"
		"that are to meet them, --idle TIME waits for them.\n", {
			MAYBE("kind", CHOICE, "KIND", "which side may lack a partner (default inner: none)",
				"inner|left|outer"),
			FIRST("join", TOPIC, "TOPIC", "the right side: a stream of the file, or a topic"),
			NAMED("on", EXPR, "EXPR", "key of the left side (default: its key)"),
			NAMED("with", EXPR, "EXPR", "the result, of $left, $right and $key "
				"(default $left + $right)"),
			NAMED("within", DURATION, "TIME", "greatest difference of time"),
			NAMED("before", DURATION, "TIME", "the right record may be so much older"),
			NAMED("after", DURATION, "TIME", "the right record may be so much younger"),
			NAMED("grace", DURATION, "TIME", "how late a record may come (default 0)"),
			NAMED("as", CHOICE, "KIND", "what TOPIC is", "stream|table|global"),
			NAMED("time", EXPR, "EXPR", "timestamps of TOPIC's records (default: their own)"),
			NAMED("history", DURATION, "TIME", "look up the row as of the record's time"),
			NAMED("format", CHOICE, "FORMAT", "of TOPIC's values (default json)", KEY_FORMATS),
			NAMED("key", CHOICE, "FORMAT", "of TOPIC's keys (default text)", KEY_FORMATS),
			STORE } },
	[STEP_TABLE] = { "table", STEP_TABLE, "take the records as updates of a table",
		"  kq-stream from users then by .id then table then to -\n", NULL, {
			STORE } },
	[STEP_STREAM] = { "stream", STEP_STREAM, "take the updates of a table as records of a stream",
		"  kq-stream from - then by .c then agg n=count then stream \\\n"
		"    then map '[$key, .n]' then to -\n",
		"On stdout the updates of a table are printed with their keys, the records of a stream\n"
		"without.\n", { { NULL } } },
	[STEP_TO] = { "to", STEP_TO, "write to a topic, or to stdout (-)",
		"  kq-stream from orders then filter '.amount > 100' then to big-orders\n", NULL, {
			FIRST("to", TOPIC, "TOPIC", "topic to write, or - for stdout"),
			NAMED("format", CHOICE, "FORMAT", "of values (default json)", FORMATS),
			NAMED("separator", TEXT, "CHAR", "of fields of CSV (default ,), or tab"),
			NAMED("key", CHOICE, "FORMAT", "of keys (default text)", KEY_FORMATS) } },
};
