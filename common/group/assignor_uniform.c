#include "group/assignor.h"

#include "base/heap.h"

#include <stdlib.h>

/* Gives each member the partitions that it had, as far as they still fit. */
static void
keep_previous(struct assignor_row *row, const struct assignor_member *member, int32_t i,
	int32_t keep_max, int32_t *nkept)
{
	int32_t k = 0;
	*nkept = 0;
	for (int32_t j = 0; j < member[i].nprev && *nkept < keep_max; j++) {
		struct assignor_partition part = member[i].prev[j];
		if (part.topic < 0 || part.topic >= row->ntopic)
			continue;
		if (k > 0 && member[i].topics[k - 1] > part.topic)
			k = 0; /* prev need not be sorted */
		while (k < member[i].ntopic && member[i].topics[k] < part.topic)
			k++;
		int32_t at = row->base[part.topic] + part.index;
		if (k == member[i].ntopic || member[i].topics[k] != part.topic || part.index < 0
			|| at >= row->base[part.topic + 1] || row->owner[at] >= 0)
			continue;
		row->owner[at] = i;
		++*nkept;
	}
}

static bool
is_homogeneous(const struct assignor_member *member, int32_t nmember)
{
	for (int32_t i = 1; i < nmember; i++)
		if (member[i].ntopic != member[0].ntopic
			|| (member[i].topics != member[0].topics && member[0].ntopic > 0
			&& memcmp(member[i].topics, member[0].topics,
				(size_t)member[0].ntopic * sizeof *member[0].topics) != 0))
			return false;
	return true;
}

/* How many of the member's previous partitions still exist and are subscribed. */
static int32_t
fitting(const struct assignor_row *row, const struct assignor_member *member, const bool *is_wanted)
{
	int32_t n = 0;
	for (int32_t j = 0; j < member->nprev; j++) {
		struct assignor_partition part = member->prev[j];
		n += part.topic >= 0 && part.topic < row->ntopic && is_wanted[part.topic] && part.index >= 0
			&& part.index < row->base[part.topic + 1] - row->base[part.topic];
	}
	return n;
}

/* For equal subscriptions: each member gets least or least + 1 partitions.  Members
 * that had more than least get the extra ones first: that decides how many
 * partitions move. */
static void
assign_alike(struct assignor_row *row, const struct assignor_member *member, int32_t nmember,
	struct arena *a)
{
	bool *is_wanted = arena_alloc(a, (size_t)row->ntopic + 1);
	int32_t npartition = 0;
	for (int32_t k = 0; k < member[0].ntopic; k++) {
		int32_t topic = member[0].topics[k];
		is_wanted[topic] = true;
		npartition += row->base[topic + 1] - row->base[topic];
	}
	int32_t least = npartition / nmember, odd = npartition % nmember;
	int32_t *room = arena_alloc(a, (size_t)nmember * sizeof *room);
	for (int32_t i = 0; i < nmember; i++) {
		room[i] = least;
		if (odd > 0 && fitting(row, &member[i], is_wanted) > least) {
			room[i]++;
			odd--;
		}
	}
	for (int32_t i = 0; i < nmember; i++) {
		int32_t n;
		keep_previous(row, member, i, room[i], &n);
		room[i] -= n;
	}
	/* The remaining extra ones; then partitions are given in turn, so that each
	 * topic is spread over members. */
	for (int32_t i = 0; i < nmember && odd > 0; i++) {
		if (room[i] < 0 || fitting(row, &member[i], is_wanted) > least)
			continue;
		room[i]++;
		odd--;
	}
	int32_t *ring = arena_alloc(a, (size_t)nmember * sizeof *ring), nring = 0, at = 0;
	for (int32_t i = 0; i < nmember; i++)
		if (room[i] > 0)
			ring[nring++] = i;
	for (int32_t k = 0; k < member[0].ntopic; k++) {
		int32_t topic = member[0].topics[k];
		for (int32_t partition = row->base[topic]; partition < row->base[topic + 1]; partition++) {
			if (row->owner[partition] >= 0)
				continue;
			assert(nring > 0);
			if (at >= nring)
				at = 0;
			row->owner[partition] = ring[at];
			if (--room[ring[at]] > 0) {
				at++;
			} else {
				/* Keeps the order.  The ring shrinks at most once for
				 * each member. */
				memmove(ring + at, ring + at + 1,
					(size_t)(nring - at - 1) * sizeof *ring);
				nring--;
			}
		}
	}
}

