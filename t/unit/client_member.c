/* A member against a scripted coordinator, a child process on a Unix socket: it answers
 * each request with the next step of a script, and fails on an unexpected request. */
#include "tap.h"

#include "client/member.h"
#include "sys/clock.h"
#include "wire/frame.h"
#include "wire/kerr.h"

#include "proto.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The API key of an expected request, and the answer to it. */
struct step {
	int16_t key, error;
	int32_t generation;  /* OffsetFetch: the error of each partition */
	const char *parts;   /* SyncGroup, ConsumerGroupHeartbeat: "01"; NULL: none
	                      * ConsumerGroupDescribe: the member with our instance id; NULL: none
	                      * JoinGroup: not NULL: we are the leader, and alone */
};

enum { /* short names for the scripts below */
	COMMIT = API_OFFSET_COMMIT, OFFSETS = API_OFFSET_FETCH, FIND = API_FIND_COORDINATOR,
	JOIN = API_JOIN_GROUP, BEAT = API_HEARTBEAT, LEAVE = API_LEAVE_GROUP, SYNC = API_SYNC_GROUP,
	BEAT848 = API_CONSUMER_GROUP_HEARTBEAT, DESCRIBE = API_CONSUMER_GROUP_DESCRIBE,
};

static const struct step *script;
static int nstep;
static struct shared {
	int at, wrong;
	bool is_refreshing; /* metadata was requested at overlap_at */
	int64_t committed;
	char text[16];      /* committed with it */
	int32_t epoch;
	char owned[8];
	char released[16];  /* the member in whose name a static one left */
} *shared;
/* 0: none.  This step comes while the step before it is under way, and its answer while
 * the member refreshes the metadata. */
static int overlap_at;
static bool knows_848;
static pid_t peer;
static const struct uuid topic_id = { { 7 } };

/* ---- the peer ---- */

static void
answer_versions(struct api_versions_response *r)
{
	static struct api_versions_response_api keys[] = {
		{ 3, 0, 12 }, { 8, 2, 9 }, { 9, 1, 9 }, { 10, 0, 4 }, { 11, 0, 9 }, { 12, 0, 4 },
		{ 13, 0, 5 }, { 14, 0, 5 }, { 68, 0, 1 }, { 69, 0, 1 },
	};
	r->api_keys.v = keys;
	r->api_keys.n = ARRAY_LEN(keys) - (knows_848 ? 0 : 2);
}

static void
answer_metadata(struct metadata_response *r)
{
	static struct metadata_response_broker b;
	static struct metadata_response_partition p[3];
	static struct metadata_response_topic t;
	wire_defaults(&metadata_response_broker_desc, &b);
	wire_defaults(&metadata_response_topic_desc, &t);
	b.node_id = 1;
	b.host = STR("nowhere");
	b.port = 1;
	t.name = STR("t");
	t.topic_id = topic_id;
	for (int i = 0; i < 3; i++) {
		wire_defaults(&metadata_response_partition_desc, &p[i]);
		p[i].partition_index = i;
		p[i].leader_id = 1;
	}
	t.partitions.v = p;
	t.partitions.n = 3;
	r->brokers.v = &b;
	r->brokers.n = 1;
	r->topics.v = &t;
	r->topics.n = 1;
}

static void
answer_beat(const struct step *s, const void *in, void *out, struct arena *a)
{
	const struct consumer_group_heartbeat_request *q = in;
	struct consumer_group_heartbeat_response *r = out;
	shared->epoch = q->member_epoch;
	if (q->member_epoch == -2)
		snprintf(shared->released, sizeof shared->released, "%.*s", STR_ARG(q->member_id));
	if (q->topic_partitions.n >= 0) {
		int n = 0;
		for (int i = 0; q->topic_partitions.n > 0 && i < q->topic_partitions.v->partitions.n; i++)
			shared->owned[n++] = (char)('0' + q->topic_partitions.v->partitions.v[i]);
		shared->owned[n] = 0;
	}
	r->error_code = s->error;
	r->member_id = q->member_id;
	r->member_epoch = s->generation;
	r->heartbeat_interval_ms = 30;
	if (s->parts) {
		r->assignment = arena_alloc(a, sizeof *r->assignment);
		r->assignment->topic_partitions.v
			= arena_alloc(a, sizeof *r->assignment->topic_partitions.v);
		r->assignment->topic_partitions.n = 1;
		r->assignment->topic_partitions.v->topic_id = topic_id;
		int32_t *v = arena_alloc(a, 8 * sizeof *v), n = 0;
		for (const char *p = s->parts; *p; p++)
			v[n++] = *p - '0';
		r->assignment->topic_partitions.v->partitions.v = v;
		r->assignment->topic_partitions.v->partitions.n = n;
	}
}

