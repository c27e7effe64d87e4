	*plan = (struct draft){ .is_settled = true, .spec = arena_alloc(a, size * sizeof *plan->spec),
put_plan(struct records *records, const struct group *g, const struct draft *plan, int64_t wall_ms)
