/*
 * Simulation of classic groups, from seeds.  Members, static and dynamic, join, work,
 * leave, crash and return; requests and answers are lost, repeated and reordered;
 * time jumps; appends are refused; the broker dies and restarts from a log that ends
 * anywhere after what sent answers depend on.
 *
 * Checked all the time: no partition has two owners in a generation, generations
 * that members saw do not repeat, acknowledged commits are not lost, each call is
 * answered once.  At the end faults stop, and every group must become stable, with
 * all partitions assigned.
 *
 * KQ_SEED=n runs one history, KQ_HISTORIES=n that many.
 */
#include "groups_help.h"

#include <signal.h>

enum {
	NGROUP = 2, NCLIENT = 6, NSTEP = 400, NET_MAX = 24, ASK_MAX = 64, GENERATIONS = 1024,
#ifdef __SANITIZE_ADDRESS__
	HISTORIES = 4000,
#else
	HISTORIES = 16000,
#endif
	ALL = (1 << NDATA) - 1,
};

enum phase { OUT, JOINED, IN };

enum what { JOIN, SYNC, BEAT, LEAVE, COMMIT, TXN_COMMIT };

/* A request in the network; it may arrive more than once. */
struct message {
	enum what what;
	int client;
	int64_t id;
	char member[80];
	const char *instance;   /* NULL: none */
	int32_t generation;
	int version;
	const char *metadata;
	int nassign;            /* SYNC: */
	char to[NCLIENT * 3][80];
	int mask[NCLIENT * 3];
	int32_t partition;      /* COMMIT: */
	int64_t offset;
};

struct client {
	bool is_alive;
	const char *instance;
	int group;
	enum phase phase;
	char member[80];
	int32_t generation;
	bool is_leader, must_rejoin;
	const char *metadata;
	int64_t waits_for;      /* the message's id; 0: nothing */
	int mask;               /* what it owns */
	int nmember;            /* JOINED, leading: */
	char members[NCLIENT * 3][80];
	int nbeat;              /* heartbeats in a row that were fine */
};

/* A call the broker has. */
struct pending {
	struct ask *ask;
	struct message m;
	bool is_seen;           /* its answer was looked at when given */
	int64_t order;          /* of a commit among all */
};

struct generation {
	int32_t number;
	uint64_t owner[NDATA];  /* hash of the member id; 0: none */
};

struct sim {
	struct world w;
	struct client client[NCLIENT];
	struct message net[NET_MAX];
	int nnet;
	struct pending ask[ASK_MAX];
	int npending;
	int64_t next_id, next_offset, order;
	int synced;             /* entries of the log on disk */
	int told[NPARTITION];   /* entries that sent answers depend on */
	int32_t high[NGROUP];   /* the last generation that members saw */
	struct generation generation[NGROUP][GENERATIONS];
	int64_t acked[NGROUP][NDATA]; /* orders of commits */
	int64_t *order_of;      /* by offset */
	int64_t noffset;
};

static const char *const group_names[NGROUP] = { "g", "another group" };
static uint64_t running;

static void
tell_seed(void)
{
	if (running)
		fprintf(stderr, "# KQ_SEED=%llu\n", (unsigned long long)running);
}

static void
aborted(int sig)
{
	tell_seed();
	signal(sig, SIG_DFL);
	raise(sig);
}

static uint64_t
identity(const char *member, const char *instance)
{
	uint64_t h = 14695981039346656037u;
	for (const char *z = instance ? instance : member; *z; z++)
		h = (h ^ (uint8_t)*z) * 1099511628211u;
	return h | 1;
}

static bool
chance(struct sim *s, uint32_t percent)
{
	return below(&s->w, 100) < percent;
}

/* ---- what clients send ---- */