static void
answer_offsets(const struct step *s, const void *in, void *out)
{
	const struct offset_fetch_request *q = in;
	struct offset_fetch_response *r = out;
	static struct offset_fetch_response_group g;
	static struct offset_fetch_response_group_topic t;
	static struct offset_fetch_response_group_partition p[8];
	wire_defaults(&offset_fetch_response_group_desc, &g);
	wire_defaults(&offset_fetch_response_group_topic_desc, &t);
	g.group_id = STR("g");
	g.error_code = s->error;
	t.name = STR("t");
	t.partitions.v = p;
	t.partitions.n = q->groups.v->topics.v->partition_indexes.n;
	for (int i = 0; i < t.partitions.n; i++) {
		wire_defaults(&offset_fetch_response_group_partition_desc, &p[i]);
		p[i].partition_index = q->groups.v->topics.v->partition_indexes.v[i];
		p[i].committed_offset = p[i].partition_index == 0 ? 100 : -1;
		p[i].metadata = p[i].partition_index == 0 ? STR("was") : STR("");
		p[i].error_code = (int16_t)s->generation;
	}
	g.topics.v = &t;
	g.topics.n = 1;
	r->groups.v = &g;
	r->groups.n = 1;
}

static void
answer_commit(const struct step *s, const void *in, void *out)
{
	const struct offset_commit_request *q = in;
	struct offset_commit_response *r = out;
	static struct offset_commit_response_topic t;
	static struct offset_commit_response_partition p[8];
	t.name = STR("t");
	t.partitions.v = p;
	t.partitions.n = q->topics.v->partitions.n;
	for (int i = 0; i < t.partitions.n; i++) {
		p[i].partition_index = q->topics.v->partitions.v[i].partition_index;
		p[i].error_code = s->error;
		if (s->error)
			continue;
		shared->committed = q->topics.v->partitions.v[i].committed_offset;
		snprintf(shared->text, sizeof shared->text, "%.*s",
			STR_ARG(q->topics.v->partitions.v[i].committed_metadata));
	}
	r->topics.v = &t;
	r->topics.n = 1;
}

static void
answer_describe(const struct step *s, struct consumer_group_describe_response *r,
	struct arena *a)
{
	r->groups.v = arena_alloc(a, sizeof *r->groups.v);
	r->groups.n = 1;
	wire_defaults(&consumer_group_describe_response_group_desc, r->groups.v);
	r->groups.v->error_code = s->error;
	if (!s->parts)
		return;
	r->groups.v->members.v = arena_alloc(a, sizeof *r->groups.v->members.v);
	r->groups.v->members.n = 1;
	wire_defaults(&consumer_group_describe_response_member_desc, r->groups.v->members.v);
	r->groups.v->members.v->member_id = str_of(s->parts);
	r->groups.v->members.v->instance_id = STR("one");
}

/* Fill the response of the step. */
static void
answer(const struct step *s, const void *in, void *out, struct arena *a, struct buf *scratch)
{
	switch (s->key) {
	case FIND: {
		static struct find_coordinator_response_coordinator c;
		wire_defaults(&find_coordinator_response_coordinator_desc, &c);
		c.node_id = 1;
		c.error_code = s->error;
		((struct find_coordinator_response *)out)->coordinators.v = &c;
		((struct find_coordinator_response *)out)->coordinators.n = 1;
		return;
	}
	case JOIN: {
		const struct join_group_request *q = in;
		struct join_group_response *r = out;
		r->error_code = s->error;
		r->generation_id = s->generation;
		r->protocol_name = q->protocols.v[0].name;
		r->leader = s->parts ? STR("me") : STR("another");
		r->member_id = STR("me");
		if (s->parts) {
			r->members.v = arena_alloc(a, sizeof *r->members.v);
			r->members.n = 1;
			wire_defaults(&join_group_response_member_desc, r->members.v);
			r->members.v->member_id = STR("me");
			r->members.v->metadata = q->protocols.v[0].metadata;
		}
		return;
	}
	case SYNC: {
		struct assign_part got[8];
		struct assign_topic t = { STR("t"), 3 };
		struct assign_member m = { .got = { got, 0 } };
		struct assign as = { &t, 1, &m, 1, a };
		for (const char *p = s->parts ? s->parts : ""; *p; p++)
			got[m.got.n++] = (struct assign_part){ 0, *p - '0' };
		assign_put_assignment(scratch, &as, 0);
		((struct sync_group_response *)out)->error_code = s->error;
		((struct sync_group_response *)out)->assignment = buf_str(scratch);
		return;
	}
	case BEAT:
		((struct heartbeat_response *)out)->error_code = s->error;
		return;
	case LEAVE:
		((struct leave_group_response *)out)->error_code = s->error;
		return;
	case BEAT848:
		answer_beat(s, in, out, a);
		return;
	case DESCRIBE:
		answer_describe(s, out, a);
		return;
	case OFFSETS:
		answer_offsets(s, in, out);
		return;
	case COMMIT:
		answer_commit(s, in, out);
		return;
	}
}

