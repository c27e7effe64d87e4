/*
 * Groups, seen from their members: one connection per member, all in one thread.
 * Each member does what a Java client does: it joins, sends or receives an
 * assignment, acknowledges at once what it must own or give back, and otherwise
 * sends heartbeats in time.
 *
 *   groups classic ADDR TOPIC PARTITIONS MEMBERS SPREAD
 *                  MEMBER_ID_REQUIRED, JoinGroup, SyncGroup (the leader assigns,
 *                  by range); a heartbeat every 3 s
 *   groups cooperative ADDR TOPIC PARTITIONS MEMBERS SPREAD
 *                  the same with cooperative-sticky: a member that must give
 *                  something back does so, and joins again
 *   groups consumer ADDR TOPIC PARTITIONS MEMBERS SPREAD
 *                  ConsumerGroupHeartbeat, as often as the broker says
 *   groups commit ADDR COUNT      commit one offset in each of COUNT groups
 *   groups offset ADDR COUNT      fetch the last group's offset: milliseconds
 *
 * SPREAD: milliseconds between the joins of two members.  Prints the milliseconds
 * from the last join until every member owns its share.  Then one member leaves;
 * when the group is stable again, prints how many partitions moved between the
 * remaining members, and how long that took.
 */
#include "talk.h"
#include "proto.h"

#include "base/uuid.h"
#include "client/assign.h"

enum {
	MEMBER_MAX = 1000, PARTITION_MAX = 10000, GIVE_UP_MS = 60000, AGAIN_MS = 20,
	CLASSIC_INTERVAL_MS = 3000, SESSION_MS = 45000, REBALANCE_MS = 300000, IN_FLIGHT = 64,
};

struct member {
	int fd;
	char id[128];
	int32_t epoch;       /* or the generation */
	int16_t asked;       /* key of the unanswered request; -1: none */
	int64_t next_ms;     /* time of the next request */
	int32_t interval_ms;
	bool is_leader, must_join, must_sync, is_settled, is_gone;
	int nshare;          /* partitions owned */
	bool must_tell;      /* report its partitions, which changed */
};

static const char *topic;
static char group[32]; /* a new one for each run */
static struct uuid topic_id;
static int npartition, nmember;
static struct member *member;
static bool is_consumer;
static const struct assign_kind *kind; /* of classic groups */
static int16_t *owner, *owner_before; /* by partition; -1: none */
static struct buf request, response;
static struct arena arena = ARENA_INIT;
static const int16_t version[128] = {
	[API_METADATA] = 12, [API_OFFSET_COMMIT] = 8, [API_OFFSET_FETCH] = 7,
	[API_JOIN_GROUP] = 9, [API_HEARTBEAT] = 4, [API_LEAVE_GROUP] = 5, [API_SYNC_GROUP] = 5,
	[API_CONSUMER_GROUP_HEARTBEAT] = 1 };

static void
ask(int fd, int16_t key, const void *msg)
{
	buf_reset(&request);
	put_request(&request, key, version[key], msg);
	send_all(fd, request.p, request.n);
}

static void
hear(int fd, int16_t key, void *msg)
{
	const struct wire_api *api = wire_api_find(key);
	int32_t correlation;
	arena_reset(&arena);
	get_response(fd, &response);
	int64_t skip = response_header_decode(api, version[key], response.p, response.n, &correlation);
	if (skip >= 0 && wire_decode(api->response, version[key],
		wire_api_is_flexible(api, version[key]),
		response.p + 4 + skip, response.n - 4 - (size_t)skip, &arena, msg) >= 0)
		return;
	say_error("a response does not decode");
	exit(EXIT_FAILED);
}

static _Noreturn void
refused(const char *what, int16_t error)
{
	say_error("%s was refused: %s", what, kerr_info(error)->name);
	exit(EXIT_FAILED);
}

static void
find_topic(const char *addr)
{
	struct metadata_request_topic t = { .name = str_of(topic) };
	struct metadata_request q = { .topics = { &t, 1 } };
	struct metadata_response r;
	int fd = dial(addr);
	ask(fd, API_METADATA, &q);
	hear(fd, API_METADATA, &r);
	if (r.topics.n != 1 || r.topics.v[0].error_code)
		refused("the topic", r.topics.n == 1 ? r.topics.v[0].error_code : -1);
	topic_id = r.topics.v[0].topic_id;
	close(fd);
}