static struct message *
send_message(struct sim *s, struct client *c, enum what what)
{
	if (s->nnet == NET_MAX)
		return NULL;
	struct message *m = &s->net[s->nnet++];
	m->what = what;
	m->client = (int)(c - s->client);
	m->id = c->waits_for = ++s->next_id;
	snprintf(m->member, sizeof m->member, "%s", c->member);
	m->instance = c->instance;
	m->generation = c->generation;
	m->metadata = c->metadata;
	m->version = chance(s, 70) ? 9 : 5;
	m->nassign = 0;
	return m;
}

static void
send_sync(struct sim *s, struct client *c)
{
	struct message *m = send_message(s, c, SYNC);
	if (!m || !c->is_leader)
		return;
	m->nassign = c->nmember;
	for (int i = 0; i < c->nmember; i++) {
		snprintf(m->to[i], sizeof m->to[i], "%s", c->members[i]);
		m->mask[i] = 0;
		for (int p = i; p < NDATA; p += c->nmember)
			m->mask[i] |= 1 << p;
	}
}

static void
send_commit(struct sim *s, struct client *c, enum what what)
{
	struct message *m = send_message(s, c, what);
	if (!m)
		return;
	m->partition = (int32_t)below(&s->w, NDATA);
	m->offset = s->next_offset++;
	if (m->offset >= s->noffset) {
		s->noffset = s->noffset ? s->noffset * 2 : 64;
		s->order_of = mem_realloc(s->order_of,
			(size_t)s->noffset * sizeof *s->order_of);
	}
	s->order_of[m->offset] = 0;
}

static void
forget(struct client *c)
{
	c->phase = OUT;
	c->member[0] = 0;
	c->generation = -1;
	c->mask = c->nmember = c->nbeat = 0;
	c->is_leader = c->must_rejoin = false;
	c->waits_for = 0;
}

/* The client's next action. */
static void
act(struct sim *s, struct client *c, bool behaves)
{
	if (!c->is_alive || c->waits_for)
		return;
	if (c->phase == OUT || (c->phase == IN && c->must_rejoin)) {
		c->phase = OUT;
		send_message(s, c, JOIN);
	} else if (c->phase == JOINED) {
		send_sync(s, c);
	} else if (behaves) {
		send_message(s, c, BEAT);
	} else {
		uint32_t r = below(&s->w, 100);
		if (r < 45) {
			send_message(s, c, BEAT);
		} else if (r < 80) {
			send_commit(s, c, COMMIT);
		} else if (r < 88) {
			send_commit(s, c, TXN_COMMIT);
		} else if (r < 93) {
			c->metadata = chance(s, 50) ? "one" : "other";
			c->must_rejoin = true;
		} else if (r < 96) {
			send_message(s, c, LEAVE);
		} else {
			forget(c); /* a crash */
			c->is_alive = false;
		}
	}
}

/* ---- the broker handles a request ---- */