/* Delay the answer so that the requests overlap as overlap_at says. */
static void
overlap(int16_t key)
{
	if (key == API_METADATA && shared->at == overlap_at) {
		shared->is_refreshing = true;
		for (int ms = 0; ms < 5000 && shared->at == overlap_at; ms++)
			poll(NULL, 0, 1);
		poll(NULL, 0, 50); /* the other answer comes first */
	}
	if (shared->at == overlap_at - 1 && key == script[shared->at].key)
		poll(NULL, 0, 100);
	for (int ms = 0; ms < 5000 && shared->at == overlap_at && key == script[shared->at].key
			&& !shared->is_refreshing; ms++)
		poll(NULL, 0, 1);
}

static void
reply(int fd, const struct request_header *h, const uint8_t *body, size_t n)
{
	const struct wire_api *api = wire_api_find(h->api_key);
	struct arena a = ARENA_INIT;
	struct buf out = BUF_INIT, scratch = BUF_INIT;
	bool flex = wire_api_is_flexible(api, h->api_version);
	void *in = arena_alloc(&a, api->request->size), *resp = arena_alloc(&a, api->response->size);
	wire_defaults(api->request, in);
	wire_defaults(api->response, resp);
	wire_decode(api->request, h->api_version, flex, body, n, &a, in);
	static const struct step calm = { BEAT, 0, 0, NULL };
	if (overlap_at)
		overlap(h->api_key);
	if (h->api_key == API_API_VERSIONS)
		answer_versions(resp);
	else if (h->api_key == API_METADATA)
		answer_metadata(resp);
	else if (shared->at < nstep && script[shared->at].key == h->api_key)
		answer(&script[shared->at++], in, resp, &a, &scratch);
	else if (h->api_key == BEAT) /* allowed between the steps */
		answer(&calm, in, resp, &a, &scratch);
	else if (h->api_key == BEAT848 && shared->at > 0)
		answer(&(struct step){ BEAT848, 0,
			((const struct consumer_group_heartbeat_request *)in)->member_epoch, NULL },
			in, resp, &a, &scratch);
	else
		shared->wrong = h->api_key;
	size_t begin = frame_begin_response(&out, api, h->api_version, h->correlation_id);
	wire_encode(api->response, h->api_version, flex, resp, &out);
	frame_end(&out, begin, 0);
	send(fd, out.p, out.n, MSG_NOSIGNAL);
	buf_release(&out);
	buf_release(&scratch);
	arena_release(&a);
}

static void
serve(int fd)
{
	static uint8_t frame[1 << 16];
	uint8_t len[4];
	while (recv(fd, len, 4, MSG_WAITALL) == 4 && load_be32(len) < sizeof frame
		&& recv(fd, frame, load_be32(len), MSG_WAITALL) == (ssize_t)load_be32(len)) {
		struct request_header h;
		int64_t at = request_header_decode(&h, frame, load_be32(len));
		reply(fd, &h, frame + at, load_be32(len) - (size_t)at);
	}
	_exit(0);
}

/* One process per connection; a member has two. */
static void
start_peer(const struct step *steps, int n)
{
	struct net_addr a;
	struct err e;
	script = steps;
	nstep = n;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	shared->committed = -1;
	check_int(net_addr_parse(&a, "unix:s", -1, &e), 0);
	int fd = net_listen(&a, 10, false, &e);
	check(fd >= 0);
	peer = fork();
	if (peer) {
		close(fd);
		return;
	}
	signal(SIGCHLD, SIG_IGN);
	fcntl(fd, F_SETFL, 0);
	for (;;) {
		int c = accept(fd, NULL, NULL);
		if (c >= 0 && fork() == 0)
			serve(c);
		if (c >= 0)
			close(c);
	}
}