static void
send_from(struct member *m, int16_t key, const void *msg)
{
	ask(m->fd, key, msg);
	m->asked = key;
}

static void
set_id(struct member *m, struct str id)
{
	snprintf(m->id, sizeof m->id, "%.*s", (int)id.n, (const char *)id.p);
}

/* Take an assignment.  True: m must give something back. */
static bool
own(struct member *m, const bool *mine)
{
	int16_t self = (int16_t)(m - member);
	bool gives_back = false;
	for (int i = 0; i < npartition; i++) {
		if (mine[i] && owner[i] >= 0 && owner[i] != self && !member[owner[i]].is_gone
			&& (is_consumer || kind->is_cooperative)) {
			say_error("partition %d has two owners", i);
			exit(EXIT_FAILED);
		}
		if (mine[i] == (owner[i] == self))
			continue;
		gives_back |= !mine[i];
		if (mine[i] || owner[i] == self)
			owner[i] = mine[i] ? self : -1;
		m->must_tell = true;
	}
	m->nshare = 0;
	for (int i = 0; i < npartition; i++)
		m->nshare += mine[i];
	return gives_back;
}

/* ---- classic ---- */

static void
join_classic(struct member *m)
{
	static struct assign_owned owned[PARTITION_MAX];
	struct buf subscription = BUF_INIT;
	struct str name = str_of(topic);
	int nowned = 0;
	for (int i = 0; kind->is_cooperative && i < npartition; i++)
		if (owner[i] == m - member)
			owned[nowned++] = (struct assign_owned){ name, i };
	assign_put_subscription(&subscription, kind, &name, 1, owned, nowned,
		m->epoch ? m->epoch : -1);
	struct join_group_request_protocol p = { str_of(kind->name),
		{ subscription.p, (int32_t)subscription.n } };
	struct join_group_request q = { .group_id = str_of(group), .session_timeout_ms = SESSION_MS,
		.rebalance_timeout_ms = REBALANCE_MS, .member_id = str_of(m->id),
		.group_instance_id = STR_NULL, .protocol_type = STR("consumer"), .protocols = { &p, 1 },
		.reason = STR_NULL };
	m->must_join = m->must_sync = m->is_settled = false;
	send_from(m, API_JOIN_GROUP, &q);
	buf_release(&subscription);
}

/* The leader's assignments of all members, in the arena. */
static int
divide(const struct join_group_response *r,
	struct sync_group_request_assignment **out)
{
	int n = r->members.n;
	struct err e;
	struct assign_topic t = { str_of(topic), npartition };
	struct assign a = { .topic = &t, .ntopic = 1, .arena = &arena };
	struct assign_bytes *in = arena_alloc(&arena, (size_t)n * sizeof *in + 1);
	for (int i = 0; i < n; i++)
		in[i] = (struct assign_bytes){ r->members.v[i].member_id, STR_NULL,
			r->members.v[i].metadata };
	if (assign_read_members(&a, kind, in, n, &e) < 0) {
		say_error("%s", e.msg);
		exit(EXIT_FAILED);
	}
	assign_run(&a, kind);
	*out = arena_alloc(&arena, (size_t)n * sizeof **out + 1);
	for (int i = 0; i < n; i++) {
		struct buf b = BUF_INIT;
		assign_put_assignment(&b, &a, i);
		(*out)[i].member_id = a.member[i].id;
		(*out)[i].assignment = arena_str(&arena, (struct str){ b.p, (int32_t)b.n });
		buf_release(&b);
	}
	return n;
}

/* A leader assigns while it has the members' list: before the next response. */
static void
sync_classic(struct member *m, const struct join_group_response *r)
{
	struct sync_group_request q = { .group_id = str_of(group), .generation_id = m->epoch,
		.member_id = str_of(m->id), .group_instance_id = STR_NULL,
		.protocol_type = STR("consumer"), .protocol_name = str_of(kind->name) };
	if (m->is_leader)
		q.assignments.n = divide(r, &q.assignments.v);
	send_from(m, API_SYNC_GROUP, &q);
}

static void
hear_join(struct member *m)
{
	struct join_group_response r;
	hear(m->fd, API_JOIN_GROUP, &r);
	if (r.error_code == KERR_MEMBER_ID_REQUIRED || r.error_code == KERR_COORDINATOR_NOT_AVAILABLE
		|| r.error_code == KERR_REBALANCE_IN_PROGRESS) {
		if (r.member_id.n > 0)
			set_id(m, r.member_id);
		join_classic(m);
		return;
	}
	if (r.error_code)
		refused("a join", r.error_code);
	m->epoch = r.generation_id;
	m->is_leader = str_eq(r.leader, r.member_id);
	sync_classic(m, &r);
}

