/* kq-group export. */
#include "kq-group/look_group.h"
#include "kq-group/offsetfile.h"
#include "kq-group/verbs.h"

#include <stdio.h>

static void
put_group(const struct look_group *group, const struct rows *rows, struct buf *out)
{
	for (int32_t i = 0; i < rows->n; i++) {
		const struct row *row = &rows->v[i];
		offset_line_put(&(struct offset_line){ .group = group->id, .topic = row->topic,
			.partition = row->partition, .offset = row->committed,
			.leader_epoch = row->leader_epoch, .metadata = row->metadata }, out);
	}
}

int
verb_group_export(int argc, char **argv)
{
	struct run run;
	struct buf out = BUF_INIT;
	struct look_group *group;
	int n, code = look_groups_open(&run, argc, argv, &group, &n);
	if (code)
		return code;
	for (int i = 0; i < n; i++) {
		struct rows rows;
		/* For a missing group, the coordinator returns no offsets and no error. */
		if (look_group_committed(&run, &group[i], &rows) < 0
			|| (rows.n == 0 && look_group_describe(&run, &group[i], false) < 0))
			continue;
		put_group(&group[i], &rows, &out);
		fwrite(out.p, 1, out.n, stdout);
		buf_reset(&out);
		run.ndone++;
	}
	buf_release(&out);
	return run_close(&run);
}
