/*
 * Simulation of the transaction coordinator, from seeds.
 *
 * Two producers compete for each of two transactional ids, some with old clients
 * (transaction.version 1), some with new ones.  They write to data partitions, which
 * are modelled as logs with epochs, sequences and markers.  Messages are lost,
 * repeated, late and reordered; appends are refused; markers are written late and
 * partition by partition; clocks jump; the broker crashes, and its log is cut
 * anywhere after what was on disk.
 *
 * The invariants are in the functions named must_*, and in settle().
 *
 *   KQ_SEED=N        that history alone (or the first of KQ_HISTORIES)
 *   KQ_HISTORIES=N   how many
 */
#include "txns_sim.h"
#include "proto.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { HISTORIES = 10000 };

/* ---- the broker: answers ---- */

struct result {
	int16_t error;
	int64_t pid;
	int16_t epoch;
};

static struct result
read_result(struct w_call *c)
{
	void *r = w_answer(c);
	if (c->call.api_key == API_INIT_PRODUCER_ID) {
		struct init_producer_id_response *x = r;
		return (struct result){ x->error_code, x->producer_id, x->producer_epoch };
	}
	if (c->call.api_key == API_END_TXN) {
		struct end_txn_response *x = r;
		return (struct result){ x->error_code, x->producer_id, x->producer_epoch };
	}
	if (c->call.api_key == API_ADD_PARTITIONS_TO_TXN && c->call.api_version < 4) {
		struct add_partitions_to_txn_response *x = r;
		return (struct result){ x->results_by_topic_v3_and_below.v[0]
			.results_by_partition.v[0].partition_error_code, -1, -1 };
	}
	return (struct result){ 0, -1, -1 };
}

/* Epochs of an id never go back. */
static void
must_not_go_back(int id, const struct result *r)
{
	check(r->pid > owner[id].pid || (r->pid == owner[id].pid && r->epoch >= owner[id].epoch));
}

/* A fenced producer commits nothing more. */
static void
must_own(const struct msg *m)
{
	int id = client[m->client].id;
	check(owner[id].client == m->client && owner[id].incarnation == m->incarnation);
}

static void
on_respond(struct world *world, struct w_call *c)
{
	(void)world;
	struct msg *m = c->ctx;
	if (m) {
		struct result r = read_result(c);
		if (!r.error && m->key == API_END_TXN && m->is_commit)
			must_own(m);
		if (!r.error && r.pid >= 0)
			must_not_go_back(client[m->client].id, &r);
		seen.fenced += r.error == KERR_PRODUCER_FENCED;
		seen.refused += r.error == KERR_COORDINATOR_NOT_AVAILABLE;
	}
	for (int i = 0; i < nheld; i++)
		if (held[i] == c)
			return;
	check(!"an answer nobody waits for");
}

/* Notes what a sent answer says. */
static void
release(struct w_call *c)
{
	struct msg *m = c->ctx;
	if (!m)
		return;
	struct result r = read_result(c);
	int id = client[m->client].id;
	if (!r.error && r.pid >= 0) {
		must_not_go_back(id, &r);
		owner[id].pid = r.pid;
		owner[id].epoch = r.epoch;
	}
	if (!r.error && m->key == API_INIT_PRODUCER_ID) {
		owner[id].client = m->client;
		owner[id].incarnation = m->incarnation;
	}
	struct msg a = *m;
	a.kind = M_ANSWER;
	a.error = r.error;
	a.pid = r.pid;
	a.epoch = r.epoch;
	send_msg(&a);
}

static void
forget(int i)
{
	mem_free(held[i]->ctx);
	w_call_free(held[i]);
	memmove(held + i, held + i + 1, (size_t)(nheld - i - 1) * sizeof *held);
	nheld--;
}

/* Sends answers in order, once the records they depend on are on disk. */
static void
release_held(void)
{
	for (int i = 0; i < nheld;) {
		struct w_call *c = held[i];
		if (c->answers && (c->call.partition < 0 || !is_unsynced(c->call.partition, c->nlog))) {
			release(c);
			forget(i);
		} else {
			i++;
		}
	}
}

