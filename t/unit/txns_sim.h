/* What the simulation of transactions has besides the coordinator: messages in the
 * network, data partitions, and clients. */
#ifndef KQ_T_TXNS_SIM_H
#define KQ_T_TXNS_SIM_H
#include "txns_help.h"
#include "proto.h"

enum {
	IDS = 2, CLIENTS = 2 * IDS, PARTS = 4, WRITES = 4, STATES = 96, MSGS = 64,
	ATTEMPTS = 512, HELD = 256, TIMEOUT_MS = 3000,
};

static const char *const id_name[IDS] = { "alpha", "beta" };

/* ---- what is modelled ---- */

enum outcome { OPEN, COMMITTED, ABORTED };

/* A record in a data partition. */
struct entry {
	int64_t pid;
	int attempt, write;
	enum outcome outcome;
};

struct pstate {
	int64_t pid;
	int16_t epoch;
	int seq; /* the last; -1: none in this epoch */
	int coordinator_epoch;
};

struct part {
	struct entry v[1024];
	int n;
	struct pstate state[STATES];
	int nstate;
};

/* One transaction of one client, as the client sees it. */
struct attempt {
	int client, nwrite;
	bool commit_sent, commit_acked, abort_acked;
};

enum phase { P_INIT, P_READY, P_WRITING, P_ENDING };

struct write {
	int part, seq; /* seq -1: not sent yet */
	bool is_added, is_acked;
};

struct client {
	int id;
	bool is_v2, has_claim, gave_up;
	enum phase phase;
	int incarnation, serial;
	int sleeps, asked; /* steps; the serial it has asked with */
	int64_t pid;
	int16_t epoch;
	int seq[PARTS];
	int attempt, nwrite;
	struct write write[WRITES];
	bool is_commit;
};

enum msg_kind { M_NONE, M_REQUEST, M_ANSWER, M_WRITE, M_WAITING, M_APPEND, M_WRITTEN };

struct msg {
	enum msg_kind kind;
	int client, incarnation, serial;
	int16_t key, version;
	int64_t pid;
	int16_t epoch;
	bool is_commit, is_v2;
	int part, seq, attempt, write;
	int16_t error;
	int nlog, log_partition; /* M_WAITING: for what */
};

static struct world w;
static struct part part[PARTS];
static struct attempt attempt[ATTEMPTS];
static int nattempt;
static struct client client[CLIENTS];
static struct msg msg[MSGS];
static struct w_call *held[HELD];
static int nheld;
static bool is_quiet;
static struct {
	int client, incarnation; /* the last producer that got it */
	int64_t pid;             /* the newest that was given out */
	int16_t epoch;
} owner[IDS];
static struct {
	long commits, aborts, fenced, crashes, time_outs, rollovers, refused;
} seen;
static uint64_t history, digest;

static inline int
any(int n)
{
	return w_below(&w, n);
}

static inline bool
chance(int percent)
{
	return any(100) < percent;
}

/* ---- the network ---- */

static inline void
send_msg(const struct msg *m)
{
	int copies = is_quiet ? 1 : chance(10) ? 0 : chance(10) ? 2 : 1;
	for (int i = 0; i < MSGS && copies > 0; i++)
		if (msg[i].kind == M_NONE) {
			msg[i] = *m;
			copies--;
		} /* no place: lost */
}

/* A record of this partition of our topic below nlog is not on disk. */
static inline bool
is_unsynced(int partition, int nlog)
{
	for (int i = 0; i < MIN(nlog, w.nlog); i++)
		if (w.log[i].partition == partition && !w.log[i].is_synced)
			return true;
	return false;
}

/* ---- data partitions ---- */

static inline struct pstate *
pstate_get(struct part *p, int64_t pid, bool make)
{
	for (int i = 0; i < p->nstate; i++)
		if (p->state[i].pid == pid)
			return &p->state[i];
	if (!make)
		return NULL;
	check(p->nstate < STATES);
	p->state[p->nstate] = (struct pstate){ pid, -1, -1, -1 };
	return &p->state[p->nstate++];
}

