/*
 * A B+tree of records.  A node has 8 bytes of each key, from the first byte on in which
 * its keys differ: a search within it rarely looks at a record.
 *
 * An inner node's first record is not looked at; the others are bounds of their own, as
 * short as possible: all keys below child i are >= rec[i] and < rec[i + 1].
 */
#include "stream/store_int.h"

enum { NODE_MAX = 64, DEPTH_MAX = 16 };

struct store_node {
	uint32_t skip;   /* bytes that the keys share */
	int16_t n;
	bool is_leaf;
	uint64_t head[NODE_MAX];
	struct store_rec *rec[NODE_MAX];
	struct store_node *next, *prev; /* leaves */
};

struct store_inner {
	struct store_node node;
	struct store_node *child[NODE_MAX];
};

static struct store_node **
children(struct store_node *node)
{
	assert(!node->is_leaf);
	return CONTAINER_OF(node, struct store_inner, node)->child;
}

static size_t
size_of(const struct store_node *node)
{
	return node->is_leaf ? sizeof *node : sizeof(struct store_inner);
}

/* The way down from the root: the nodes, and the index of the child in each. */
struct store_path {
	struct store_node *node[DEPTH_MAX];
	int i[DEPTH_MAX];
	int n;
};

static struct store_node *
node_new(struct store_tree *tree, bool is_leaf)
{
	struct store_node *node = store_pool_get(tree->pool,
		is_leaf ? sizeof *node : sizeof(struct store_inner));
	node->is_leaf = is_leaf;
	return node;
}

static void
free_bound(struct store_tree *tree, struct store_rec *rec)
{
	if (rec)
		store_pool_put(tree->pool, rec, rec_size(rec));
}

static void
node_free(struct store_tree *tree, struct store_node *node)
{
	store_pool_put(tree->pool, node, size_of(node));
}

/* ---- keys of a node ---- */

static size_t
shared(const struct store_rec *x, const struct store_rec *y)
{
	size_t n = MIN(x->key_n, y->key_n), i = 0;
	while (i < n && x->key[i] == y->key[i])
		i++;
	return i;
}

/* The index of the first record that counts. */
static int
first_of(const struct store_node *node)
{
	return node->is_leaf ? 0 : 1;
}

/* The records have changed: what do their keys share now? */
static void
set_heads(struct store_node *node)
{
	int first = first_of(node);
	node->skip = 0;
	if (node->n - first > 1)
		node->skip = (uint32_t)shared(node->rec[first], node->rec[node->n - 1]);
	for (int i = first; i < node->n; i++)
		node->head[i] = rec_head(node->rec[i], node->skip);
}

static uint64_t
head_of(struct str key, size_t skip)
{
	size_t n = (size_t)key.n > skip ? (size_t)key.n - skip : 0;
	if (n >= 8)
		return load_be64(key.p + skip);
	uint64_t head = 0;
	for (size_t i = 0; i < n; i++)
		head |= (uint64_t)key.p[skip + i] << (56 - 8 * i);
	return head;
}

/* The index of the first record with key >= s, or > s if is_after; from first_of on. */
static int
search(const struct store_node *node, struct str key, bool is_after)
{
	int from = first_of(node), to = node->n;
	if (from == to)
		return to;
	if (node->skip) {
		size_t n = MIN((size_t)node->skip, (size_t)key.n);
		int rc = n ? memcmp(key.p, node->rec[from]->key, n) : 0;
		if (rc)
			return rc < 0 ? from : to;
		if (n < node->skip)
			return from;
	}
	uint64_t head = head_of(key, node->skip);
	while (from < to) {
		int i = (from + to) / 2;
		int rc = (node->head[i] > head) - (node->head[i] < head);
		if (rc == 0)
			rc = str_cmp(rec_key(node->rec[i]), key);
		if (rc < 0 || (is_after && rc == 0))
			from = i + 1;
		else
			to = i;
	}
	return from;
}

static struct store_node *
descend(const struct store_tree *tree, struct str key, struct store_path *path)
{
	struct store_node *node = tree->root;
	path->n = 0;
	while (node && !node->is_leaf) {
		assert(path->n < DEPTH_MAX);
		int i = key.n < 0 ? 0 : search(node, key, true) - 1;
		path->node[path->n] = node;
		path->i[path->n++] = i;
		node = children(node)[i];
	}
	return node;
}

/* ---- look-ups ---- */

struct store_rec *
store_tree_find(const struct store_tree *tree, struct str key)
{
	struct store_path path;
	struct store_node *leaf = descend(tree, key, &path);
	int i = leaf ? search(leaf, key, false) : 0;
	return leaf && i < leaf->n && rec_has_key(leaf->rec[i], key) ? leaf->rec[i] : NULL;
}

struct store_rec *
store_at_rec(const struct store_at *at)
{
	return at->leaf ? at->leaf->rec[at->i] : NULL;
}