static void
handle(struct w_call *c, const struct msg *m, const void *body)
{
	check(nheld < HELD);
	held[nheld++] = c;
	if (m) {
		c->ctx = mem_alloc(sizeof *m);
		memcpy(c->ctx, m, sizeof *m);
	}
	c->call.body = body;
	w.append_error = !is_quiet && chance(4) ? KERR_KAFKA_STORAGE_ERROR : 0;
	txns_handle(w.t, &c->call, w.now);
	w.append_error = 0;
}

/* ---- the broker: requests ---- */

static void
serve_add(struct w_call *c, const struct msg *m, struct str id)
{
	struct add_partitions_to_txn_request_topic topic = {
		STR("topic"), { (int32_t[]){ m->part }, 1 } };
	struct add_partitions_to_txn_request q;
	wire_defaults(&add_partitions_to_txn_request_desc, &q);
	q.v3_and_below_transactional_id = id;
	q.v3_and_below_producer_id = m->pid;
	q.v3_and_below_producer_epoch = m->epoch;
	q.v3_and_below_topics.v = &topic;
	q.v3_and_below_topics.n = 1;
	handle(c, m, &q);
}

static void
serve(const struct msg *m)
{
	struct w_call *c = w_call_new(m->key, m->version);
	struct str id = str_of(id_name[client[m->client].id]);
	if (m->key == API_INIT_PRODUCER_ID) {
		struct init_producer_id_request q;
		wire_defaults(&init_producer_id_request_desc, &q);
		q.transactional_id = id;
		q.transaction_timeout_ms = TIMEOUT_MS;
		q.producer_id = m->pid;
		q.producer_epoch = m->epoch;
		handle(c, m, &q);
	} else if (m->key == API_END_TXN) {
		struct end_txn_request q = { id, m->pid, m->epoch, m->is_commit };
		handle(c, m, &q);
	} else {
		serve_add(c, m, id);
	}
}

/* Verification and administration requests. */
static void
serve_onlooker(void)
{
	int32_t index = any(PARTS);
	struct add_partitions_to_txn_request_topic topic = {
		STR("topic"), { &index, 1 } };
	struct add_partitions_to_txn_request_transaction v[IDS];
	struct add_partitions_to_txn_request q;
	struct list_transactions_request l;
	memset(v, 0, sizeof v);
	for (int i = 0; i < IDS; i++) {
		v[i].transactional_id = str_of(id_name[i]);
		v[i].producer_id = owner[i].pid;
		v[i].producer_epoch = owner[i].epoch;
		v[i].verify_only = true;
		v[i].topics.v = &topic;
		v[i].topics.n = 1;
	}
	wire_defaults(&add_partitions_to_txn_request_desc, &q);
	q.transactions.v = v;
	q.transactions.n = IDS;
	handle(w_call_new(24, 5), NULL, &q);
	wire_defaults(&list_transactions_request_desc, &l);
	handle(w_call_new(66, 2), NULL, &l);
}

static void
answer_write(const struct msg *m, int16_t error)
{
	struct msg a = *m;
	a.kind = M_WRITTEN;
	a.error = error;
	send_msg(&a);
}

/* A produce request: asks the coordinator, may wait for its disk and ask again, then
 * appends.  Appends of new clients may come late, after the transaction: the epoch in
 * the markers must stop them.  Those of old clients follow at once, as the log's own
 * verification ensures. */
static void
serve_write(struct msg *m)
{
	struct coord_partition p = { STR("topic"), m->part };
	struct coord_producer producer = { m->pid, m->epoch };
	bool must_wait;
	int32_t partition;
	w.append_error = !is_quiet && chance(4) ? KERR_KAFKA_STORAGE_ERROR : 0;
	int16_t error = txns_check_write(w.t, str_of(id_name[client[m->client].id]), &producer,
		&p, 1, m->is_v2, w.now, &partition, &must_wait);
	w.append_error = 0;
	struct msg x = *m;
	m->kind = M_NONE;
	if (!error && must_wait) {
		x.kind = M_WAITING;
		x.nlog = w.nlog;
		x.log_partition = partition;
		*m = x;
	} else if (!error && x.is_v2 && chance(30)) {
		x.kind = M_APPEND;
		*m = x;
	} else {
		answer_write(&x, error ? error : data_append(&x));
	}
}