static inline int16_t
data_append(const struct msg *m)
{
	struct part *p = &part[m->part];
	struct pstate *s = pstate_get(p, m->pid, true);
	if (m->epoch < s->epoch)
		return KERR_INVALID_PRODUCER_EPOCH;
	bool is_unknown = s->epoch < 0;
	int last = m->epoch > s->epoch ? -1 : s->seq;
	for (int i = 0; m->seq <= last && i < p->n; i++)
		if (p->v[i].attempt == m->attempt && p->v[i].write == m->write)
			return KERR_NONE; /* had it */
	if (m->seq != last + 1 && !is_unknown)
		return KERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
	check(p->n < (int)ARRAY_LEN(p->v));
	p->v[p->n++] = (struct entry){ m->pid, m->attempt, m->write, OPEN };
	s->epoch = m->epoch;
	s->seq = m->seq;
	return KERR_NONE;
}

/* A marker ends what is open, which must be one transaction, and no newer producer may
 * have written. */
static inline void
data_marker(int index, const struct w_ask *a)
{
	struct part *p = &part[index];
	struct pstate *s = pstate_get(p, a->producer.id, true);
	check(a->producer.epoch >= s->epoch);
	check(a->coordinator_epoch >= s->coordinator_epoch);
	int whose = -1;
	for (int i = 0; i < p->n; i++)
		if (p->v[i].pid == a->producer.id && p->v[i].outcome == OPEN) {
			check(whose < 0 || whose == p->v[i].attempt);
			whose = p->v[i].attempt;
			p->v[i].outcome = a->is_commit ? COMMITTED : ABORTED;
		}
	if (a->producer.epoch > s->epoch)
		s->seq = -1;
	s->epoch = a->producer.epoch;
	s->coordinator_epoch = a->coordinator_epoch;
}

/* ---- clients ---- */

/* The same client restarts, or another one with the same id. */
static inline void
client_restart(struct client *c)
{
	c->incarnation++;
	c->serial++;
	c->phase = P_INIT;
	c->has_claim = false;
	c->is_v2 = chance(60);
	c->sleeps = any(100);
}

/* Asks for a new epoch. */
static inline void
client_reinit(struct client *c)
{
	c->serial++;
	c->phase = P_INIT;
	c->has_claim = true;
}

static inline void
client_ask(int i, int16_t key, int16_t version, int part_index)
{
	struct client *c = &client[i];
	bool is_claimed = key != 22 || c->has_claim;
	struct msg m = { .kind = M_REQUEST, .client = i, .incarnation = c->incarnation,
		.serial = c->serial, .key = key, .version = version, .part = part_index,
		.pid = is_claimed ? c->pid : -1, .epoch = is_claimed ? c->epoch : (int16_t)-1,
		.is_commit = c->is_commit && !c->gave_up, .attempt = c->attempt };
	send_msg(&m);
	c->asked = c->serial;
}

static inline void
client_begin(int i)
{
	struct client *c = &client[i];
	check(nattempt < ATTEMPTS);
	c->phase = P_WRITING;
	c->serial++;
	c->gave_up = false;
	c->is_commit = chance(75);
	c->attempt = nattempt++;
	c->nwrite = 1 + any(WRITES);
	attempt[c->attempt] = (struct attempt){ .client = i, .nwrite = c->nwrite };
	for (int k = 0; k < c->nwrite; k++)
		c->write[k] = (struct write){ .part = any(PARTS), .seq = -1 };
}

static inline void
client_end(int i)
{
	struct client *c = &client[i];
	if (c->phase != P_ENDING)
		c->serial++;
	c->phase = P_ENDING;
	if (c->is_commit && !c->gave_up)
		attempt[c->attempt].commit_sent = true;
	client_ask(i, 26, c->is_v2 ? 5 : 3, 0);
}

/* The transaction must be aborted. */
static inline void
client_give_up(int i)
{
	struct client *c = &client[i];
	c->gave_up = true;
	if (c->is_v2 && chance(50))
		client_end(i);
	else
		client_reinit(c);
}