struct store_rec *
store_tree_next(struct store_at *at)
{
	if (!at->leaf)
		return NULL;
	if (++at->i >= at->leaf->n) {
		at->leaf = at->leaf->next;
		at->i = 0;
	}
	return store_at_rec(at);
}

struct store_rec *
store_tree_prev(struct store_at *at)
{
	if (!at->leaf)
		return NULL;
	if (--at->i < 0) {
		at->leaf = at->leaf->prev;
		at->i = at->leaf ? at->leaf->n - 1 : 0;
	}
	return at->leaf ? at->leaf->rec[at->i] : NULL;
}

struct store_rec *
store_tree_seek(const struct store_tree *tree, struct str key, bool is_after, struct store_at *at)
{
	struct store_path path;
	struct store_node *leaf = descend(tree, key, &path);
	*at = (struct store_at){ leaf, -1, tree->version };
	if (leaf && key.n >= 0)
		at->i = search(leaf, key, is_after) - 1;
	return store_tree_next(at);
}

struct store_rec *
store_tree_seek_back(const struct store_tree *tree, struct str key, struct store_at *at)
{
	struct store_path path;
	struct store_node *leaf = tree->root;
	if (key.n >= 0)
		leaf = descend(tree, key, &path);
	while (leaf && !leaf->is_leaf)
		leaf = children(leaf)[leaf->n - 1];
	*at = (struct store_at){ leaf, 0, tree->version };
	if (leaf)
		at->i = key.n < 0 ? leaf->n : search(leaf, key, false);
	return store_tree_prev(at);
}

/* ---- adding ---- */

/* The shortest key that is > x and <= y. */
static struct store_rec *
bound_between(struct store_tree *tree, const struct store_rec *x, const struct store_rec *y)
{
	size_t n = shared(x, y) + 1;
	assert(n <= y->key_n);
	struct store_rec *rec = store_pool_get(tree->pool, rec_size_of(n, 0));
	*rec = (struct store_rec){ .key_n = (uint32_t)n & REC_KEY_MAX };
	memcpy(rec->key, y->key, n);
	return rec;
}

/* Put a record, and the child of an inner node, at i. */
static void
insert_at(struct store_node *node, int i, struct store_rec *rec, struct store_node *child)
{
	size_t n = (size_t)(node->n - i);
	int first = first_of(node);
	memmove(node->head + i + 1, node->head + i, n * sizeof node->head[0]);
	memmove(node->rec + i + 1, node->rec + i, n * sizeof node->rec[0]);
	node->rec[i] = rec;
	if (child) {
		struct store_node **v = children(node);
		memmove(v + i + 1, v + i, n * sizeof *v);
		v[i] = child;
	}
	node->n++;
	const struct store_rec *other = node->rec[i == first ? node->n - 1 : first];
	if (node->n - first < 3 || shared(rec, other) < node->skip)
		set_heads(node);
	else
		node->head[i] = rec_head(rec, node->skip);
}

/* Move what is from `keep` on to a new node on the right. */
static struct store_node *
split_node(struct store_tree *tree, struct store_node *node, int keep)
{
	struct store_node *right = node_new(tree, node->is_leaf);
	right->n = (int16_t)(node->n - keep);
	memcpy(right->rec, node->rec + keep, (size_t)right->n * sizeof right->rec[0]);
	node->n = (int16_t)keep;
	if (node->is_leaf) {
		right->next = node->next;
		right->prev = node;
		if (node->next)
			node->next->prev = right;
		node->next = right;
	} else {
		memcpy(children(right), children(node) + keep,
			(size_t)right->n * sizeof(struct store_node *));
	}
	set_heads(node);
	set_heads(right);
	return right;
}

/* Put the new node `right`, whose keys are >= rec, after the path's last child. */
static void
add_child(struct store_tree *tree, struct store_path *path, struct store_rec *rec,
	struct store_node *right)
{
	while (path->n > 0) {
		struct store_node *node = path->node[--path->n];
		int i = path->i[path->n] + 1;
		if (node->n < NODE_MAX) {
			insert_at(node, i, rec, right);
			return;
		}
		/* Keys that only rise leave full nodes behind. */
		int keep = i == NODE_MAX ? NODE_MAX - 1 : NODE_MAX / 2;
		struct store_node *half = split_node(tree, node, keep);
		struct store_rec *bound = half->rec[0];
		half->rec[0] = NULL;
		if (i <= keep)
			insert_at(node, i, rec, right);
		else
			insert_at(half, i - keep, rec, right);
		rec = bound;
		right = half;
	}
	struct store_node *root = node_new(tree, false);
	root->n = 1;
	root->rec[0] = NULL;
	children(root)[0] = tree->root;
	insert_at(root, 1, rec, right);
	tree->root = root;
}