/* ---- events ---- */

static void
deliver(struct msg *m)
{
	struct msg x = *m;
	switch (x.kind) {
	case M_NONE:
		break;
	case M_REQUEST:
		m->kind = M_NONE;
		serve(&x);
		break;
	case M_ANSWER:
		m->kind = M_NONE;
		client_hears(&x);
		break;
	case M_WRITE:
		serve_write(m);
		break;
	case M_WAITING:
		if (!is_unsynced(x.log_partition, x.nlog))
			serve_write(m);
		break;
	case M_APPEND:
		m->kind = M_NONE;
		answer_write(&x, data_append(&x));
		break;
	case M_WRITTEN:
		m->kind = M_NONE;
		client_written(&x);
		break;
	}
}

static void
sync_partition(int p)
{
	for (int i = 0; i < w.nlog; i++)
		if (w.log[i].partition == p)
			w.log[i].is_synced = true;
}

/* Progress of something that the coordinator waits for. */
static void
attend(int i)
{
	struct w_ask *a = &w.asks[i];
	if (a->is_done)
		return;
	if (a->is_markers && a->n > 0) {
		int k = any(a->n);
		data_marker(a->v[k].index, a);
		a->v[k] = a->v[--a->n]; /* n 0: all are written */
	} else if (a->is_markers || !is_unsynced(a->partition, a->nlog)) {
		w.append_error = !is_quiet && chance(4) ? KERR_KAFKA_STORAGE_ERROR : 0;
		w_tell(&w, i);
		w.append_error = 0;
	}
}

static void
drop_done(void)
{
	int n = 0;
	for (int i = 0; i < w.nask; i++)
		if (!w.asks[i].is_done)
			w.asks[n++] = w.asks[i];
	w.nask = n;
}

/* Each partition keeps a part of what was not on disk, from its beginning. */
static void
crash(void)
{
	bool is_cut[W_PARTITIONS] = { false };
	int n = 0;
	for (int i = 0; i < w.nlog; i++) {
		struct w_record *r = &w.log[i];
		if (!r->is_synced && chance(40))
			is_cut[r->partition] = true;
		if (is_cut[r->partition] && !r->is_synced)
			w_free_record(r);
		else
			w.log[n++] = *r;
	}
	w.nlog = n;
	for (int i = 0; i < n; i++)
		w.log[i].is_synced = true;
	while (nheld > 0)
		forget(0);
	for (int i = 0; i < MSGS; i++)
		if (msg[i].kind == M_WAITING || msg[i].kind == M_APPEND)
			msg[i].kind = M_NONE;
	w_restart(&w);
	seen.crashes++;
}

static void
pass_time(int64_t ms)
{
	w.now.mono_ms += ms;
	w.now.wall_ms += ms;
	if (!is_quiet && chance(3))
		w.now.wall_ms += any(60000) - 30000;
	if (txns_next_tick(w.t) > w.now.mono_ms)
		return;
	int n = w.nlog;
	w.append_error = !is_quiet && chance(10) ? KERR_KAFKA_STORAGE_ERROR : 0;
	txns_tick(w.t, w.now);
	w.append_error = 0;
	seen.time_outs += w.nlog > n;
}

/* A message in the network; any may arrive next. */
static struct msg *
some_msg(void)
{
	int from = any(MSGS);
	for (int i = 0; i < MSGS; i++)
		if (msg[(from + i) % MSGS].kind != M_NONE)
			return &msg[(from + i) % MSGS];
	return &msg[0];
}