static struct ask *
handle(struct sim *s, const struct message *m)
{
	struct world *w = &s->w;
	const char *group = group_names[s->client[m->client].group];
	if (m->what == JOIN) {
		struct joiner j = { group, m->member, m->instance, { "range", "sticky" },
			m->metadata, (int16_t)m->version, 10000, 15000 };
		return join_as(w, &j);
	}
	if (m->what == SYNC) {
		struct sync_group_request_assignment v[NCLIENT * 3];
		char z[NCLIENT * 3][32];
		struct sync_group_request q = {
			.group_id = str_of(group), .generation_id = m->generation,
			.member_id = str_of(m->member), .group_instance_id = str_of(m->instance),
			.protocol_type = STR_NULL, .protocol_name = STR_NULL,
			.assignments = { v, m->nassign } };
		for (int i = 0; i < m->nassign; i++) {
			snprintf(z[i], sizeof z[i], "%d:%d", m->generation, m->mask[i]);
			v[i].member_id = str_of(m->to[i]);
			v[i].assignment = str_of(z[i]);
		}
		return ask(w, 14, 4, &q);
	}
	if (m->what == BEAT) {
		struct heartbeat_request q = { str_of(group), m->generation, str_of(m->member),
			str_of(m->instance) };
		return ask(w, 12, 4, &q);
	}
	if (m->what == LEAVE) {
		struct leave_group_request_member who = { str_of(m->member),
			str_of(m->instance), STR_NULL };
		struct leave_group_request q = { .group_id = str_of(group), .members = { &who, 1 } };
		return ask(w, 13, 5, &q);
	}
	struct str topic = STR("apples");
	if (m->what == COMMIT) {
		struct offset_commit_request_partition p = {
			m->partition, m->offset, -1, STR_NULL };
		struct offset_commit_request_topic t = {
			.name = topic, .partitions = { &p, 1 } };
		struct offset_commit_request q = { str_of(group), m->generation,
			str_of(m->member), str_of(m->instance), -1, { &t, 1 } };
		return ask(w, 8, 9, &q);
	}
	struct txn_offset_commit_request_partition p = {
		m->partition, m->offset, -1, STR_NULL };
	struct txn_offset_commit_request_topic t = {
		.name = topic, .partitions = { &p, 1 } };
	struct txn_offset_commit_request q = { STR("t"), str_of(group), m->client + 1, 0,
		m->generation, str_of(m->member), str_of(m->instance), { &t, 1 } };
	return ask(w, 28, 5, &q);
}

static int
commit_code(const struct pending *p)
{
	if (p->m.what == COMMIT) {
		const struct offset_commit_response *r = p->ask->answer;
		return r->topics.v[0].partitions.v[0].error_code;
	}
	const struct txn_offset_commit_response *r = p->ask->answer;
	return r->topics.v[0].partitions.v[0].error_code;
}

/* Checks of an answer that the broker just gave. */
static void
look(struct sim *s)
{
	for (int i = 0; i < s->npending; i++) {
		struct pending *p = &s->ask[i];
		int g = s->client[p->m.client].group;
		if (!p->ask->answer) {
			check(p->m.what == JOIN || p->m.what == SYNC);
			continue;
		}
		if (p->is_seen)
			continue;
		p->is_seen = true;
		if (p->m.what == JOIN && code(p->ask) == 0)
			check(joined(p->ask)->generation_id >= s->high[g]);
		if (p->m.what == SYNC && code(p->ask) == 0)
			check(p->m.generation >= s->high[g]);
		if (p->m.what >= COMMIT && commit_code(p) == 0)
			p->order = s->order_of[p->m.offset] = ++s->order;
	}
}

static void
deliver(struct sim *s, int i, bool behaves)
{
	struct message *m = &s->net[i];
	if (s->npending == ASK_MAX)
		return;
	if (!behaves && chance(s, 3)) {
		*m = s->net[--s->nnet]; /* lost */
		return;
	}
	struct pending *p = &s->ask[s->npending++];
	*p = (struct pending){ .m = *m };
	if (behaves || !chance(s, 6))
		*m = s->net[--s->nnet]; /* else it arrives again */
	p->ask = handle(s, &p->m);
	look(s);
}

/* ---- answers leave the broker ---- */

static void
take_joined(struct client *c, const struct join_group_response *r)
{
	c->generation = r->generation_id;
	c->phase = JOINED;
	c->must_rejoin = false;
	c->is_leader = str_eq(r->leader, r->member_id) && !r->skip_assignment;
	snprintf(c->member, sizeof c->member, "%.*s", STR_ARG(r->member_id));
	c->nmember = 0;
	check(r->members.n <= NCLIENT * 3);
	for (int32_t i = 0; i < r->members.n; i++)
		snprintf(c->members[c->nmember++], sizeof c->members[0], "%.*s",
			STR_ARG(r->members.v[i].member_id));
	if (c->nmember == 0)
		c->is_leader = false;
}