void
store_tree_add(struct store_tree *tree, struct store_rec *rec)
{
	struct store_path path;
	if (!tree->root) {
		tree->root = node_new(tree, true);
		tree->root->next = tree->root->prev = NULL;
		tree->root->n = 0;
	}
	struct store_node *leaf = descend(tree, rec_key(rec), &path);
	int i = search(leaf, rec_key(rec), false);
	tree->n++;
	tree->version++;
	if (leaf->n < NODE_MAX) {
		insert_at(leaf, i, rec, NULL);
		return;
	}
	int keep = i == NODE_MAX && !leaf->next ? NODE_MAX - 1 : NODE_MAX / 2;
	struct store_node *right = split_node(tree, leaf, keep);
	if (i <= keep)
		insert_at(leaf, i, rec, NULL);
	else
		insert_at(right, i - keep, rec, NULL);
	add_child(tree, &path, bound_between(tree, leaf->rec[leaf->n - 1], right->rec[0]), right);
}

void
store_tree_replace(struct store_tree *tree, struct store_rec *old, struct store_rec *rec)
{
	struct store_path path;
	struct store_node *leaf = descend(tree, rec_key(rec), &path);
	assert(leaf);
	int i = search(leaf, rec_key(rec), false);
	assert(leaf->rec[i] == old);
	leaf->rec[i] = rec;
}

/* ---- removing ---- */

static void
take_at(struct store_node *node, int i)
{
	size_t n = (size_t)(node->n - i - 1);
	memmove(node->head + i, node->head + i + 1, n * sizeof node->head[0]);
	memmove(node->rec + i, node->rec + i + 1, n * sizeof node->rec[0]);
	if (!node->is_leaf)
		memmove(children(node) + i, children(node) + i + 1, n * sizeof(struct store_node *));
	node->n--;
}

/* An empty leaf goes, and each inner node that has no other child. */
static void
drop_leaf(struct store_tree *tree, struct store_path *path, struct store_node *leaf)
{
	if (leaf->prev)
		leaf->prev->next = leaf->next;
	if (leaf->next)
		leaf->next->prev = leaf->prev;
	struct store_node *node = leaf;
	while (path->n > 0) {
		node_free(tree, node);
		node = path->node[--path->n];
		int i = path->i[path->n];
		free_bound(tree, node->rec[i]);
		node->rec[i] = NULL;
		if (node->n > 1) {
			take_at(node, i);
			if (i == 0) { /* the next child has no bound now: it is the first */
				free_bound(tree, node->rec[0]);
				node->rec[0] = NULL;
			}
			return;
		}
	}
	node_free(tree, node);
	tree->root = NULL;
}

/* Take the records of the leaf on the right in, if they fit well, so that a tree of many
 * removals does not become sparse. */
static void
merge_right(struct store_tree *tree, struct store_path *path, struct store_node *leaf)
{
	struct store_node *parent = path->n ? path->node[path->n - 1] : NULL;
	int i = path->n ? path->i[path->n - 1] + 1 : 0;
	if (!parent || i >= parent->n)
		return;
	struct store_node *right = children(parent)[i];
	if (leaf->n + right->n > NODE_MAX / 2)
		return;
	memcpy(leaf->rec + leaf->n, right->rec, (size_t)right->n * sizeof right->rec[0]);
	leaf->n = (int16_t)(leaf->n + right->n);
	set_heads(leaf);
	path->i[path->n - 1] = i;
	drop_leaf(tree, path, right);
}

void
store_tree_remove(struct store_tree *tree, struct store_rec *rec)
{
	struct store_path path;
	struct store_node *leaf = descend(tree, rec_key(rec), &path);
	assert(leaf);
	int i = search(leaf, rec_key(rec), false);
	assert(i < leaf->n);
	assert(leaf->rec[i] == rec);
	take_at(leaf, i);
	tree->n--;
	tree->version++;
	if (leaf->n == 0)
		drop_leaf(tree, &path, leaf);
	else if (leaf->n < NODE_MAX / 4)
		merge_right(tree, &path, leaf);
	while (tree->root && !tree->root->is_leaf && tree->root->n == 1) {
		struct store_node *root = tree->root;
		tree->root = children(root)[0];
		free_bound(tree, root->rec[0]);
		node_free(tree, root);
	}
}

/* The nodes are freed from the leaves up, by a path instead of recursion. */
void
store_tree_release(struct store_tree *tree)
{
	struct store_path path = { .n = 0 };
	struct store_node *node = tree->root;
	while (node) {
		if (!node->is_leaf && node->n > 0) {
			path.node[path.n++] = node;
			node->n--;
			free_bound(tree, node->rec[node->n]);
			node = children(node)[node->n];
			continue;
		}
		node_free(tree, node);
		node = path.n > 0 ? path.node[--path.n] : NULL;
	}
	tree->root = NULL;
	tree->n = 0;
	tree->version++;
}
