/* The cache of fetch sessions: room, time, epochs.  What goes over the wire is
 * tested by t/cli/fetch-sessions.bats. */
#include "tap.h"

#include "kq-broker/fetch_session.c"

#include <stdio.h>

static struct fetch_session_part parts[FETCH_SESSION_PARTS_MAX + 1];
static struct fetch_sessions sessions;
static struct arena arena = ARENA_INIT;

static int32_t
make(int n, int nslot, int64_t now_ms)
{
	for (int i = 0; i < n; i++)
		parts[i] = (struct fetch_session_part){ .topic = STR("topic"), .index = i,
			.high_watermark = 0, .log_start_offset = 0 };
	if (!sessions.by_id.seed)
		fetch_sessions_init(&sessions, nslot);
	return fetch_session_new(&sessions, parts, n, false, now_ms);
}

/* An incremental request that changes nothing. */
static int16_t
go_on(int32_t id, int32_t epoch, bool by_id, int64_t now_ms, struct fetch_session_part **v, int *n)
{
	struct fetch_request q = { .session_id = id, .session_epoch = epoch };
	bool is_over;
	return fetch_session_next(&sessions, &q, by_id, now_ms, &arena, v, n, &is_over);
}

static void
end_all(void)
{
	int nsession = 0, npart = 0;
	MAP_EACH(it, &sessions.by_id) {
		nsession++;
		npart += ((struct fetch_session *)it->value)->n;
	}
	check_int((int)sessions.by_id.n, nsession);
	check_int(sessions.npart, npart);
	fetch_sessions_release(&sessions);
	arena_release(&arena);
}

void
test_fetch_session__an_idle_one_makes_room(void)
{
	struct fetch_session_part *v;
	int n;
	int32_t a = make(1, 2, 1000), b = make(1, 2, 1000);
	check(a > 0 && b > 0 && a != b);
	check_int(make(1, 2, 1000 + FETCH_SESSION_IDLE_MS), 0);
	check_int(go_on(a, 1, false, 2000, &v, &n), KERR_NONE);
	int32_t c = make(1, 2, 1001 + FETCH_SESSION_IDLE_MS);
	check(c > 0);
	check_int(go_on(b, 1, false, 3000, &v, &n), KERR_FETCH_SESSION_ID_NOT_FOUND);
	check_int(go_on(a, 2, false, 3000, &v, &n), KERR_NONE);
	check_int((int)sessions.by_id.n, 2);
	end_all();
}

void
test_fetch_session__an_old_small_one_makes_room_for_a_larger(void)
{
	struct fetch_session_part *v;
	int n;
	int64_t now = FETCH_SESSION_IDLE_MS;
	int32_t a = make(5, 2, 0), b = make(3, 2, 0);
	check_int(go_on(a, 1, false, now, &v, &n), KERR_NONE);
	check_int(go_on(b, 1, false, now, &v, &n), KERR_NONE);
	check_int(make(9, 2, now), 0); /* they are not old yet */
	check_int(make(3, 2, now + 1), 0);
	check(make(4, 2, now + 1) > 0);
	check_int(go_on(b, 2, false, now, &v, &n), KERR_FETCH_SESSION_ID_NOT_FOUND);
	check_int(go_on(a, 2, false, now, &v, &n), KERR_NONE);
	end_all();
}

void
test_fetch_session__partitions_are_bounded(void)
{
	check_int(make(FETCH_SESSION_PARTS_MAX + 1, 1000, 0), 0);
	int n = 0;
	while (make(FETCH_SESSION_PARTS_MAX, 1000, 0))
		n++;
	check_int(n, FETCH_SESSION_PARTS_TOTAL_MAX / FETCH_SESSION_PARTS_MAX);
	check_int(sessions.npart, FETCH_SESSION_PARTS_TOTAL_MAX);
	check_int(make(1, 1000, 0), 0);
	end_all();
}

void
test_fetch_session__a_session_that_grows_too_large_ends(void)
{
	static struct fetch_request_partition more[2] = { { .partition = 1 << 20 } };
	struct fetch_request_topic topic = { .topic = STR("topic"), .partitions = { more, 1 } };
	struct fetch_session_part *v;
	bool is_over;
	int n;
	int32_t id = make(FETCH_SESSION_PARTS_MAX, 10, 0);
	struct fetch_request q = { .session_id = id, .session_epoch = 1, .topics = { &topic, 1 } };
	check_int(fetch_session_next(&sessions, &q, false, 0, &arena, &v, &n, &is_over),
		KERR_FETCH_SESSION_ID_NOT_FOUND);
	check_int((int)sessions.by_id.n, 0);
	end_all();
}

void
test_fetch_session__epochs_wrap_to_one(void)
{
	struct fetch_session_part *v;
	int n;
	int32_t id = make(1, 10, 0);
	session_of(&sessions, id)->epoch = INT32_MAX;
	check_int(go_on(id, INT32_MAX, false, 0, &v, &n), KERR_NONE);
	check_int(n, 1);
	check_int(go_on(id, 1, false, 0, &v, &n), KERR_NONE);
	check_int(go_on(id, 1, false, 0, &v, &n), KERR_INVALID_FETCH_SESSION_EPOCH);
	end_all();
}

void
test_fetch_session__an_answer_without_its_session_tells_all(void)
{
	struct fetch_session_part *v;
	int n;
	int32_t id = make(3, 10, 0);
	struct fetch_request q = { .session_id = id, .session_epoch = 1 };
	check_int(go_on(id, 1, false, 0, &v, &n), KERR_NONE);
	check_int(n, 3);
	v[1].high_watermark = 5;
	check_int(fetch_session_answer(&sessions, &q, v, n), KERR_NONE);
	check(!v[0].is_listed && v[1].is_listed && !v[2].is_listed);
	check_int(go_on(id, 2, false, 0, &v, &n), KERR_NONE);
	check_int(v[1].high_watermark, 5);
	fetch_session_end(&sessions, id);
	q.session_epoch = 2;
	check_int(fetch_session_answer(&sessions, &q, v, n), KERR_NONE);
	check(v[0].is_listed && v[1].is_listed && v[2].is_listed);
	end_all();
}

void
test_fetch_session__names_and_ids_do_not_mix(void)
{
	struct fetch_session_part *v;
	int n;
	int32_t id = make(1, 10, 0);
	check_int(go_on(id, 1, true, 0, &v, &n), KERR_FETCH_SESSION_TOPIC_ID_ERROR);
	check_int(go_on(id, 1, false, 0, &v, &n), KERR_NONE);
	check(str_eq(v[0].topic, STR("topic")));
	end_all();
}
