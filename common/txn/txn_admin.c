/* Looking at transactions (KIP-664). */
#include "txn/txn.h"

#include <regex.h>

enum {
	PATTERN_MAX = 1000,        /* bytes */
	PATTERN_REPEAT_MAX = 1000, /* the product of all {m,n}: each makes copies */
};

static const char *const status_name[TXN_STATUSES] = {
	"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort",
};

/* ---- DescribeTransactions ---- */

typedef struct describe_transactions_response_transaction described;
typedef struct describe_transactions_response_topic described_topic;

static void
describe(struct txns *t, struct coord_call *call, struct str id, int64_t *told, described *d)
{
	wire_defaults(&describe_transactions_response_transaction_desc, d);
	d->transactional_id = id;
	const struct txn *x = txn_find(t, id);
	if (id.n <= 0 || !x) {
		d->error_code = id.n <= 0 ? KERR_INVALID_REQUEST : KERR_TRANSACTIONAL_ID_NOT_FOUND;
		return;
	}
	if ((*told += x->parts.total) > TXN_TOLD_MAX) {
		d->error_code = KERR_INVALID_REQUEST;
		return;
	}
	d->transaction_state = str_of(status_name[x->m.status]);
	d->transaction_timeout_ms = x->m.timeout_ms;
	d->transaction_start_time_ms = x->m.start_ms;
	d->producer_id = x->m.producer_id;
	d->producer_epoch = x->m.epoch;
	d->topics.n = x->parts.n;
	d->topics.v = arena_alloc(call->arena, (size_t)x->parts.n * sizeof *d->topics.v);
	for (int32_t i = 0; i < x->parts.n; i++) {
		described_topic *p = &d->topics.v[i];
		p->topic = x->parts.v[i].name;
		p->partitions.v = x->parts.v[i].v;
		p->partitions.n = x->parts.v[i].n;
	}
}

void
txn_handle_describe(struct txns *t, struct coord_call *call, struct coord_now now)
{
	(void)now;
	const struct describe_transactions_request *q = call->body;
	struct describe_transactions_response r;
	wire_defaults(&describe_transactions_response_desc, &r);
	int32_t n = MAX(q->transactional_ids.n, 0);
	int64_t told = 0;
	r.transaction_states.n = n;
	r.transaction_states.v = arena_alloc(call->arena, (size_t)n * sizeof *r.transaction_states.v);
	for (int32_t i = 0; i < n; i++)
		describe(t, call, q->transactional_ids.v[i], &told, &r.transaction_states.v[i]);
	txn_respond(t, call, STR_NULL, &r);
}

/* ---- ListTransactions ---- */

typedef struct list_transactions_response_transaction listed;

struct filter {
	const struct list_transactions_request *q;
	bool is_wanted[TXN_STATUSES];
	bool has_pattern;
	regex_t pattern;
};

/* Behind "[": to behind its "]".  A backslash is one of the set in POSIX and
 * none in RE2. */
static bool
is_plain_set(struct str s, int32_t *i)
{
	if (*i < s.n && s.p[*i] == '^')
		++*i;
	if (*i < s.n && s.p[*i] == ']')
		++*i;
	for (; *i < s.n && s.p[*i] != ']'; ++*i) {
		uint8_t c = s.p[*i], next = *i + 1 < s.n ? s.p[*i + 1] : 0;
		if (c == '\\' || (c == '[' && (next == ':' || next == '.' || next == '=')))
			return false;
	}
	return (*i)++ < s.n;
}

/* Behind "{": to behind its "}"; how often at most, -1 if that is not what it
 * says. */
static int64_t
repetition(struct str s, int32_t *i)
{
	int64_t most = 0, n = 0;
	int32_t from = *i;
	for (; *i < s.n && s.p[*i] != '}'; ++*i) {
		bool is_digit = s.p[*i] >= '0' && s.p[*i] <= '9';
		if (!is_digit && (s.p[*i] != ',' || *i == from))
			return -1;
		n = is_digit ? MIN(10 * n + (s.p[*i] - '0'), PATTERN_REPEAT_MAX + 1) : 0;
		most = MAX(most, n);
	}
	return *i == from || (*i)++ >= s.n ? -1 : MAX(most, 1);
}

/* Kafka takes RE2's syntax.  libc's is taken as far as it means the same: what
 * it would misread is refused, and so is what could take long: it copies what
 * is repeated ({1,255} thrice over is gigabytes), and knows back-references. */