static void
step(void)
{
	int what = any(100);
	if (what < 40)
		deliver(some_msg());
	else if (what < 65)
		client_step(any(CLIENTS));
	else if (what < 78)
		sync_partition(coord_partition_of(str_of(id_name[any(IDS)]), W_PARTITIONS));
	else if (what < 93 && w.nask > 0)
		attend(any(w.nask));
	else if (what < 97)
		pass_time(chance(3) ? any(4 * TIMEOUT_MS) : any(50));
	else if (what < 98)
		serve_onlooker();
	else if (chance(10))
		crash();
	release_held();
	drop_done();
}

/* Ends all faults and new transactions; all open ones end. */
static void
calm(int rounds)
{
	for (int round = 0; round < rounds; round++) {
		for (int i = 0; i < CLIENTS; i++)
			client_step(i);
		for (int i = 0; i < MSGS; i++)
			deliver(&msg[i]);
		for (int p = 0; p < W_PARTITIONS; p++)
			sync_partition(p);
		for (int k = 0; k < PARTS + 2; k++)
			for (int i = 0; i < w.nask; i++)
				attend(i);
		release_held();
		drop_done();
		pass_time(1);
	}
}

/* ---- final checks ---- */

static void
must_be_whole(int i)
{
	const struct attempt *a = &attempt[i];
	int committed = 0, aborted = 0, has[WRITES] = { 0 };
	for (int p = 0; p < PARTS; p++)
		for (int k = 0; k < part[p].n; k++) {
			const struct entry *e = &part[p].v[k];
			if (e->attempt != i)
				continue;
			check(e->outcome != OPEN);
			check_int(has[e->write]++, 0);
			committed += e->outcome == COMMITTED;
			aborted += e->outcome == ABORTED;
		}
	check(committed == 0 || aborted == 0);
	check(committed == 0 || committed == a->nwrite);
	check(committed == 0 || a->commit_sent);
	check(!a->commit_acked || committed == a->nwrite);
	check(!a->abort_acked || committed == 0);
	digest = digest * 31 + (uint64_t)(committed * 8 + aborted);
}

/* No id is in a transaction, or ending one. */
static void
must_be_idle(void)
{
	struct str ids[IDS];
	for (int i = 0; i < IDS; i++)
		ids[i] = str_of(id_name[i]);
	struct describe_transactions_request q = { { ids, IDS } };
	struct w_call *c = w_call_new(65, 0);
	handle(c, NULL, &q);
	struct describe_transactions_response *r = w_answer(c);
	for (int i = 0; i < IDS; i++) {
		struct str s = r->transaction_states.v[i].transaction_state;
		check(r->transaction_states.v[i].error_code == KERR_TRANSACTIONAL_ID_NOT_FOUND
			|| str_eq(s, STR("Empty")) || str_eq(s, STR("CompleteCommit"))
			|| str_eq(s, STR("CompleteAbort")));
		digest = digest * 31 + (uint64_t)r->transaction_states.v[i].producer_epoch;
	}
}

static void
settle(void)
{
	is_quiet = true;
	calm(30);
	for (int i = 0; i < CLIENTS; i++)
		client_restart(&client[i]);
	for (int i = 0; i < 4; i++) {
		pass_time(TIMEOUT_MS);
		calm(10);
	}
	for (int i = 0; i < MSGS; i++)
		check(msg[i].kind == M_NONE);
	check_int(nheld, 0);
	check_int(w.nask, 0);
	must_be_idle();
	txns_stop(w.t);
	while (nheld > 0) {
		check_int(held[0]->answers, 1);
		forget(0);
	}
	for (int i = 0; i < nattempt; i++)
		must_be_whole(i);
	for (int i = 0; i < w.nlog; i++)
		digest = digest * 31 + (uint64_t)w.log[i].value.n;
}

/* ---- histories ---- */