/* ---- the owner ---- */

struct setup {
	struct cluster cl;
	struct member m;
	int ngained, nrevoked, nlost;
};

static void
begin(struct setup *s, enum member_protocol protocol, const char *assignors)
{
	struct err e;
	struct member_opts o;
	*s = (struct setup){ .ngained = 0 };
	member_opts_init(&o);
	o.group = "g";
	o.protocol = protocol;
	o.assignors = assignors;
	o.heartbeat_ms = 30;
	o.retry_backoff_ms = 5;
	o.retry_timeout_ms = 10000;
	struct cluster_opts co = { .brokers = "unix:s", .connect_timeout_ms = 2000 };
	check_int(cluster_open(&s->cl, &co, &e), 0);
	struct cluster_topic *t = cluster_topic(&s->cl, "t", false, &e);
	check(t != NULL);
	check_int(member_init(&s->m, &s->cl, &o, &t, 1, &e), 0);
}

/* Run until the script is done and the member is stable, or has failed. */
static void
run(struct setup *s)
{
	int64_t until = clock_mono_ms() + 10000;
	while (!s->m.is_failed && !(shared->at == nstep && member_is_stable(&s->m))) {
		check(clock_mono_ms() < until);
		check_int(shared->wrong, 0);
		member_work(&s->m);
		if (s->m.nrevoked) {
			member_commit(&s->m);
			member_flush(&s->m, 2000);
		}
		struct member_part *p;
		while ((p = member_next(&s->m))) {
			if (p->state == MEMBER_GAINED) {
				s->ngained++;
				check_int(p->committed, p->index == 0 ? 100 : -1);
				member_accept(&s->m, p, p->committed >= 0 ? p->committed : 0);
				continue;
			}
			s->nrevoked += p->state == MEMBER_REVOKED;
			s->nlost += p->state == MEMBER_LOST;
			member_give_back(&s->m, p);
		}
		cluster_wait(&s->cl, -1, 0, member_timeout(&s->m));
	}
	check_int(shared->wrong, 0);
}

static void
end(struct setup *s)
{
	cluster_close(&s->cl);
	member_release(&s->m);
	kill(peer, SIGKILL);
	waitpid(peer, NULL, 0);
}

static int
held(const struct member *m)
{
	int bits = 0;
	for (int i = 0; i < m->npart; i++)
		bits |= 1 << m->part[i]->index;
	return bits;
}

void
test_member__finds_joins_stores_and_leaves(void)
{
	static const struct step steps[] = {
		{ FIND, KERR_COORDINATOR_NOT_AVAILABLE, 0, NULL }, { FIND, 0, 0, NULL },
		{ JOIN, KERR_COORDINATOR_LOAD_IN_PROGRESS, 0, NULL },
		{ JOIN, KERR_NOT_COORDINATOR, 0, NULL }, { FIND, 0, 0, NULL },
		{ JOIN, KERR_MEMBER_ID_REQUIRED, 0, NULL }, { JOIN, 0, 3, NULL }, { SYNC, 0, 0, "01" },
		{ OFFSETS, KERR_UNSTABLE_OFFSET_COMMIT, 0, NULL }, { OFFSETS, 0, 0, NULL },
	};
	struct setup s;
	start_peer(steps, ARRAY_LEN(steps));
	begin(&s, MEMBER_AUTO, NULL);
	run(&s);
	check_int(s.m.generation, 3);
	check_int(s.m.protocol, MEMBER_CLASSIC);
	check(strcmp(s.m.member_id, "me") == 0);
	check_int(held(&s.m), 3);
	check_int(s.ngained, 2);
	end(&s);
}

