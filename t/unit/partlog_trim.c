#include "log_help.h"

#include "log/segfile.h"

#include <sys/stat.h>

static struct partlog_config big = { 1 << 30, INT64_MAX / 2, 10 << 20, 4096 };

void
test_partlog_trim__leaves_files_open_until_they_are_released(void)
{
	struct partlog_config one = { 1, INT64_MAX / 2, 10 << 20, 200 }; /* batch a segment */
	struct partlog_trimmed trimmed;
	struct partlog l;
	struct stat st;
	struct err e;
	for (int round = 0; round < 2; round++) {
		bool is_memory = round == 1;
		partlog_init(&l, is_memory ? -1 : root_dir(), "t-0", &some_topic, &one, NULL);
		for (int i = 0; i < PARTLOG_TRIM_MAX + 3; i++)
			append(&l, 1, 10, 1);
		check_int(partlog_trim(&l, l.next_offset, &trimmed, &e), 1);
		check_int(trimmed.n, PARTLOG_TRIM_MAX);
		check_int(l.log_start_offset, l.next_offset);
		check(is_memory || nsegment("t-0") == 3);
		check(fstat(segfile_fd(trimmed.file[0]), &st) == 0);
		check_int(st.st_nlink, 0);
		check(st.st_size > 0);
		partlog_trimmed_release(&trimmed);
		check_int(partlog_trim(&l, l.next_offset, &trimmed, &e), 0);
		check_int(trimmed.n, 2);
		check(is_memory || nsegment("t-0") == 1);
		partlog_trimmed_release(&trimmed);
		partlog_trimmed_release(&trimmed); /* nothing is left */
		partlog_release(&l);
	}
}

void
test_partlog_trim__hides_what_it_cannot_delete(void)
{
	struct err e;
	struct partlog l;
	struct partlog_slice slice;
	partlog_init(&l, root_dir(), "t-0", &some_topic, &big, NULL);
	append(&l, 5, 10, 1);
	append(&l, 5, 10, 1);
	must(trim(&l, 3, &e));
	check_int(l.log_start_offset, 3);
	check(partlog_find(&l, 2, 10, 100, true, &slice, &e) < 0);
	check_int(e.class, ERR_LIMIT);
	must(partlog_find(&l, 3, 10, 1000, true, &slice, &e));
	check_slice(&slice);
	must(trim(&l, 100, &e)); /* at most all of it */
	check_int(l.log_start_offset, 10);
	must(trim(&l, 4, &e)); /* never back */
	check_int(l.log_start_offset, 10);
	append(&l, 1, 10, 1);
	struct partlog_state state = stop(&l);
	partlog_init(&l, root_dir(), "t-0", &some_topic, &big, &state);
	must(partlog_find(&l, 10, 11, 1000, true, &slice, &e));
	check_int(slice.first_offset, 10);
	check_slice(&slice);
	partlog_release(&l);
}