static void
take_error(struct client *c, int error, const struct pending *p)
{
	switch (error) {
	case KERR_MEMBER_ID_REQUIRED:
		snprintf(c->member, sizeof c->member, "%.*s",
			STR_ARG(joined(p->ask)->member_id));
		break;
	case KERR_REBALANCE_IN_PROGRESS:
	case KERR_ILLEGAL_GENERATION:
		c->must_rejoin = true;
		if (c->phase == JOINED)
			c->phase = OUT;
		break;
	case KERR_UNKNOWN_MEMBER_ID:
	case KERR_FENCED_INSTANCE_ID:
	case KERR_GROUP_MAX_SIZE_REACHED:
		forget(c);
		break;
	case KERR_NOT_COORDINATOR:
	case KERR_COORDINATOR_NOT_AVAILABLE:
		break; /* once more */
	default:
		tap_fail(__FILE__, __LINE__, "error %d", error);
	}
}

/* Notes the owners of a sent assignment. */
static int
own_all(struct sim *s, const struct pending *p)
{
	const struct sync_group_response *r = p->ask->answer;
	int g = s->client[p->m.client].group, generation = p->m.generation, of = 0, mask = 0;
	struct generation *gen = &s->generation[g][generation % GENERATIONS];
	uint64_t who = identity(p->m.member, p->m.instance);
	if (r->assignment.n > 0) {
		check(sscanf(text(r->assignment), "%d:%d", &of, &mask) == 2);
		check_int(of, generation);
	}
	if (gen->number != generation)
		*gen = (struct generation){ .number = generation };
	for (int i = 0; i < NDATA; i++) {
		if (!(mask >> i & 1))
			continue;
		check(gen->owner[i] == 0 || gen->owner[i] == who);
		gen->owner[i] = who;
	}
	s->high[g] = MAX(s->high[g], generation);
	return mask;
}

/* Ends the transaction in which the client committed offsets. */
static void
end_transaction(struct sim *s, const struct pending *p)
{
	int g = s->client[p->m.client].group;
	bool is_commit = chance(s, 70);
	int32_t partition = coord_partition_of(str_of(group_names[g]), NPARTITION);
	end_txn(&s->w, group_names[g], p->m.client + 1, is_commit);
	s->told[partition] = s->synced = s->w.nlog;
	/* A repeated request that is not answered yet ended as well. */
	for (int i = 0; i < s->npending && !is_commit; i++)
		if (s->ask[i].m.what == TXN_COMMIT && s->ask[i].m.client == p->m.client)
			s->ask[i].order = 0;
	if (is_commit)
		s->acked[g][p->m.partition] = MAX(s->acked[g][p->m.partition], p->order);
}

static void
receive(struct sim *s, struct pending *p, bool behaves)
{
	struct client *c = &s->client[p->m.client];
	int error = p->m.what >= COMMIT ? commit_code(p) : p->m.what == LEAVE
		? ((const struct leave_group_response *)p->ask->answer)->members.v[0].error_code
		: code(p->ask);
	int mask = p->m.what == SYNC && !error ? own_all(s, p) : 0;
	if (p->m.what == COMMIT && !error)
		s->acked[c->group][p->m.partition] =
			MAX(s->acked[c->group][p->m.partition], p->order);
	if (p->m.what == TXN_COMMIT && !error)
		end_transaction(s, p);
	if (c->waits_for != p->m.id || (!behaves && chance(s, 2)))
		return; /* the client gave up, or the answer was lost */
	c->waits_for = 0;
	c->nbeat = p->m.what == BEAT && !error ? c->nbeat + 1 : 0;
	if (p->m.what == LEAVE)
		forget(c);
	else if (error)
		take_error(c, error, p);
	else if (p->m.what == JOIN)
		take_joined(c, joined(p->ask));
	else if (p->m.what == SYNC) {
		c->phase = IN;
		c->mask = mask;
	}
}

/* The entries of the log that the answer depends on. */
static int
stands_on(const struct sim *s, const struct pending *p)
{
	int32_t partition = p->ask->call.partition;
	if (partition == -1)
		return 0;
	for (int i = p->ask->log_at; i > 0; i--)
		if (partition < 0 || s->w.log[i - 1].partition == partition)
			return i;
	return 0;
}