static bool
is_plain_pattern(struct str s)
{
	int64_t product = 1;
	int depth = 0;
	bool can_repeat = false; /* something stands there that can be */
	for (int32_t i = 0; i < s.n;) {
		uint8_t c = s.p[i++], next = i < s.n ? s.p[i] : 0;
		bool is_word = (next >= '0' && next <= '9') || (next >= 'A' && next <= 'Z')
			|| (next >= 'a' && next <= 'z');
		bool is_repeat = c && strchr("*+?{", c);
		depth += (c == '(') - (c == ')');
		if (c == 0 || (c == '(' && next == '?') || depth < 0 || (is_repeat && !can_repeat))
			return false;
		can_repeat = !is_repeat && !strchr("(|^", c);
		if (c == '\\' && (is_word || (next && strchr("<>`'", next))))
			return false;
		if (c == '\\')
			i++;
		else if (c == '[' && !is_plain_set(s, &i))
			return false;
		if (c == '{') {
			int64_t n = repetition(s, &i);
			product *= n;
			if (n < 0 || product > PATTERN_REPEAT_MAX)
				return false;
		}
	}
	return depth == 0;
}

static bool
compile(struct txns *t, struct str s, regex_t *out)
{
	if (s.n > PATTERN_MAX || !is_plain_pattern(s))
		return false;
	/* It has to match all of an id. */
	const char *z = arena_printf(&t->scratch, "^(%.*s)$", STR_ARG(s));
	return regcomp(out, z, REG_EXTENDED | REG_NOSUB) == 0;
}

static bool
is_shown(const struct txn *x, const struct filter *f, struct coord_now now)
{
	const struct list_transactions_request *q = f->q;
	bool is_one = q->producer_id_filters.n <= 0;
	for (int32_t i = 0; i < q->producer_id_filters.n; i++)
		is_one = is_one || q->producer_id_filters.v[i] == x->m.producer_id;
	if (!is_one || (q->state_filters.n > 0 && !f->is_wanted[x->m.status]))
		return false;
	if (q->duration_filter >= 0 && now.wall_ms - x->m.start_ms <= q->duration_filter)
		return false;
	/* txn_new left a NUL behind the id. */
	return !f->has_pattern || regexec(&f->pattern, x->id_bytes, 0, NULL, 0) == 0;
}

/* Sort out the names of states that are none. */
static void
read_states(const struct list_transactions_request *q, struct filter *f,
	struct list_transactions_response *r, struct arena *a)
{
	int32_t n = MAX(q->state_filters.n, 0);
	r->unknown_state_filters.v = arena_alloc(a, (size_t)n * sizeof(struct str));
	for (int32_t i = 0; i < n; i++) {
		struct str name = q->state_filters.v[i];
		int s = 0;
		while (s < TXN_STATUSES && !str_eq(str_of(status_name[s]), name))
			s++;
		if (s < TXN_STATUSES)
			f->is_wanted[s] = true;
		/* Kafka knows these two as well; no id is ever seen in them. */
		else if (!str_eq(name, STR("Dead")) && !str_eq(name, STR("PrepareEpochFence")))
			r->unknown_state_filters.v[r->unknown_state_filters.n++] = name;
	}
}

static void
list(struct txns *t, struct coord_call *call, const struct filter *f,
	struct list_transactions_response *r, struct coord_now now)
{
	int32_t n = 0, cap = txns_count(t);
	listed *v = arena_alloc(call->arena, (size_t)cap * sizeof *v);
	MAP_EACH(e, &t->by_id) {
		const struct txn *x = e->value;
		if (is_shown(x, f, now))
			v[n++] = (listed){ x->id, x->m.producer_id, str_of(status_name[x->m.status]) };
	}
	r->transaction_states.v = v;
	r->transaction_states.n = n;
}

void
txn_handle_list(struct txns *t, struct coord_call *call, struct coord_now now)
{
	const struct list_transactions_request *q = call->body;
	struct list_transactions_response r;
	struct filter f = { .q = q };
	wire_defaults(&list_transactions_response_desc, &r);
	f.has_pattern = q->transactional_id_pattern.n > 0;
	if (f.has_pattern && !compile(t, q->transactional_id_pattern, &f.pattern)) {
		r.error_code = KERR_INVALID_REGULAR_EXPRESSION;
	} else {
		read_states(q, &f, &r, call->arena);
		list(t, call, &f, &r, now);
		if (f.has_pattern)
			regfree(&f.pattern);
	}
	txn_respond(t, call, STR_NULL, &r);
}
