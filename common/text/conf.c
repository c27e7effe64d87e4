#include "text/conf.h"

#include "text/ytree.h"

#include <stdio.h>

enum { ITEMS_MAX = 1000, KEY_MAX = 512 };

struct conf_walk {
	struct conf *conf;
	const char *name;
	struct err *e;
	char key[KEY_MAX];
};

static int
fail(struct conf_walk *walk, int line, int column, const char *what)
{
	return err_set(walk->e, ERR_USAGE, "%s:%d:%d: %s", walk->name, line, column, what);
}

static int
add(struct conf_walk *walk, const char *value, const struct ytree *at)
{
	struct conf *conf = walk->conf;
	for (int i = 0; i < conf->n; i++)
		if (strcmp(conf->v[i].key, walk->key) == 0)
			return fail(walk, at->line, at->column, "the key occurs twice");
	if (conf->n == ITEMS_MAX)
		return fail(walk, at->line, at->column, "too many values");
	if (conf->n == conf->cap) {
		conf->cap = conf->cap ? conf->cap * 2 : 16;
		conf->v = mem_realloc(conf->v, (size_t)conf->cap * sizeof *conf->v);
	}
	conf->v[conf->n++] = (struct conf_item){ mem_strdup(walk->key), mem_strdup(value), at->line,
		at->column };
	return 0;
}

static int
take_list(struct conf_walk *walk, const struct ytree *list)
{
	struct buf joined = BUF_INIT;
	int rc = 0;
	for (int i = 0; i < list->n && rc == 0; i++) {
		const struct ytree *item = list->item[i].value;
		if (item->kind != YTREE_TEXT)
			rc = fail(walk, item->line, item->column, "a list holds plain values only");
		else
			buf_printf(&joined, "%s%s", joined.n ? "," : "", item->text);
	}
	buf_putc(&joined, 0);
	if (rc == 0)
		rc = add(walk, (const char *)joined.p, list);
	buf_release(&joined);
	return rc;
}

/* Take a map; its keys are prefixed with walk->key.  Its depth is limited by ytree. */
static int
take_map(struct conf_walk *walk, const struct ytree *map)
{
	size_t n = strlen(walk->key);
	for (int i = 0; i < map->n; i++) {
		const struct ytree_item *item = &map->item[i];
		int k = snprintf(walk->key + n, sizeof walk->key - n, "%s%s", n ? "." : "", item->key);
		if (k < 0 || (size_t)k >= sizeof walk->key - n)
			return fail(walk, item->line, item->column, "the key is too long");
		int rc = item->value->kind == YTREE_TEXT ? add(walk, item->value->text, item->value)
			: item->value->kind == YTREE_LIST ? take_list(walk, item->value)
			: take_map(walk, item->value);
		if (rc < 0)
			return -1;
		walk->key[n] = 0;
	}
	return 0;
}

static int
take_tree(struct conf *conf, const char *name, const struct ytree *root, struct err *e)
{
	struct conf_walk walk = { .conf = conf, .name = name, .e = e };
	if (!root)
		return -1;
	if (root->kind != YTREE_MAP)
		return fail(&walk, root->line, root->column,
			"the file must be YAML, with lines of 'key: value'");
	int rc = take_map(&walk, root);
	if (rc < 0)
		conf_release(conf);
	return rc;
}

int
conf_parse(struct conf *conf, const char *name, struct str text, struct err *e)
{
	struct arena arena = ARENA_INIT;
	int rc = take_tree(conf, name, ytree_parse(name, text, &arena, e), e);
	arena_release(&arena);
	return rc;
}

int
conf_read(struct conf *conf, const char *path, struct err *e)
{
	struct arena arena = ARENA_INIT;
	int rc = take_tree(conf, path, ytree_read(path, &arena, e), e);
	arena_release(&arena);
	return rc;
}

void
conf_release(struct conf *conf)
{
	for (int i = 0; i < conf->n; i++) {
		mem_free(conf->v[i].key);
		mem_free(conf->v[i].value);
	}
	mem_free(conf->v);
	*conf = (struct conf)CONF_INIT;
}