/* True: something must be given back. */
static bool
take_classic(struct member *m, struct str assignment)
{
	struct err e;
	struct assign_owned *v;
	int n = assign_read_assignment(assignment, &arena, &v, &e);
	bool *mine = arena_alloc(&arena, (size_t)npartition * sizeof *mine);
	for (int i = 0; i < n; i++)
		mine[v[i].partition] = true;
	return own(m, mine);
}

static void
hear_sync(struct member *m)
{
	struct sync_group_response r;
	hear(m->fd, API_SYNC_GROUP, &r);
	m->must_join = r.error_code == KERR_REBALANCE_IN_PROGRESS;
	if (r.error_code && !m->must_join)
		refused("a sync", r.error_code);
	if (!m->must_join)
		m->must_join = take_classic(m, r.assignment) && kind->is_cooperative;
	m->is_settled = !m->must_join;
}

static void
step_classic(struct member *m, int64_t now_ms)
{
	struct heartbeat_response r = { .error_code = 0 };
	int16_t asked = m->asked;
	m->asked = -1;
	if (asked == API_JOIN_GROUP)
		hear_join(m);
	else if (asked == API_SYNC_GROUP)
		hear_sync(m);
	else
		hear(m->fd, API_HEARTBEAT, &r);
	m->next_ms = now_ms + CLASSIC_INTERVAL_MS;
	if (r.error_code == KERR_REBALANCE_IN_PROGRESS || m->must_join)
		join_classic(m);
	else if (r.error_code)
		refused("a heartbeat", r.error_code);
}

static void
tick_classic(struct member *m)
{
	struct heartbeat_request q = { .group_id = str_of(group), .generation_id = m->epoch,
		.member_id = str_of(m->id), .group_instance_id = STR_NULL };
	send_from(m, API_HEARTBEAT, &q);
}

/* ---- the new protocol ---- */

static void
tick_consumer(struct member *m)
{
	static int32_t index[PARTITION_MAX];
	struct str name = str_of(topic);
	struct consumer_group_heartbeat_request_topic t = { .topic_id = topic_id,
		.partitions = { index, 0 } };
	struct consumer_group_heartbeat_request q;
	wire_defaults(&consumer_group_heartbeat_request_desc, &q);
	bool is_join = m->epoch == 0;
	q.group_id = str_of(group);
	q.member_id = str_of(m->id);
	q.member_epoch = m->epoch;
	q.topic_partitions.n = -1;
	q.subscribed_topic_names.n = -1;
	if (is_join || m->must_tell) {
		for (int i = 0; i < npartition; i++)
			if (owner[i] == m - member)
				index[t.partitions.n++] = i;
		q.topic_partitions.v = &t;
		q.topic_partitions.n = t.partitions.n > 0;
	}
	if (is_join) {
		q.rebalance_timeout_ms = REBALANCE_MS;
		q.subscribed_topic_names.v = &name;
		q.subscribed_topic_names.n = 1;
	}
	m->must_tell = false;
	send_from(m, API_CONSUMER_GROUP_HEARTBEAT, &q);
}

/* A partition that another one still has is not given by a broker that does
 * its work. */
static void
take_assignment(struct member *m, const struct consumer_group_heartbeat_response_assignment *a)
{
	bool *mine = mem_alloc((size_t)npartition * sizeof *mine);
	for (int32_t i = 0; i < a->topic_partitions.n; i++)
		for (int32_t k = 0; k < a->topic_partitions.v[i].partitions.n; k++)
			mine[a->topic_partitions.v[i].partitions.v[k]] = true;
	own(m, mine);
	mem_free(mine);
}

static void
step_consumer(struct member *m, int64_t now_ms)
{
	struct consumer_group_heartbeat_response r;
	m->asked = -1;
	hear(m->fd, API_CONSUMER_GROUP_HEARTBEAT, &r);
	if (m->is_gone)
		return;
	if (r.error_code == KERR_COORDINATOR_NOT_AVAILABLE) {
		m->next_ms = now_ms + AGAIN_MS;
		return;
	}
	if (r.error_code)
		refused("a heartbeat", r.error_code);
	m->epoch = r.member_epoch;
	m->interval_ms = r.heartbeat_interval_ms;
	m->next_ms = now_ms + m->interval_ms;
	if (r.assignment)
		take_assignment(m, r.assignment);
	m->is_settled = !m->must_tell;
	if (m->must_tell)
		tick_consumer(m);
}

