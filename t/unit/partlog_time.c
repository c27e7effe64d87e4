#include "log_help.h"

#include "record/builder.h"

struct stamp {
	int64_t offset, ms;
};

static struct stamp *stamps;
static int nstamp;

/* A batch of any codec, with timestamps out of order. */
static void
append_stamped(struct partlog *l, int64_t t)
{
	struct err e;
	struct builder w = BUILDER_INIT;
	struct buf packed = BUF_INIT;
	struct batch batch;
	builder_reset(&w);
	int n = 1 + rand() % 10;
	bool is_append_time = rand() % 8 == 0;
	stamps = mem_realloc(stamps, (size_t)(nstamp + n) * sizeof *stamps);
	for (int i = 0; i < n; i++) {
		stamps[nstamp + i] = (struct stamp){ l->next_offset + i, t + rand() % 100 };
		builder_append(&w, stamps[nstamp + i].ms, STR("a key"),
			STR("a value, a value, a value"), STR(""), 0);
	}
	struct str bytes = builder_finish(&w, (enum codec)(rand() % CODEC_N), &BUILDER_NO_PRODUCER,
		&packed);
	uint8_t *p = (uint8_t *)(uintptr_t)bytes.p;
	if (is_append_time) {
		batch_set_log_append_time(p, t);
		for (int i = 0; i < n; i++)
			stamps[nstamp + i].ms = t;
	}
	nstamp += n;
	check(batch_parse(&batch, p));
	must(partlog_append(l, p, &batch, 7, t, &e));
	builder_release(&w);
	buf_release(&packed);
}

static void
check_time(struct partlog *l, int64_t ms, int64_t limit)
{
	struct err e;
	int64_t offset, found;
	int32_t epoch;
	int i = 0;
	while (i < nstamp && (stamps[i].ms < ms || stamps[i].offset < l->log_start_offset))
		i++;
	int want = i < nstamp && stamps[i].offset < limit, r;
	must(r = partlog_find_time(l, ms, limit, &offset, &found, &epoch, &e));
	check_int(r, want);
	if (want) {
		check_int(offset, stamps[i].offset);
		check_int(found, stamps[i].ms);
		check_int(epoch, 7);
	}
}

static void
check_max_time(struct partlog *l)
{
	struct err e;
	int64_t offset, found;
	int32_t epoch;
	int best = -1, r;
	for (int i = 0; i < nstamp; i++)
		if (stamps[i].offset >= l->log_start_offset
			&& (best < 0 || stamps[i].ms > stamps[best].ms))
			best = i;
	must(r = partlog_find_max_time(l, &offset, &found, &epoch, &e));
	check_int(r, best >= 0);
	if (best >= 0) {
		check_int(offset, stamps[best].offset);
		check_int(found, stamps[best].ms);
	}
}

void
test_partlog_time__times_agree_with_brute_force(void)
{
	struct err e;
	for (int round = 0; round < 6; round++) {
		srand((unsigned)round);
		struct partlog_config config = { 3000 + rand() % 10000, INT64_MAX / 2, 10 << 20,
			round * 100 };
		struct partlog l;
		char name[20];
		snprintf(name, sizeof name, "t-%d", round);
		partlog_init(&l, root_dir(), name, &some_topic, &config, NULL);
		nstamp = 0;
		check_max_time(&l);
		for (int i = 0; i < 300; i++) {
			append_stamped(&l, 1000 + i * 10 - (rand() % 20 == 0 ? 500 : 0));
			if (i % 60 == 59)
				check_max_time(&l);
		}
		for (int again = 0; again < 3; again++) {
			for (int i = 0; i < 300; i++)
				check_time(&l, rand() % 5000, rand() % 3 ? l.next_offset
					: rand() % l.next_offset);
			check_max_time(&l);
			if (again == 0) {
				struct partlog_state state = stop(&l);
				partlog_init(&l, root_dir(), name, &some_topic, &config, &state);
			} else {
				must(trim(&l, l.next_offset - 40 / again, &e));
			}
		}
		check_time(&l, 0, l.next_offset);
		check_max_time(&l);
		must(trim(&l, l.next_offset, &e));
		check_max_time(&l);
		partlog_release(&l);
	}
}

void
test_partlog_time__retention_lets_whole_old_segments_go(void)
{
	struct err e;
	struct partlog l;
	struct partlog_config config = { 1000, INT64_MAX / 2, 1 << 20, 100 };
	int64_t offset;
	partlog_init(&l, root_dir(), "t-0", &some_topic, &config, NULL);
	for (int i = 0; i < 5; i++)
		append(&l, 1, 700, i * 100);
	check_int(nsegment("t-0"), 5);
	int64_t one = l.size / 5;
	must(partlog_retained_from(&l, 1000, -1, -1, 5, &offset, &e));
	check_int(offset, 0);
	must(partlog_retained_from(&l, 1000, 850, -1, 5, &offset, &e));
	check_int(offset, 2);
	must(partlog_retained_from(&l, 1000, 850, -1, 1, &offset, &e)); /* high watermark */
	check_int(offset, 1);
	must(partlog_retained_from(&l, 1000, 0, -1, 5, &offset, &e));
	check_int(offset, 4);
	must(partlog_retained_from(&l, 1000, -1, 3 * one, 5, &offset, &e));
	check_int(offset, 2);
	must(partlog_retained_from(&l, 1000, -1, 3 * one + 1, 5, &offset, &e));
	check_int(offset, 1);
	must(trim(&l, 2, &e));
	check_int(nsegment("t-0"), 3);
	check_int(l.size, 3 * one);
	partlog_release(&l);
}