static void
release(struct sim *s, int i, bool behaves)
{
	struct pending *p = &s->ask[i];
	if (!p->ask->answer)
		return;
	int need = stands_on(s, p);
	if (need > s->synced)
		return;
	for (int32_t k = 0; k < NPARTITION; k++)
		if (p->ask->call.partition == k || p->ask->call.partition < -1)
			s->told[k] = MAX(s->told[k], need);
	struct pending gone = *p;
	s->ask[i] = s->ask[--s->npending];
	receive(s, &gone, behaves);
	drop(&s->w, gone.ask);
}

/* ---- the broker dies ---- */

/* Cuts each partition's log anywhere after what sent answers depend on. */
static void
cut(struct sim *s)
{
	struct world *w = &s->w;
	int end[NPARTITION], n = 0;
	for (int32_t p = 0; p < NPARTITION; p++)
		end[p] = s->told[p] + (int)below(w, (uint32_t)(w->nlog - s->told[p] + 1));
	for (int i = 0; i < w->nlog; i++) {
		struct entry *e = &w->log[i];
		bool is_kept = i < end[e->partition];
		if (is_kept) {
			struct entry keep = w->log[n];
			w->log[n++] = *e;
			*e = keep;
		}
	}
	world_restart(w, n);
	for (int32_t p = 0; p < NPARTITION; p++)
		s->told[p] = n;
	s->synced = n;
}

static void
check_commits(struct sim *s)
{
	for (int g = 0; g < NGROUP; g++)
		for (int32_t p = 0; p < NDATA; p++) {
			int64_t offset = fetch(&s->w, group_names[g], "apples", p, false);
			if (!s->acked[g][p])
				continue;
			check(offset >= 0 && offset < s->next_offset);
			check(s->order_of[offset] >= s->acked[g][p]);
		}
}

static void
restart(struct sim *s)
{
	/* Connections end, and messages are lost. */
	while (s->npending > 0)
		drop(&s->w, s->ask[--s->npending].ask);
	s->nnet = 0;
	s->w.append_error = 0;
	if (chance(s, 50))
		s->w.now.mono_ms = below(&s->w, 100000); /* another boot's clock */
	cut(s);
	for (int i = 0; i < NCLIENT; i++)
		s->client[i].waits_for = 0;
	check_commits(s);
}

/* ---- a history ---- */

static void
step(struct sim *s)
{
	struct world *w = &s->w;
	uint32_t r = below(w, 1000);
	struct client *c = &s->client[below(w, NCLIENT)];
	for (int i = 0; i < 3 && (c->waits_for || !c->is_alive); i++)
		c = &s->client[below(w, NCLIENT)];
	if (r < 330) {
		act(s, c, false);
	} else if (r < 580) {
		if (s->nnet)
			deliver(s, (int)below(w, (uint32_t)s->nnet), false);
	} else if (r < 830) {
		if (s->npending)
			release(s, (int)below(w, (uint32_t)s->npending), false);
	} else if (r < 910) {
		s->synced = chance(s, 60) ? w->nlog
			: s->synced + (int)below(w, (uint32_t)(w->nlog - s->synced + 1));
	} else if (r < 970) {
		pass(w, below(w, 30) ? below(w, 2500) : below(w, 40000));
	} else if (r < 976) {
		s->client[below(w, NCLIENT)].waits_for = 0; /* the client gives up */
	} else if (r < 985) {
		s->client[below(w, NCLIENT)].is_alive = true;
	} else if (r < 990) {
		w->append_error = w->append_error || chance(s, 60) ? 0
			: KERR_NOT_ENOUGH_REPLICAS;
	} else if (r < 996) {
		w->now.wall_ms += (int64_t)below(w, 7200000) - 3600000;
	} else {
		restart(s);
	}
	look(s);
}