void
test_member__a_commit_is_repeated_until_it_is_taken(void)
{
	static const struct step steps[] = {
		{ FIND, 0, 0, NULL }, { JOIN, 0, 3, NULL }, { SYNC, 0, 0, "0" }, { OFFSETS, 0, 0, NULL },
		{ COMMIT, KERR_COORDINATOR_LOAD_IN_PROGRESS, 0, NULL },
		{ COMMIT, KERR_NOT_COORDINATOR, 0, NULL }, { FIND, 0, 0, NULL }, { COMMIT, 0, 0, NULL },
		{ COMMIT, 0, 0, NULL }, { LEAVE, 0, 0, NULL },
	};
	struct setup s;
	start_peer(steps, ARRAY_LEN(steps));
	begin(&s, MEMBER_CLASSIC, "range");
	nstep = 4; /* in this process; the peer runs the whole script */
	run(&s);
	check_int(s.m.npart, 1);
	check(strcmp(s.m.part[0]->committed_text, "was") == 0);
	member_move(s.m.part[0], 123, -1);
	member_annotate(s.m.part[0], STR("is"));
	member_commit(&s.m);
	check(member_flush(&s.m, 5000));
	check_int(shared->committed, 123);
	check(strcmp(shared->text, "is") == 0);
	check_int(s.m.part[0]->committed, 123);
	check_int(shared->at, 8);
	member_commit(&s.m); /* no new offsets: nothing is sent */
	check(member_flush(&s.m, 5000));
	check_int(shared->at, 8);
	member_annotate(s.m.part[0], STR("is"));
	member_commit(&s.m); /* nor new metadata */
	check(member_flush(&s.m, 5000));
	check_int(shared->at, 8);
	member_annotate(s.m.part[0], STR("more"));
	member_commit(&s.m);
	check(member_flush(&s.m, 5000));
	check(strcmp(shared->text, "more") == 0);
	check_int(shared->committed, 123);
	member_leave(&s.m, 5000);
	check_int(shared->at, 10);
	end(&s);
}

void
test_member__a_rebalance_is_eager_or_cooperative(void)
{
	static const struct step eager[] = {
		{ FIND, 0, 0, NULL }, { JOIN, 0, 3, NULL }, { SYNC, 0, 0, "01" }, { OFFSETS, 0, 0, NULL },
		{ BEAT, KERR_REBALANCE_IN_PROGRESS, 0, NULL }, { COMMIT, 0, 0, NULL },
		{ JOIN, 0, 4, NULL }, { SYNC, 0, 0, "12" }, { OFFSETS, 0, 0, NULL },
	};
	static const struct step cooperative[] = {
		{ FIND, 0, 0, NULL }, { JOIN, 0, 3, NULL }, { SYNC, 0, 0, "01" }, { OFFSETS, 0, 0, NULL },
		{ BEAT, KERR_REBALANCE_IN_PROGRESS, 0, NULL }, { JOIN, 0, 4, NULL }, { SYNC, 0, 0, "1" },
		{ COMMIT, 0, 0, NULL }, { JOIN, 0, 5, NULL }, { SYNC, KERR_REBALANCE_IN_PROGRESS, 0, NULL },
		{ JOIN, 0, 6, NULL }, { SYNC, 0, 0, "12" }, { OFFSETS, 0, 0, NULL },
	};
	struct setup s;
	start_peer(eager, ARRAY_LEN(eager));
	begin(&s, MEMBER_CLASSIC, NULL);
	run(&s);
	check_int(held(&s.m), 6);
	check_int(s.nrevoked, 2);
	check_int(s.ngained, 4);
	check_int(s.nlost, 0);
	check_int(shared->committed, 0); /* where reading of partition 1 began */
	end(&s);
	unlink("s");
	/* partition 0 moves; 1 stays and is read throughout */
	start_peer(cooperative, ARRAY_LEN(cooperative));
	begin(&s, MEMBER_CLASSIC, "cooperative-sticky");
	run(&s);
	check_int(held(&s.m), 6);
	check_int(s.nrevoked, 1);
	check_int(s.ngained, 3);
	check_int(s.nlost, 0);
	end(&s);
}

void
test_member__who_is_forgotten_loses_all_and_joins_anew(void)
{
	static const struct step steps[] = {
		{ FIND, 0, 0, NULL }, { JOIN, 0, 3, NULL }, { SYNC, 0, 0, "01" }, { OFFSETS, 0, 0, NULL },
		{ BEAT, KERR_UNKNOWN_MEMBER_ID, 0, NULL }, { JOIN, 0, 4, NULL }, { SYNC, 0, 0, "2" },
		{ OFFSETS, 0, 0, NULL }, { BEAT, KERR_ILLEGAL_GENERATION, 0, NULL },
		{ JOIN, 0, 5, NULL }, { SYNC, 0, 0, "" },
	};
	struct setup s;
	start_peer(steps, ARRAY_LEN(steps));
	begin(&s, MEMBER_CLASSIC, "cooperative-sticky");
	run(&s);
	check_int(s.nlost, 3);
	check_int(s.nrevoked, 0);
	check_int(held(&s.m), 0);
	end(&s);
}