/* An id with its last epochs. */
static void
load_old_id(int i)
{
	struct transaction_log_key k = { str_of(id_name[i]) };
	struct transaction_log_value v;
	struct buf kb = BUF_INIT, vb = BUF_INIT;
	wire_defaults(transaction_log_value_data.desc, &v);
	v.producer_id = 500 + i;
	v.producer_epoch = (int16_t)(32755 + any(12));
	v.transaction_timeout_ms = TIMEOUT_MS;
	v.transaction_partitions.n = -1;
	v.transaction_last_update_timestamp_ms = w.now.wall_ms;
	v.transaction_start_timestamp_ms = -1;
	wire_data_encode(&transaction_log_key_data, 0, &k, &kb);
	wire_data_encode(&transaction_log_value_data, 1, &v, &vb);
	struct coord_record r = { buf_str(&kb), buf_str(&vb) };
	w_append(&w.env, coord_partition_of(k.transactional_id, W_PARTITIONS), &r, 1, NULL,
		w.now.wall_ms);
	buf_release(&kb);
	buf_release(&vb);
}

static void
run_history(uint64_t seed)
{
	history = seed;
	w_init(&w, seed);
	w.on_respond = on_respond;
	w.config.abort_interval_ms = 500;
	w.config.expiry_interval_ms = 2000;
	w.config.id_expiration_ms = chance(20) ? 15000 : 86400000;
	for (int i = 0; i < PARTS; i++)
		part[i].n = part[i].nstate = 0;
	memset(client, 0, sizeof client);
	memset(msg, 0, sizeof msg);
	memset(owner, 0, sizeof owner);
	nattempt = 0;
	is_quiet = false;
	digest = seed;
	for (int i = 0; i < IDS; i++) {
		owner[i].client = -1;
		if (chance(25))
			load_old_id(i);
	}
	w_restart(&w);
	for (int i = 0; i < CLIENTS; i++) {
		client[i].id = i % IDS;
		client[i].asked = -1;
		client_restart(&client[i]);
	}
	int n = 300 + any(1700);
	for (int i = 0; i < n; i++)
		step();
	settle();
	w_release(&w);
}

/* Failures end the process, by exit or abort: the seed is printed last. */
static void
tell_seed(void)
{
	if (history)
		fprintf(stderr, "# KQ_SEED=%llu repeats it\n", (unsigned long long)history);
}

static void
on_abort(int sig)
{
	(void)sig;
	char s[64];
	int n = snprintf(s, sizeof s, "# KQ_SEED=%llu repeats it\n", (unsigned long long)history);
	if (write(STDERR_FILENO, s, (size_t)n) < 0)
		_exit(2);
}

static uint64_t
number_of(const char *name, uint64_t otherwise)
{
	const char *z = getenv(name);
	return z && *z ? strtoull(z, NULL, 10) : otherwise;
}

static void
watch(void)
{
	atexit(tell_seed);
	signal(SIGABRT, on_abort);
}

void
test_sim_txns__a_seed_gives_one_history(void)
{
	watch();
	for (uint64_t seed = 1; seed <= 20; seed++) {
		run_history(seed);
		uint64_t once = digest;
		run_history(seed);
		check(digest == once);
	}
	history = 0;
}

void
test_sim_txns__no_transaction_is_torn(void)
{
	uint64_t given = number_of("KQ_SEED", 0);
	uint64_t seed = given ? given : (uint64_t)time(NULL) * 1000003 % 1000000007 + 1;
	uint64_t n = number_of("KQ_HISTORIES", given ? 1 : HISTORIES);
	watch();
	alarm((unsigned)(120 + n / 50));
	memset(&seen, 0, sizeof seen);
	for (uint64_t i = 0; i < n; i++)
		run_history(seed + i);
	printf("# %llu histories from seed %llu: %ld commits, %ld aborts, %ld fenced, "
		"%ld crashes, %ld time-outs or expiries, %ld new producer ids, %ld refused\n",
		(unsigned long long)n, (unsigned long long)seed, seen.commits, seen.aborts,
		seen.fenced, seen.crashes, seen.time_outs, seen.rollovers, seen.refused);
	history = 0;
	/* The simulation must reach all these events. */
	if (n >= 1000)
		check(seen.commits > 0 && seen.aborts > 0 && seen.fenced > 0 && seen.crashes > 0
			&& seen.time_outs > 0 && seen.rollovers > 0 && seen.refused > 0);
}