/* Whether all running clients are members of one generation, and all partitions are
 * assigned. */
static bool
is_at_rest(struct sim *s, int group)
{
	int n = 0, owned = 0;
	int32_t generation = -1;
	for (int i = 0; i < NCLIENT; i++) {
		const struct client *c = &s->client[i];
		if (!c->is_alive || c->group != group)
			continue;
		if (c->phase != IN || c->nbeat < 2 || (n && c->generation != generation))
			return false;
		check((owned & c->mask) == 0);
		generation = c->generation;
		owned |= c->mask;
		n++;
	}
	const char *is = state(&s->w, group_names[group]);
	if (n == 0)
		return strcmp(is, "Empty") == 0 || strcmp(is, "Dead") == 0;
	/* A crashed member owns partitions until its session ends. */
	return strcmp(is, "Stable") == 0 && owned == ALL;
}

/* Ends all faults. */
static void
settle(struct sim *s)
{
	s->w.append_error = 0;
	for (int i = 0; i < NCLIENT; i++)
		s->client[i].waits_for = 0; /* what was lost before */
	int round = 0;
	for (bool is_done = false; !is_done; round++) {
		check(round < 400);
		for (int i = 0; i < NCLIENT; i++)
			act(s, &s->client[i], true);
		while (s->nnet)
			deliver(s, 0, true);
		pass(&s->w, 500);
		look(s);
		s->synced = s->w.nlog;
		for (int i = s->npending; i-- > 0;)
			if (i < s->npending)
				release(s, i, true);
		is_done = true;
		for (int g = 0; g < NGROUP; g++)
			is_done &= is_at_rest(s, g);
	}
}

static void
finish(struct sim *s)
{
	struct world *w = &s->w;
	check_commits(s);
	/* No client joins any more. */
	pass(w, 400000);
	for (int g = 0; g < NGROUP; g++) {
		const char *is = state(w, group_names[g]);
		check(strcmp(is, "Empty") == 0 || strcmp(is, "Dead") == 0);
	}
	groups_stop(w->g);
	look(s);
	while (s->npending > 0) {
		check(s->ask[s->npending - 1].ask->answer != NULL);
		drop(w, s->ask[--s->npending].ask);
	}
	world_release(w);
	mem_free(s->order_of);
}

static void
history(uint64_t seed)
{
	static const char *const instances[NCLIENT] = { NULL, "s1", NULL, "s3", NULL, "s5" };
	static struct sim s;
	memset(&s, 0, sizeof s);
	running = seed;
	world_init(&s.w, seed);
	s.w.config.initial_delay_ms = below(&s.w, 3) ? 0 : 3000;
	s.w.config.member_max = below(&s.w, 4) ? 10 : 3;
	s.w.config.expiry_interval_ms = INT64_MAX / 4;
	world_configure(&s.w);
	s.next_offset = 1;
	int nclient = 1 + (int)below(&s.w, NCLIENT);
	for (int i = 0; i < NCLIENT; i++) {
		struct client *c = &s.client[i];
		forget(c);
		c->is_alive = i < nclient;
		c->instance = instances[i];
		c->group = s.w.config.member_max == 3 ? i % NGROUP : below(&s.w, 4) == 0;
		c->metadata = "one";
	}
	for (int i = 0; i < NSTEP; i++)
		step(&s);
	settle(&s);
	finish(&s);
	running = 0;
}

void
test_sim_groups__many_histories_hold(void)
{
	const char *seed = getenv("KQ_SEED"), *n = getenv("KQ_HISTORIES");
	atexit(tell_seed);
	signal(SIGABRT, aborted);
	signal(SIGALRM, aborted);
	if (seed && *seed) {
		history(strtoull(seed, NULL, 10));
		return;
	}
	uint64_t histories = n && *n ? strtoull(n, NULL, 10) : HISTORIES;
	for (uint64_t i = 1; i <= histories; i++)
		history(i);
}