static inline void
client_write(int i)
{
	struct client *c = &client[i];
	int left[WRITES], n = 0;
	for (int k = 0; k < c->nwrite; k++)
		if (!c->write[k].is_acked)
			left[n++] = k;
	if (n == 0) {
		client_end(i);
		return;
	}
	int k = left[any(n)];
	struct write *x = &c->write[k];
	if (!c->is_v2 && !x->is_added) {
		c->serial++;
		client_ask(i, 24, 3, x->part);
		return;
	}
	if (x->seq < 0)
		x->seq = c->seq[x->part]++;
	struct msg m = { .kind = M_WRITE, .client = i, .incarnation = c->incarnation,
		.serial = c->serial, .pid = c->pid, .epoch = c->epoch, .is_v2 = c->is_v2,
		.part = x->part, .seq = x->seq, .attempt = c->attempt, .write = k };
	send_msg(&m);
}

static inline void
client_step(int i)
{
	struct client *c = &client[i];
	if (!is_quiet && c->sleeps == 0 && chance(1)) {
		client_restart(c); /* a crash */
		return;
	}
	if (c->sleeps > 0) {
		c->sleeps--;
		return;
	}
	/* Mostly, it waits for the answer. */
	if (c->asked == c->serial && !is_quiet && !chance(15))
		return;
	switch (c->phase) {
	case P_INIT:
		if (!is_quiet)
			client_ask(i, 22, c->is_v2 ? 5 : 3, 0);
		break;
	case P_READY:
		if (!is_quiet)
			client_begin(i);
		break;
	case P_WRITING:
		if (!is_quiet && chance(2))
			client_give_up(i);
		else
			client_write(i);
		break;
	case P_ENDING:
		client_end(i);
		break;
	}
}

/* A new epoch: sequences start again. */
static inline void
client_take(struct client *c, int64_t pid, int16_t epoch)
{
	seen.rollovers += c->has_claim && pid != c->pid;
	if (pid != c->pid || epoch != c->epoch)
		memset(c->seq, 0, sizeof c->seq);
	c->pid = pid;
	c->epoch = epoch;
}

static inline bool
is_passing(int16_t error)
{
	return error == KERR_CONCURRENT_TRANSACTIONS || error == KERR_COORDINATOR_NOT_AVAILABLE
		|| error == KERR_COORDINATOR_LOAD_IN_PROGRESS
		|| error == KERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
}

static inline bool
is_fatal(int16_t error)
{
	return error == KERR_PRODUCER_FENCED || error == KERR_INVALID_PRODUCER_ID_MAPPING;
}

static inline void
client_ended(struct client *c, const struct msg *m)
{
	struct attempt *a = &attempt[c->attempt];
	bool was_commit = c->is_commit && !c->gave_up;
	a->commit_acked = a->commit_acked || was_commit;
	a->abort_acked = a->abort_acked || !was_commit;
	seen.commits += was_commit;
	seen.aborts += !was_commit;
	/* An old client's request of this transaction would be taken for the
	 * next one's; its connection does not let it come late. */
	for (int i = 0; i < MSGS && !c->is_v2; i++)
		if (msg[i].kind == M_REQUEST && msg[i].key == API_END_TXN && &client[msg[i].client] == c
				&& msg[i].incarnation == c->incarnation)
			msg[i].kind = M_NONE;
	if (c->is_v2) {
		c->has_claim = true;
		client_take(c, m->pid, m->epoch);
	}
	c->serial++;
	c->phase = P_READY;
}

static inline void
client_hears(const struct msg *m)
{
	struct client *c = &client[m->client];
	if (m->incarnation != c->incarnation || m->serial != c->serial)
		return;
	c->asked = -1;
	if (is_passing(m->error))
		return;
	if (m->error) {
		if (is_fatal(m->error) || m->key == API_INIT_PRODUCER_ID)
			client_restart(c);
		else
			client_reinit(c);
		return;
	}
	if (m->key == API_INIT_PRODUCER_ID) {
		client_take(c, m->pid, m->epoch);
		c->serial++;
		c->phase = P_READY;
	} else if (m->key == API_END_TXN) {
		client_ended(c, m);
	} else {
		for (int k = 0; k < c->nwrite; k++)
			if (c->write[k].part == m->part)
				c->write[k].is_added = true;
	}
}

static inline void
client_written(const struct msg *m)
{
	struct client *c = &client[m->client];
	bool is_now = m->incarnation == c->incarnation && c->phase == P_WRITING
		&& m->attempt == c->attempt;
	if (!is_now || is_passing(m->error))
		return;
	if (m->error)
		client_give_up(m->client);
	else
		c->write[m->write].is_acked = true;
}

#endif