/*
 * For different subscriptions: a graph of members and topics.  An edge is one
 * member's subscription to one topic, and has a list (through next[]) of the
 * topic's partitions that the member owns.
 */
struct graph {
	const struct assignor_member *member;
	struct assignor_row *row;
	int32_t nmember, nedge;
	int32_t *first;      /* each member's first edge; first[nmember] is nedge */
	int32_t *edge_topic, *edge_member;
	int32_t *topic_first, *topic_edge; /* edges by topic */
	int32_t *head, *next; /* partitions of each edge */
	int32_t *load;       /* partitions of each member */
	/* Search: the way back to the taker, by topic and member. */
	int32_t *via_topic, *via_member, *queue;
	int32_t nqueue;
	uint32_t *member_seen, *topic_seen, round;
	int64_t budget;      /* edges that may still be visited */
};

/* Edges that balancing may visit; after that an assignment may be less even, but is
 * never wrong. */
enum { EDGE_BUDGET = 50000000 };

static void
graph_init(struct graph *graph, struct assignor_row *row, const struct assignor_member *member,
	int32_t nmember, struct arena *a)
{
	size_t nm = (size_t)nmember + 1, nt = (size_t)row->ntopic + 2, ne = 1;
	*graph = (struct graph){ .member = member, .row = row, .nmember = nmember,
		.budget = EDGE_BUDGET };
	graph->first = arena_alloc(a, nm * sizeof(int32_t));
	for (int32_t i = 0; i < nmember; i++) {
		graph->first[i] = graph->nedge;
		graph->nedge += member[i].ntopic;
	}
	graph->first[nmember] = graph->nedge;
	ne += (size_t)graph->nedge;
	int32_t **per_edge[] = { &graph->edge_topic, &graph->edge_member, &graph->topic_edge,
		&graph->head };
	for (size_t i = 0; i < ARRAY_LEN(per_edge); i++)
		*per_edge[i] = arena_alloc(a, ne * sizeof(int32_t));
	int32_t **per_member[] = { &graph->load, &graph->via_topic, &graph->via_member, &graph->queue };
	for (size_t i = 0; i < ARRAY_LEN(per_member); i++)
		*per_member[i] = arena_alloc(a, nm * sizeof(int32_t));
	graph->member_seen = arena_alloc(a, nm * sizeof(uint32_t));
	graph->topic_seen = arena_alloc(a, nt * sizeof(uint32_t));
	graph->topic_first = arena_alloc(a, nt * sizeof(int32_t));
	graph->next = arena_alloc(a, ((size_t)row->n + 1) * sizeof(int32_t));

	for (int32_t i = 0, edge = 0; i < nmember; i++) {
		for (int32_t k = 0; k < member[i].ntopic; k++, edge++) {
			graph->edge_topic[edge] = member[i].topics[k];
			graph->edge_member[edge] = i;
			graph->head[edge] = -1;
			graph->topic_first[member[i].topics[k] + 1]++;
		}
	}
	for (int32_t topic = 0; topic < row->ntopic; topic++)
		graph->topic_first[topic + 1] += graph->topic_first[topic];
	int32_t *fill = arena_alloc(a, nt * sizeof(int32_t));
	for (int32_t edge = 0; edge < graph->nedge; edge++) {
		int32_t topic = graph->edge_topic[edge];
		graph->topic_edge[graph->topic_first[topic] + fill[topic]++] = edge;
	}
}