/* ---- the whole group ---- */

static bool
is_stable(void)
{
	int total = 0;
	int32_t epoch = 0;
	for (int i = 0; i < nmember; i++)
		epoch = MAX(epoch, member[i].is_gone ? 0 : member[i].epoch);
	for (int i = 0; i < nmember; i++) {
		if (member[i].is_gone)
			continue;
		if (!member[i].is_settled || member[i].epoch != epoch)
			return false;
		total += member[i].nshare;
	}
	return total == npartition;
}

/* Wait until every member has its share; returns the milliseconds since start_ns. */
static double
settle(int64_t start_ns)
{
	struct pollfd *p = mem_alloc((size_t)nmember * sizeof *p);
	for (;;) {
		int64_t now_ms = clock_mono_ns() / 1000000, next_ms = now_ms + GIVE_UP_MS;
		for (int i = 0; i < nmember; i++) {
			struct member *m = &member[i];
			p[i] = (struct pollfd){ m->fd, POLLIN, 0 };
			if (m->asked < 0 && !m->is_gone && m->next_ms <= now_ms)
				is_consumer ? tick_consumer(m) : tick_classic(m);
			if (m->asked < 0 && !m->is_gone)
				next_ms = MIN(next_ms, m->next_ms);
		}
		if (poll(p, (nfds_t)nmember, (int)MAX(next_ms - now_ms, 0)) < 0)
			die("poll");
		now_ms = clock_mono_ns() / 1000000;
		for (int i = 0; i < nmember; i++)
			if (p[i].revents)
				is_consumer ? step_consumer(&member[i], now_ms)
					: step_classic(&member[i], now_ms);
		double ms = since_s(start_ns) * 1e3;
		if (is_stable() || ms > GIVE_UP_MS) {
			mem_free(p);
			if (ms > GIVE_UP_MS)
				say_error("the group does not settle");
			return ms;
		}
	}
}

/* Serve the present members for this long. */
static void
wait_serving(int ms, int njoined)
{
	int64_t until = clock_mono_ns() + ms * 1000000LL;
	struct pollfd *p = mem_alloc((size_t)njoined * sizeof *p);
	for (int64_t left; (left = until - clock_mono_ns()) > 0;) {
		for (int i = 0; i < njoined; i++)
			p[i] = (struct pollfd){ member[i].fd, POLLIN, 0 };
		if (poll(p, (nfds_t)njoined, (int)(left / 1000000)) < 0)
			die("poll");
		for (int i = 0; i < njoined; i++)
			if (p[i].revents)
				is_consumer ? step_consumer(&member[i], clock_mono_ns() / 1000000)
					: step_classic(&member[i], clock_mono_ns() / 1000000);
	}
	mem_free(p);
}

static void
leave_classic(struct member *m)
{
	struct leave_group_request_member who = { .member_id = str_of(m->id),
		.group_instance_id = STR_NULL, .reason = STR_NULL };
	struct leave_group_request q = { .group_id = str_of(group), .members = { &who, 1 } };
	struct leave_group_response r;
	if (m->asked >= 0)
		step_classic(m, 0);
	m->is_gone = true;
	ask(m->fd, API_LEAVE_GROUP, &q);
	hear(m->fd, API_LEAVE_GROUP, &r);
	if (r.error_code)
		refused("a leave", r.error_code);
}

static void
leave_consumer(struct member *m)
{
	m->epoch = -1;
	m->must_tell = false;
	tick_consumer(m);
	m->is_gone = true;
	step_consumer(m, 0);
}

/* One member leaves; count what moves.  The others send heartbeats at once, so that
 * we need not wait. */
static void
leave(void)
{
	struct member *m = &member[nmember / 2];
	int moved = 0;
	memcpy(owner_before, owner, (size_t)npartition * sizeof *owner);
	is_consumer ? leave_consumer(m) : leave_classic(m);
	int64_t start = clock_mono_ns();
	for (int i = 0; i < nmember; i++) {
		member[i].next_ms = 0;
		member[i].is_settled = false;
	}
	double ms = settle(start);
	for (int i = 0; i < npartition; i++)
		moved += owner_before[i] != m - member && owner[i] != owner_before[i];
	printf(" %d %.1f", moved, ms);
}