static void
check_overlap(const struct step *steps, int n, int at)
{
	struct setup s;
	overlap_at = at;
	start_peer(steps, n);
	begin(&s, MEMBER_CLASSIC, "cooperative-sticky");
	s.m.opts.retry_backoff_ms = 60; /* OffsetFetch is sent again during the second rebalance */
	s.cl.refreshed_ms = 0;
	run(&s);
	check(shared->is_refreshing);
	check_int(held(&s.m), 2);
	end(&s);
}

/* The answer to OffsetFetch says that we are no member, while the metadata is refreshed for
 * an assignment with an unknown partition. */
void
test_member__membership_may_end_while_an_assignment_is_taken(void)
{
	static const struct step steps[] = {
		{ FIND, 0, 0, NULL }, { JOIN, 0, 3, NULL }, { SYNC, 0, 0, "0" },
		{ OFFSETS, 0, KERR_UNSTABLE_OFFSET_COMMIT, NULL },
		{ BEAT, KERR_REBALANCE_IN_PROGRESS, 0, NULL }, { JOIN, 0, 4, NULL }, { SYNC, 0, 0, "05" },
		{ OFFSETS, KERR_UNKNOWN_MEMBER_ID, 0, NULL },
		{ JOIN, 0, 5, NULL }, { SYNC, 0, 0, "1" }, { OFFSETS, 0, 0, NULL },
	};
	check_overlap(steps, ARRAY_LEN(steps), 7);
}

/* The same while the leader refreshes it, to assign. */
void
test_member__membership_may_end_while_the_leader_assigns(void)
{
	static const struct step steps[] = {
		{ FIND, 0, 0, NULL }, { JOIN, 0, 3, NULL }, { SYNC, 0, 0, "0" },
		{ OFFSETS, 0, KERR_UNSTABLE_OFFSET_COMMIT, NULL },
		{ BEAT, KERR_REBALANCE_IN_PROGRESS, 0, NULL }, { JOIN, 0, 4, "" },
		{ OFFSETS, KERR_UNKNOWN_MEMBER_ID, 0, NULL },
		{ JOIN, 0, 5, NULL }, { SYNC, 0, 0, "1" }, { OFFSETS, 0, 0, NULL },
	};
	check_overlap(steps, ARRAY_LEN(steps), 6);
}

void
test_member__a_refusal_for_good_is_told(void)
{
	static const struct step steps[] = {
		{ FIND, 0, 0, NULL }, { JOIN, KERR_INCONSISTENT_GROUP_PROTOCOL, 0, NULL },
	};
	struct setup s;
	start_peer(steps, ARRAY_LEN(steps));
	begin(&s, MEMBER_CLASSIC, NULL);
	run(&s);
	check(s.m.is_failed);
	check_int(s.m.err.class, ERR_PEER);
	check(strstr(s.m.err.msg, "group 'g'") && strstr(s.m.err.msg, "in common"));
	end(&s);
}

void
test_member__the_consumer_protocol_gives_up_before_it_gains(void)
{
	static const struct step steps[] = {
		{ FIND, 0, 0, NULL }, { BEAT848, 0, 1, "01" }, { OFFSETS, 0, 0, NULL },
		{ BEAT848, 0, 1, NULL },  /* it owns both */
		{ BEAT848, 0, 1, "0" }, { COMMIT, 0, 0, NULL }, /* give up 1 */
		{ BEAT848, 0, 2, "02" },  /* 1 is given up: 2 is assigned */
		{ OFFSETS, 0, 0, NULL }, { BEAT848, 0, 2, NULL },
		{ BEAT848, KERR_FENCED_MEMBER_EPOCH, 0, NULL },
		{ BEAT848, 0, 5, "1" }, { OFFSETS, 0, 0, NULL }, { BEAT848, 0, 5, NULL },
	};
	struct setup s;
	knows_848 = true;
	start_peer(steps, ARRAY_LEN(steps));
	begin(&s, MEMBER_AUTO, NULL);
	run(&s);
	check_int(s.m.protocol, MEMBER_CONSUMER);
	check_int(s.m.generation, 5);
	check_int(held(&s.m), 2);
	check_int(s.nlost, 2);
	check_int(s.nrevoked, 1);
	check_int(s.ngained, 4);
	check(strcmp(shared->owned, "1") == 0);
	end(&s);
}