/* The edge of member i to topic t; it must be subscribed. */
static int32_t
edge_of(const struct graph *graph, int32_t i, int32_t topic)
{
	int32_t lo = graph->first[i], hi = graph->first[i + 1] - 1;
	while (lo < hi) {
		int32_t mid = lo + (hi - lo) / 2;
		if (graph->edge_topic[mid] < topic)
			lo = mid + 1;
		else
			hi = mid;
	}
	assert(graph->edge_topic[lo] == topic);
	return lo;
}

static void
give(struct graph *graph, int32_t edge, int32_t partition)
{
	graph->next[partition] = graph->head[edge];
	graph->head[edge] = partition;
	graph->row->owner[partition] = graph->edge_member[edge];
	graph->load[graph->edge_member[edge]]++;
}

static int32_t
take(struct graph *graph, int32_t edge)
{
	int32_t partition = graph->head[edge];
	assert(partition >= 0);
	graph->head[edge] = graph->next[partition];
	graph->load[graph->edge_member[edge]]--;
	return partition;
}

struct subscriber {
	struct heap_node node;
	int32_t edge;
};

/* Partitions without an owner go to the subscriber with the fewest. */
static void
give_topic(struct graph *graph, int32_t topic, struct subscriber *sub, struct heap *heap)
{
	const struct assignor_row *row = graph->row;
	int32_t from = graph->topic_first[topic], n = graph->topic_first[topic + 1] - from;
	bool is_filled = false;
	for (int32_t partition = row->base[topic]; partition < row->base[topic + 1]
		&& n > 0; partition++) {
		if (row->owner[partition] >= 0)
			continue;
		for (int32_t k = 0; k < n && !is_filled; k++) {
			int32_t edge = graph->topic_edge[from + k], i = graph->edge_member[edge];
			sub[k] = (struct subscriber){ .edge = edge };
			heap_put(heap, &sub[k].node, (int64_t)graph->load[i] << 32 | i);
		}
		is_filled = true;
		struct subscriber *least = CONTAINER_OF(heap_top(heap), struct subscriber, node);
		give(graph, least->edge, partition);
		heap_remove(heap, &least->node);
		int32_t i = graph->edge_member[least->edge];
		heap_put(heap, &least->node, (int64_t)graph->load[i] << 32 | i);
	}
	while (heap_top(heap))
		heap_remove(heap, heap_top(heap));
}

struct topic_rank {
	int32_t topic, nsubscriber;
};

static int
by_subscribers(const void *va, const void *vb)
{
	const struct topic_rank *a = va, *b = vb;
	if (a->nsubscriber != b->nsubscriber)
		return a->nsubscriber < b->nsubscriber ? -1 : 1;
	return (a->topic > b->topic) - (a->topic < b->topic);
}

/* Topics with the fewest subscribers first. */
static void
give_rest(struct graph *graph, struct arena *a)
{
	int32_t nt = graph->row->ntopic, most = 0;
	struct topic_rank *rank = arena_alloc(a, ((size_t)nt + 1) * sizeof *rank);
	for (int32_t topic = 0; topic < nt; topic++) {
		rank[topic] = (struct topic_rank){ topic,
			graph->topic_first[topic + 1] - graph->topic_first[topic] };
		most = MAX(most, rank[topic].nsubscriber);
	}
	qsort(rank, (size_t)nt, sizeof *rank, by_subscribers);
	struct subscriber *sub = arena_alloc(a, ((size_t)most + 1) * sizeof *sub);
	struct heap heap = HEAP_INIT;
	for (int32_t k = 0; k < nt; k++)
		give_topic(graph, rank[k].topic, sub, &heap);
	heap_release(&heap);
}

/* Breadth-first search from a member with few partitions, over members that own
 * partitions of topics to which the last one subscribes, to a member that has at
 * least two more.  Moving one partition along each step of that path evens the two
 * out; the shortest path moves fewest.  Of equally near members, the one with the
 * most partitions is returned; -1: none. */
