#include "kq-topic/run.h"

#include "base/utf8.h"

#include <stdio.h>

enum {
	NAME_MAX_ = 249,        /* Kafka's limit of a topic's name */
	TEXT_MAX = 32767,       /* the protocol's of a string */
	REPLIES_MAX = 1 << 30,
};

static int
check_words(int nname, char **names, struct err *e)
{
	for (int i = 0; i < nname; i++)
		if (strlen(names[i]) > NAME_MAX_)
			return err_set(e, ERR_USAGE, "the topic's name '%.20s...' is longer than %d characters",
				names[i], NAME_MAX_);
	for (int i = 0; i < options.nsetting; i++)
		if (strlen(options.setting[i].key) > TEXT_MAX
			|| (options.setting[i].value && strlen(options.setting[i].value) > TEXT_MAX))
			return err_set(e, ERR_USAGE, "the setting '%.20s...' is longer than %d characters",
				options.setting[i].key, TEXT_MAX);
	return 0;
}

int
run_open(struct run *r, int nname, char **names)
{
	struct cluster_opts o = { .brokers = options.brokers, .client_id = "kq-topic" };
	struct err e;
	*r = (struct run){ .arena = ARENA_INIT, .replies = { .size_max = REPLIES_MAX } };
	if (check_words(nname, names, &e) < 0 || cluster_open(&r->cluster, &o, &e) < 0)
		return say_err(&e, true);
	return 0;
}

int
run_close(struct run *r)
{
	int code = r->nfailed == 0 ? EXIT_DONE
		: r->ndone == 0 && !r->is_final ? EXIT_RETRY : EXIT_FAILED;
	int flushed = say_flush_stdout();
	cluster_close(&r->cluster);
	arena_release(&r->arena);
	arena_release(&r->replies);
	return flushed ? flushed : code;
}

void
run_failed(struct run *r, const struct err *e)
{
	r->nfailed++;
	if (say_err(e, false) != EXIT_RETRY)
		r->is_final = true;
}

void
run_refused(struct run *r, int16_t code, struct str message, struct str topic, int32_t partition)
{
	struct err e;
	assert(code != KERR_NONE);
	if (code == KERR_UNKNOWN_TOPIC_OR_PARTITION && partition < 0) {
		/* Retriable by Kafka's table, for topics that are just being
		 * made; whoever names a topic here rather mistyped it. */
		err_set(&e, ERR_PEER, "topic '%.*s' does not exist", STR_ARG(topic));
	} else {
		cluster_peer_err(&e, code, message);
		char *quoted = arena_printf(&r->arena, "'%.*s'", STR_ARG(topic));
		if (partition >= 0)
			err_wrap(&e, "topic %s, partition %d", quoted, partition);
		else if (!strstr(e.msg, quoted)) /* brokers name it, or not */
			err_wrap(&e, "topic %s", quoted);
	}
	run_failed(r, &e);
}

void
run_take(struct run *r, int16_t code, struct str message, struct str topic)
{
	if (code == KERR_NONE)
		r->ndone++;
	else
		run_refused(r, code, message, topic, -1);
}

void
run_check_count(struct run *r, int nasked, int nanswered)
{
	struct err e;
	if (nanswered >= nasked)
		return;
	err_set(&e, ERR_CORRUPT, "the broker answered for %d of %d topics", nanswered, nasked);
	run_failed(r, &e);
}

int
run_version(struct run *r, int16_t api_key)
{
	struct err ignored;
	const struct wire_api *api = wire_api_find(api_key);
	/* The brokers of a cluster are taken to be of one kind; without the
	 * first connection a call will tell. */
	return r->cluster.first ? conn_version(r->cluster.first, api, INT16_MAX, &ignored) : api->max;
}

int
run_call(struct run *r, int32_t node, int16_t api_key, const void *request, void *response)
{
	struct err e;
	if (cluster_call(&r->cluster, node, api_key, request, response, &r->replies, &e) >= 0)
		return 0;
	run_failed(r, &e);
	return -1;
}

static char *
escaped(struct str s, struct buf *b)
{
	bool is_utf8 = utf8_is_valid(s);
	for (int32_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		/* C1 controls are two bytes in UTF-8: c2 80 .. c2 9f. */
		bool is_c1 = c >= 0x80 && c < 0xa0 && i > 0 && s.p[i - 1] == 0xc2;
		if (c < 0x20 || c == 0x7f || (c >= 0x80 && !is_utf8))
			buf_printf(b, "\\x%02x", c);
		else if (is_c1)
			buf_printf(b, "\\u%02x", c);
		else if (c != 0xc2 || i + 1 == s.n || s.p[i + 1] >= 0xa0)
			buf_putc(b, (char)c);
	}
	buf_putc(b, 0);
	return (char *)b->p;
}

void
put_text(struct str s)
{
	struct buf b = BUF_INIT;
	fputs(escaped(s, &b), stdout);
	buf_release(&b);
}

json_t *
json_text(struct str s)
{
	if (s.n < 0)
		return json_null();
	json_t *v = json_stringn(s.n ? (const char *)s.p : "", (size_t)s.n);
	if (v)
		return v;
	struct buf b = BUF_INIT;
	v = json_string(escaped(s, &b));
	buf_release(&b);
	return v;
}

json_t *
json_known(int64_t n)
{
	return n < 0 ? json_null() : json_integer(n);
}