static int
run_group(char **v)
{
	topic = v[1];
	snprintf(group, sizeof group, "group-%d", (int)getpid());
	npartition = MIN(atoi(v[2]), PARTITION_MAX);
	nmember = MIN(atoi(v[3]), MEMBER_MAX);
	int spread_ms = atoi(v[4]);
	member = mem_alloc((size_t)nmember * sizeof *member);
	owner = mem_alloc((size_t)npartition * sizeof *owner);
	owner_before = mem_alloc((size_t)npartition * sizeof *owner);
	for (int i = 0; i < npartition; i++)
		owner[i] = -1;
	find_topic(v[0]);
	for (int i = 0; i < nmember; i++) {
		member[i].fd = dial(v[0]);
		member[i].asked = -1;
		if (is_consumer)
			snprintf(member[i].id, sizeof member[i].id, "member-%04d", i);
	}
	int64_t last = 0;
	for (int i = 0; i < nmember; i++) {
		if (i && spread_ms)
			wait_serving(spread_ms, i);
		last = clock_mono_ns();
		is_consumer ? tick_consumer(&member[i]) : join_classic(&member[i]);
	}
	printf("%.1f", settle(last));
	leave();
	printf("\n");
	return 0;
}

static int
classic(char **v)
{
	kind = assign_find(STR("range"));
	return run_group(v);
}

static int
cooperative(char **v)
{
	kind = assign_find(STR("cooperative-sticky"));
	return run_group(v);
}

static int
consumer(char **v)
{
	is_consumer = true;
	return run_group(v);
}

/* ---- groups without members ---- */

static void
group_name(char z[static 32], int i)
{
	snprintf(z, 32, "idle-group-%06d", i);
}

static void
hear_commit(int fd)
{
	struct offset_commit_response r;
	hear(fd, API_OFFSET_COMMIT, &r);
	if (r.topics.n != 1 || r.topics.v[0].partitions.v[0].error_code)
		refused("a commit", r.topics.n == 1 ? r.topics.v[0].partitions.v[0].error_code : -1);
}

static int
commit(char **v)
{
	int fd = dial(v[0]), n = atoi(v[1]), nasked = 0, nheard = 0;
	char name[32];
	struct offset_commit_request_partition p = { .committed_offset = 42,
		.committed_leader_epoch = -1, .committed_metadata = STR("") };
	struct offset_commit_request_topic t = { .name = STR("idle"),
		.partitions = { &p, 1 } };
	struct offset_commit_request q = { .group_id = STR_NULL, .generation_id_or_member_epoch = -1,
		.member_id = STR(""), .group_instance_id = STR_NULL, .topics = { &t, 1 } };
	while (nheard < n) {
		for (; nasked < n && nasked - nheard < IN_FLIGHT; nasked++) {
			group_name(name, nasked);
			q.group_id = str_of(name);
			ask(fd, API_OFFSET_COMMIT, &q);
		}
		hear_commit(fd);
		nheard++;
	}
	printf("%d\n", nheard);
	return 0;
}

static int
offset(char **v)
{
	int64_t start = clock_mono_ns();
	int fd = dial(v[0]);
	char name[32];
	int32_t index = 0;
	group_name(name, atoi(v[1]) - 1);
	struct offset_fetch_request_topic t = { .name = STR("idle"),
		.partition_indexes = { &index, 1 } };
	struct offset_fetch_request q = { .group_id = str_of(name), .topics = { &t, 1 } };
	struct offset_fetch_response r;
	ask(fd, API_OFFSET_FETCH, &q);
	hear(fd, API_OFFSET_FETCH, &r);
	if (r.error_code || r.topics.n != 1 || r.topics.v[0].partitions.v[0].committed_offset != 42)
		refused("a fetch of offsets", r.error_code);
	printf("%.3f\n", since_s(start) * 1e3);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct { const char *name; int nargs; int (*run)(char **v); } mode[] = {
		{ "classic", 5, classic }, { "cooperative", 5, cooperative }, { "consumer", 5, consumer },
		{ "commit", 2, commit }, { "offset", 2, offset },
	};
	say_init(argv[0]);
	for (size_t i = 0; i < ARRAY_LEN(mode); i++)
		if (argc == mode[i].nargs + 2 && strcmp(argv[1], mode[i].name) == 0)
			return mode[i].run(argv + 2) || say_flush_stdout();
	say_error("see the head of t/bench/groups.c");
	return EXIT_USAGE;
}