static int32_t
find_giver(struct graph *graph, int32_t taker)
{
	int32_t n = 0, best = -1, end_of_ring = 1;
	graph->round++;
	graph->member_seen[taker] = graph->round;
	graph->queue[n++] = taker;
	for (int32_t at = 0; at < n; at++) {
		if (at == end_of_ring) {
			if (best >= 0)
				break;
			end_of_ring = n;
		}
		int32_t i = graph->queue[at];
		for (int32_t edge = graph->first[i]; edge < graph->first[i + 1]; edge++) {
			int32_t topic = graph->edge_topic[edge];
			if (graph->topic_seen[topic] == graph->round)
				continue;
			graph->topic_seen[topic] = graph->round;
			graph->budget -= graph->topic_first[topic + 1] - graph->topic_first[topic];
			for (int32_t k = graph->topic_first[topic]; k < graph->topic_first[topic + 1]; k++) {
				int32_t other = graph->topic_edge[k], j = graph->edge_member[other];
				if (graph->head[other] < 0 || graph->member_seen[j] == graph->round)
					continue;
				graph->member_seen[j] = graph->round;
				graph->via_topic[j] = topic;
				graph->via_member[j] = i;
				graph->queue[n++] = j;
				if (graph->load[j] >= graph->load[taker] + 2
					&& (best < 0 || graph->load[j] > graph->load[best]))
					best = j;
			}
		}
	}
	graph->nqueue = n;
	return best;
}

static void
balance(struct graph *graph, struct arena *a)
{
	struct subscriber *sub = arena_alloc(a, ((size_t)graph->nmember + 1) * sizeof *sub);
	struct heap heap = HEAP_INIT;
	for (int32_t i = 0; i < graph->nmember; i++)
		if (graph->first[i + 1] > graph->first[i])
			heap_put(&heap, &sub[i].node, (int64_t)graph->load[i] << 32 | i);
	while (heap_top(&heap) && graph->budget > 0) {
		struct subscriber *least = CONTAINER_OF(heap_top(&heap), struct subscriber, node);
		int32_t taker = (int32_t)(least - sub), from = find_giver(graph, taker);
		heap_remove(&heap, &least->node);
		if (from < 0) {
			/* No member that was reached can find one either, now or
			 * after other moves. */
			for (int32_t at = 0; at < graph->nqueue; at++)
				heap_remove(&heap, &sub[graph->queue[at]].node);
			continue;
		}
		for (int32_t i = from; i != taker; i = graph->via_member[i]) {
			int32_t topic = graph->via_topic[i];
			give(graph, edge_of(graph, graph->via_member[i], topic),
				take(graph, edge_of(graph, i, topic)));
		}
		heap_put(&heap, &least->node, (int64_t)graph->load[taker] << 32 | taker);
		if (sub[from].node.at) {
			heap_remove(&heap, &sub[from].node);
			heap_put(&heap, &sub[from].node, (int64_t)graph->load[from] << 32 | from);
		}
	}
	heap_release(&heap);
}

static void
assign_unlike(struct assignor_row *row, const struct assignor_member *member, int32_t nmember,
	struct arena *a)
{
	struct graph graph;
	graph_init(&graph, row, member, nmember, a);
	for (int32_t i = 0; i < nmember; i++) {
		int32_t n;
		keep_previous(row, member, i, INT32_MAX, &n);
	}
	for (int32_t topic = 0; topic < row->ntopic; topic++)
		for (int32_t partition = row->base[topic
			+ 1] - 1; partition >= row->base[topic]; partition--)
			if (row->owner[partition] >= 0)
				give(&graph, edge_of(&graph, row->owner[partition], topic), partition);
	give_rest(&graph, a);
	balance(&graph, a);
}

void
assignor_uniform(struct assignor_member *member, int32_t nmember, const int32_t *npartition,
	int32_t ntopic, struct arena *a)
{
	struct assignor_row row;
	assignor_row_init(&row, npartition, ntopic, a);
	if (nmember > 0 && is_homogeneous(member, nmember))
		assign_alike(&row, member, nmember, a);
	else if (nmember > 0)
		assign_unlike(&row, member, nmember, a);
	assignor_row_emit(&row, member, nmember, a);
}