void
test_member__the_old_way_when_the_new_one_is_refused(void)
{
	static const struct step steps[] = {
		{ FIND, 0, 0, NULL }, { BEAT848, KERR_UNSUPPORTED_VERSION, 0, NULL },
		{ JOIN, 0, 3, NULL }, { SYNC, 0, 0, "0" }, { OFFSETS, 0, 0, NULL },
	};
	struct setup s;
	knows_848 = true;
	start_peer(steps, ARRAY_LEN(steps));
	begin(&s, MEMBER_AUTO, NULL);
	run(&s);
	check_int(s.m.protocol, MEMBER_CLASSIC);
	check_int(held(&s.m), 1);
	end(&s);
}

/* The owner has begun with partition 1, but has not accepted it, when it is taken away. */
void
test_member__what_is_in_use_is_revoked_and_not_freed(void)
{
	static const struct step steps[] = {
		{ FIND, 0, 0, NULL }, { BEAT848, 0, 1, "01" }, { OFFSETS, 0, 0, NULL },
		{ BEAT848, 0, 1, NULL }, { BEAT848, 0, 1, "0" }, { BEAT848, 0, 2, NULL },
	};
	struct setup s;
	knows_848 = true;
	start_peer(steps, ARRAY_LEN(steps));
	begin(&s, MEMBER_AUTO, NULL);
	int64_t until = clock_mono_ms() + 10000;
	while (s.m.nrevoked == 0) {
		check(clock_mono_ms() < until);
		member_work(&s.m);
		for (int i = 0; i < s.m.npart; i++)
			s.m.part[i]->is_in_use |= s.m.part[i]->state == MEMBER_GAINED;
		cluster_wait(&s.cl, -1, 0, member_timeout(&s.m));
	}
	check_int(s.m.npart, 2);
	struct member_part *part = member_next(&s.m);
	check_int(part->index, 1);
	check_int(part->state, MEMBER_REVOKED);
	run(&s);
	check_int(held(&s.m), 1);
	check_int(s.nrevoked, 1);
	end(&s);
}

void
test_member__a_new_process_takes_over_an_instance_id(void)
{
	static const struct step steps[] = {
		{ FIND, 0, 0, NULL }, { BEAT848, KERR_UNRELEASED_INSTANCE_ID, 0, NULL },
		{ DESCRIBE, 0, 0, "killed" }, { BEAT848, 0, -2, NULL },
		{ BEAT848, KERR_UNRELEASED_INSTANCE_ID, 0, NULL }, /* it came back at once */
		{ DESCRIBE, 0, 0, NULL },                          /* and has left */
		{ BEAT848, 0, 1, "01" }, { OFFSETS, 0, 0, NULL }, { BEAT848, 0, 1, NULL },
	};
	struct setup s;
	knows_848 = true;
	start_peer(steps, ARRAY_LEN(steps));
	begin(&s, MEMBER_CONSUMER, NULL);
	s.m.opts.instance = "one";
	run(&s);
	check(!s.m.is_failed);
	check_int(held(&s.m), 3);
	check(strcmp(shared->released, "killed") == 0);
	end(&s);
}

/* It was removed from the group, and finds another process in its place. */
void
test_member__an_instance_id_is_not_taken_back(void)
{
	static const struct step steps[] = {
		{ FIND, 0, 0, NULL }, { BEAT848, 0, 1, "0" }, { OFFSETS, 0, 0, NULL },
		{ BEAT848, 0, 1, NULL }, { BEAT848, KERR_UNKNOWN_MEMBER_ID, 0, NULL },
		{ BEAT848, KERR_UNRELEASED_INSTANCE_ID, 0, NULL }, { DESCRIBE, 0, 0, "another" },
	};
	struct setup s;
	knows_848 = true;
	start_peer(steps, ARRAY_LEN(steps));
	begin(&s, MEMBER_CONSUMER, NULL);
	s.m.opts.instance = "one";
	run(&s);
	check(s.m.is_failed);
	check(strstr(s.m.err.msg, "another process has taken the place of instance 'one'"));
	check(!*shared->released);
	end(&s);
}
