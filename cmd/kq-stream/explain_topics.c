#include "kq-stream/explain_topics.h"

#include "kq-stream/layout.h"
#include "wire/kerr.h"

static void
put_count(struct buf *out, int32_t n)
{
	buf_printf(out, "%d partition%s", n, n == 1 ? "" : "s");
}

/* Fill the counts of the topics that exist.  Returns how many do not, or -1. */
static int
look_up(struct layout *layout, struct cluster *cl, struct buf *out, struct err *e)
{
	int nmissing = 0;
	for (int i = 0; i < layout->nsource; i++) {
		struct layout_source *source = &layout->source[i];
		struct cluster_topic *t = cluster_topic(cl, source->name, false, e);
		if (!t && e->kafka != KERR_UNKNOWN_TOPIC_OR_PARTITION)
			return -1;
		if (source->is_internal) {
			source->existing = t ? t->npart : 0;
			continue;
		}
		buf_printf(out, "  %s: ", source->name);
		if (t)
			put_count(out, t->npart);
		else
			buf_puts(out, "does not exist");
		buf_putc(out, '\n');
		source->npart = t ? t->npart : 0;
		nmissing += !t;
	}
	return nmissing;
}

/* The counts that internal topics get, or have. */
static void
put_internal(const struct layout *layout, struct buf *out)
{
	for (int i = 0; i < layout->nsource; i++) {
		const struct layout_source *source = &layout->source[i];
		if (!source->is_internal)
			continue;
		buf_printf(out, "  %s: ", source->name);
		put_count(out, source->npart);
		if (!source->existing)
			buf_puts(out, ", to be created");
		else if (source->existing != source->npart)
			buf_printf(out, " are needed, and it has %d", source->existing);
		buf_putc(out, '\n');
	}
}

static int
put_counts(struct layout *layout, struct cluster *cl, struct buf *out, struct err *e)
{
	struct err why;
	buf_puts(out, "\nIt reads these topics:\n");
	int nmissing = look_up(layout, cl, out, e);
	if (nmissing != 0)
		return nmissing < 0 ? -1 : 0;
	if (layout_solve(layout, &why) < 0)
		buf_printf(out, "Warning: %s.\n", why.msg);
	else
		put_internal(layout, out);
	return 0;
}

/* Topics of users that need equal counts: a line for each join. */
static void
put_unchecked(const struct layout *layout, struct buf *out)
{
	for (int group = 0; group < layout->nsource; group++) {
		size_t from = out->n;
		int n = 0;
		buf_puts(out, "Not checked without --brokers: these are joined, and need equal numbers of "
			"partitions:");
		for (int i = 0; i < layout->nsource; i++) {
			const struct layout_source *source = &layout->source[i];
			if (source->part >= 0 && source->group == group && !source->is_internal)
				buf_printf(out, "%s %s", n++ ? "," : "", source->name);
		}
		if (n < 2)
			out->n = from;
		else
			buf_putc(out, '\n');
	}
}

int
explain_topics(const struct program *program, const struct cluster_opts *cluster,
	struct buf *out, struct err *e)
{
	struct layout layout;
	struct cluster cl;
	int rc = 0;
	layout_init(&layout, program->topo, topology_application(program->topo));
	if (!cluster) {
		put_unchecked(&layout, out);
	} else {
		rc = cluster_open(&cl, cluster, e);
		if (rc == 0) {
			rc = put_counts(&layout, &cl, out, e);
			cluster_close(&cl);
		}
	}
	layout_release(&layout);
	return rc;
}
