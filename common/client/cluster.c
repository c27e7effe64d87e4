#include "client/cluster.h"

#include "client/cluster_int.h"
#include "sys/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	PORT = 9092,
	CONNECT_TIMEOUT_MS = 10000,
	REQUEST_TIMEOUT_MS = 30000,
	TOPIC_TIMEOUT_MS = 10000,
	METADATA_MAX_AGE_MS = 300000,
	BACKOFF_FIRST_MS = 50,
	BACKOFF_MAX_MS = 1000,
};

static void
add_boot(struct cluster *cl, const struct net_addr *addr)
{
	cl->boot = mem_realloc(cl->boot, (size_t)(cl->nboot + 1) * sizeof *cl->boot);
	cl->boot[cl->nboot++] = *addr;
}

/* Parse "a,b,c" into the bootstrap addresses. */
static int
parse_brokers(struct cluster *cl, const char *text, struct err *e)
{
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, ",");
		char one[NET_TEXT_SIZE + 16];
		struct net_addr addr;
		if (n >= sizeof one)
			return err_set(e, ERR_USAGE, "a broker's address is too long");
		memcpy(one, p, n);
		one[n] = 0;
		if (n > 0) {
			if (net_addr_parse(&addr, one, PORT, e) < 0)
				return -1;
			add_boot(cl, &addr);
		}
		p += n + (p[n] == ',');
	}
	return cl->nboot ? 0 : err_set(e, ERR_USAGE, "no broker's address in '%s'", text);
}

/* The addresses given by the user; NULL: none. */
static const char *
named_brokers(const struct cluster *cl)
{
	const char *text = cl->opts.brokers;
	if (!text || !*text)
		text = getenv("KQ_BROKERS");
	return text && *text ? text : NULL;
}

static int
add_default_brokers(struct cluster *cl, struct err *e)
{
	struct net_addr addr;
	net_addr_default(&addr);
	int rc = net_addr_exists(&addr, e);
	if (rc < 0)
		return -1;
	if (rc > 0)
		add_boot(cl, &addr);
	addr = (struct net_addr){ .kind = NET_TCP, .port = PORT, .host = "127.0.0.1" };
	add_boot(cl, &addr);
	return 0;
}

static bool
addr_is_node(const struct net_addr *addr, const struct cluster_node *node)
{
	return addr->kind == NET_TCP && addr->port == node->port && strcmp(addr->host, node->host) == 0;
}

static int
count_nodes(const struct cluster *cl)
{
	int n = 0;
	for (int i = 0; i < cl->nnode; i++)
		n += !cl->node[i]->is_gone;
	return n;
}

struct cluster_node *
cluster_node(struct cluster *cl, int32_t id)
{
	for (int i = 0; i < cl->nnode; i++)
		if (cl->node[i]->id == id)
			return cl->node[i];
	return NULL;
}

/* A single node behind a Unix socket is reached only through the socket. */
static bool
goes_through_socket(const struct cluster *cl)
{
	const struct net_addr *addr = cl->first ? &cl->first->addr : &cl->boot[0];
	return addr->kind == NET_UNIX && count_nodes(cl) == 1;
}

/* Give up the connection if a call on it is parked, since what is to be sent now would wait
 * behind it.  This may be within a callback, so cluster_wait closes it. */
static void
give_up_parked(struct cluster *cl, struct conn *c)
{
	struct err why;
	if (!c || c->is_broken || !conn_is_parked(c))
		return;
	err_set(&why, ERR_RETRY, "given up for another request");
	conn_abort(c, &why);
	c->is_given_up = true;
	for (int i = 0; i < cl->nnode; i++)
		if (cl->node[i]->conn == c)
			cl->node[i]->conn = NULL;
	if (cl->first == c)
		cl->first = NULL;
	c->next_given_up = cl->given_up;
	cl->given_up = c;
}

/* Close the connections that were given up: were there any? */
static bool
close_given_up(struct cluster *cl)
{
	bool were_there = cl->given_up != NULL;
	while (cl->given_up) {
		struct conn *c = cl->given_up;
		struct err why = c->err;
		cl->given_up = c->next_given_up;
		conn_free(c, &why);
	}
	return were_there;
}

/* A connection to any node: the one to a bootstrap address, opened if there is none; else
 * an open one; else a new one. */
static struct conn *
any_conn(struct cluster *cl, struct err *e)
{
	give_up_parked(cl, cl->first);
	if (cl->first) {
		if (!cl->first->is_broken)
			return cl->first;
		*e = cl->first->err; /* the next cluster_wait removes it */
		return NULL;
	}
	for (int i = 0; i < cl->nboot; i++) {
		cl->first = conn_open(&cl->boot[i], &cl->conn_opts, e);
		if (cl->first)
			return cl->first;
		if (cl->boot[i].must_be_own && e->class == ERR_SYS)
			return NULL; /* another user's socket: do not fall back to TCP */
	}
	for (int i = 0; i < cl->nnode; i++) {
		give_up_parked(cl, cl->node[i]->conn);
		struct conn *c = cl->node[i]->conn;
		if (c && !c->is_broken)
			return c;
	}
	for (int i = 0; i < cl->nnode; i++) {
		struct cluster_node *node = cl->node[i];
		struct net_addr addr = { .kind = NET_TCP, .port = (uint16_t)node->port };
		struct err why = *e;
		snprintf(addr.host, sizeof addr.host, "%s", node->host);
		if (node->is_gone)
			continue;
		if (!goes_through_socket(cl) && (cl->first = conn_open(&addr, &cl->conn_opts, &why)))
			return cl->first;
		cluster_node_failed(cl, node, &why);
	}
	return NULL;
}

/* For when no broker was named and none runs at the default addresses. */
static void
add_hint(struct err *e)
{
	struct err why = *e;
	err_set(e, why.class, "%s; start kq-broker here, or name a broker with -b or KQ_BROKERS",
		why.msg);
}

static void
set_default(int *option, int value)
{
	if (*option == 0)
		*option = value;
}

int
cluster_open(struct cluster *cl, const struct cluster_opts *o, struct err *e)
{
	*cl = (struct cluster){ .opts = *o, .controller = -1,
		.wake_fd = o->wake_fd ? o->wake_fd : -1 };
	cl->opts.client_id = o->client_id ? o->client_id : "kq";
	set_default(&cl->opts.connect_timeout_ms, CONNECT_TIMEOUT_MS);
	set_default(&cl->opts.request_timeout_ms, REQUEST_TIMEOUT_MS);
	set_default(&cl->opts.topic_timeout_ms, TOPIC_TIMEOUT_MS);
	set_default(&cl->opts.metadata_max_age_ms, METADATA_MAX_AGE_MS);
	cl->conn_opts = (struct conn_opts){ .client_id = cl->opts.client_id,
		.connect_timeout_ms = cl->opts.connect_timeout_ms,
		.request_timeout_ms = cl->opts.request_timeout_ms,
		.reply_max = cl->opts.reply_max, .wake_fd = o->wake_fd,
		.meanwhile = o->meanwhile, .meanwhile_arg = o->meanwhile_arg };
	int64_t since_ms = clock_mono_ms();
	const char *text = named_brokers(cl);
	int rc = text ? parse_brokers(cl, text, e) : add_default_brokers(cl, e);
	while (rc == 0 && !any_conn(cl, e))
		if (!cluster_wait_for_first(cl, since_ms, e))
			rc = -1;
	if (cl->outage.is_reported && rc == 0)
		cl->opts.say("%s answers", cl->first->name);
	cl->outage = (struct cluster_outage){ 0 };
	/* Later connections may serve a clean-up after the signal. */
	cl->conn_opts.wake_fd = 0;
	if (rc == 0)
		return 0;
	if (cl->is_woken)
		err_set(e, ERR_RETRY, "interrupted");
	else if (!text && e->class == ERR_RETRY)
		add_hint(e);
	mem_free(cl->boot);
	mem_free(cl->poll);
	return -1;
}

/* Remove and free a broken connection; its nodes back off.  One that was given up has been
 * removed, and close_given_up frees it. */
static void
drop(struct cluster *cl, struct conn *c, const struct err *why)
{
	if (c->is_given_up)
		return;
	for (int i = 0; i < cl->nnode; i++) {
		struct cluster_node *node = cl->node[i];
		if (node->conn != c && node->second != c)
			continue;
		if (node->conn == c)
			node->conn = NULL;
		else
			node->second = NULL;
		node->err = *why;
		node->backoff_ms = BACKOFF_FIRST_MS;
		node->retry_at_ms = clock_mono_ms() + node->backoff_ms;
	}
	if (cl->first == c)
		cl->first = NULL;
	conn_free(c, why);
}

void
cluster_disconnect(struct cluster *cl)
{
	struct err why;
	err_set(&why, ERR_RETRY, "closing");
	for (int i = 0; i < cl->nnode; i++) {
		if (cl->node[i]->conn)
			drop(cl, cl->node[i]->conn, &why);
		if (cl->node[i]->second)
			drop(cl, cl->node[i]->second, &why);
	}
	if (cl->first)
		drop(cl, cl->first, &why);
	close_given_up(cl);
}

void
cluster_close(struct cluster *cl)
{
	cluster_disconnect(cl);
	for (int i = 0; i < cl->nnode; i++) {
		mem_free(cl->node[i]->host);
		mem_free(cl->node[i]);
	}
	for (int i = 0; i < cl->ntopic; i++) {
		mem_free(cl->topic[i]->name);
		mem_free(cl->topic[i]->part);
		mem_free(cl->topic[i]);
	}
	mem_free(cl->cluster_id);
	mem_free(cl->node);
	mem_free(cl->topic);
	mem_free(cl->boot);
	mem_free(cl->poll);
}

/* The first connection, if it leads to this node. */
static struct conn *
shared_conn(struct cluster *cl, const struct cluster_node *node)
{
	struct conn *c = cl->first;
	if (!c || c->is_broken)
		return NULL;
	if (c->addr.kind == NET_UNIX)
		return count_nodes(cl) == 1 ? c : NULL;
	return addr_is_node(&c->addr, node) ? c : NULL;
}

static struct conn *
connect_node(struct cluster *cl, struct cluster_node *node, struct err *e)
{
	if (goes_through_socket(cl))
		return any_conn(cl, e);
	struct net_addr addr = { .kind = NET_TCP, .port = (uint16_t)node->port };
	snprintf(addr.host, sizeof addr.host, "%s", node->host);
	struct conn *c = conn_open(&addr, &cl->conn_opts, e);
	if (!c && cl->first && cl->first->addr.kind == NET_UNIX && !cl->first->is_broken)
		c = cl->first;
	return c;
}

/* Note the result of connecting to a node: c, or NULL for the reason *e.  Returns c. */
static struct conn *
note_attempt(struct cluster *cl, struct cluster_node *node, struct conn *c, const struct err *e)
{
	if (c) {
		node->backoff_ms = 0;
		cluster_node_reached(cl, node);
		return c;
	}
	node->err = *e;
	node->backoff_ms = MAX(MIN(2 * node->backoff_ms, BACKOFF_MAX_MS), BACKOFF_FIRST_MS);
	node->retry_at_ms = clock_mono_ms() + node->backoff_ms;
	cluster_node_failed(cl, node, e);
	return NULL;
}

struct conn *
cluster_conn(struct cluster *cl, int32_t id, struct err *e)
{
	struct cluster_node *node = cluster_node(cl, id);
	if (!node) {
		err_set(e, ERR_RETRY, "node %d is not known", id);
		return NULL;
	}
	give_up_parked(cl, node->conn);
	if (node->conn) {
		if (!node->conn->is_broken)
			return node->conn;
		*e = node->conn->err;
		return NULL;
	}
	if ((node->conn = shared_conn(cl, node)))
		return note_attempt(cl, node, node->conn, e);
	int64_t now = clock_mono_ms();
	if (node->retry_at_ms > now) {
		*e = node->err;
		return NULL;
	}
	node->conn = connect_node(cl, node, e);
	return note_attempt(cl, node, node->conn, e);
}

void
cluster_give_up_parked(struct cluster *cl, int32_t id)
{
	struct cluster_node *node = cluster_node(cl, id);
	if (node)
		give_up_parked(cl, node->conn);
}

/* Open a separate connection to a node; through the socket if it is reached so. */
static struct conn *
connect_second(struct cluster *cl, const struct cluster_node *node, struct err *e)
{
	struct net_addr addr = { .kind = NET_TCP, .port = (uint16_t)node->port };
	struct net_addr boot = cl->first ? cl->first->addr : cl->boot[0];
	snprintf(addr.host, sizeof addr.host, "%s", node->host);
	if (goes_through_socket(cl))
		return conn_open(&boot, &cl->conn_opts, e);
	struct conn *c = conn_open(&addr, &cl->conn_opts, e);
	return !c && boot.kind == NET_UNIX ? conn_open(&boot, &cl->conn_opts, e) : c;
}

struct conn *
cluster_conn_second(struct cluster *cl, int32_t id, struct err *e)
{
	struct cluster_node *node = cluster_node(cl, id);
	if (!node) {
		err_set(e, ERR_RETRY, "node %d is not known", id);
		return NULL;
	}
	if (node->second) {
		if (!node->second->is_broken)
			return node->second;
		*e = node->second->err;
		return NULL;
	}
	if (node->retry_at_ms > clock_mono_ms()) {
		*e = node->err;
		return NULL;
	}
	node->second = connect_second(cl, node, e);
	return note_attempt(cl, node, node->second, e);
}

struct conn *
cluster_conn_for(struct cluster *cl, int32_t node, struct err *e)
{
	cluster_wait(cl, -1, 0, 0); /* removes broken connections */
	if (node == CLUSTER_ANY)
		return any_conn(cl, e);
	if (cluster_find_nodes(cl, e) < 0)
		return NULL;
	if (node == CLUSTER_CONTROLLER)
		return cl->controller < 0 || !cluster_node(cl, cl->controller)
			? any_conn(cl, e) : cluster_conn(cl, cl->controller, e);
	return cluster_conn(cl, node, e);
}

/* List every connection once.  Returns how many. */
static int
list_conns(struct cluster *cl, struct conn **v, int cap)
{
	int n = 0;
	if (cl->first)
		v[n++] = cl->first;
	for (int i = 0; i < cl->nnode && n < cap; i++) {
		struct conn *c = cl->node[i]->conn;
		int k = 0;
		while (k < n && v[k] != c)
			k++;
		if (c && k == n)
			v[n++] = c;
		if (cl->node[i]->second && n < cap)
			v[n++] = cl->node[i]->second;
	}
	return n;
}

static int
poll_timeout(const struct cluster *cl, struct conn **v, int n, int timeout_ms)
{
	int64_t first = INT64_MAX, ignored;
	for (int i = 0; i < cl->nnode && cl->opts.say && !cl->opts.is_quiet; i++)
		if (cl->node[i]->conn && !cl->node[i]->is_late)
			conn_late(cl->node[i]->conn, &first, &ignored);
	for (int i = 0; i < n; i++)
		first = MIN(first, conn_deadline(v[i]));
	if (first == INT64_MAX || timeout_ms == 0)
		return timeout_ms;
	int64_t left = MAX(first - clock_mono_ms(), 0);
	return timeout_ms < 0 ? (int)MIN(left, 1 << 30) : (int)MIN(left, timeout_ms);
}

/* Fill the descriptors to be polled: the owner's, wake_fd, and the connections'.  Returns
 * the index of the first of the latter. */
static int
fill_poll(struct cluster *cl, const struct pollfd *fds, int nfd, struct conn **v, int n)
{
	for (int i = 0; i < nfd; i++)
		cl->poll[i] = (struct pollfd){ fds[i].fd, fds[i].events, 0 };
	cl->poll[nfd] = (struct pollfd){ cl->wake_fd, POLLIN, 0 };
	for (int i = 0; i < n; i++) {
		conn_flush(v[i]);
		cl->poll[nfd + 1 + i] = (struct pollfd){ v[i]->stream.fd, conn_events(v[i]), 0 };
	}
	return nfd + 1;
}

short
cluster_wait(struct cluster *cl, int fd, short events, int timeout_ms)
{
	struct pollfd one = { fd, events, 0 };
	cluster_wait_fds(cl, &one, 1, timeout_ms);
	return one.revents;
}

short
cluster_await(struct cluster *cl, int fd, short events, int timeout_ms)
{
	if (!cl->opts.meanwhile || timeout_ms == 0)
		return cluster_wait(cl, fd, events, timeout_ms);
	short got = cluster_wait(cl, fd, events, timeout_ms < 0 ? CONN_MEANWHILE_MS
		: MIN(timeout_ms, CONN_MEANWHILE_MS));
	bool is_woken = cl->is_woken;
	cl->opts.meanwhile(cl->opts.meanwhile_arg);
	cl->is_woken |= is_woken;
	return got;
}

int
cluster_fds(struct cluster *cl, struct pollfd *fds, int n)
{
	struct conn *v[CLUSTER_FDS_MAX];
	int count = list_conns(cl, v, MIN(n, CLUSTER_FDS_MAX));
	for (int i = 0; i < count; i++)
		fds[i] = (struct pollfd){ v[i]->stream.fd, conn_events(v[i]), 0 };
	return count;
}

int
cluster_wait_fds(struct cluster *cl, struct pollfd *fds, int nfd, int timeout_ms)
{
	int cap = 2 * cl->nnode + 2 + nfd;
	if (close_given_up(cl))
		timeout_ms = 0;
	if (cap > cl->poll_cap) {
		cl->poll = mem_realloc(cl->poll, (size_t)cap * sizeof *cl->poll);
		cl->poll_cap = cap;
	}
	struct conn *small[32], **v = small;
	if (cap > (int)ARRAY_LEN(small))
		v = mem_alloc((size_t)cap * sizeof(struct conn *));
	int n = list_conns(cl, v, cap - nfd - 1), begin = fill_poll(cl, fds, nfd, v, n), nseen = 0;
	int nready = poll(cl->poll, (nfds_t)(begin + n), poll_timeout(cl, v, n, timeout_ms));
	for (int i = 0; i < nfd; i++) {
		fds[i].revents = nready > 0 ? cl->poll[i].revents : 0;
		nseen += fds[i].revents != 0;
	}
	cl->is_woken = nready > 0 && cl->poll[nfd].revents;
	int64_t now = clock_mono_ms();
	for (int i = 0; i < n; i++) {
		if (!cl->poll[begin + i].revents && conn_deadline(v[i]) > now)
			continue;
		if (!conn_work(v[i], now)) {
			struct err why = v[i]->err;
			drop(cl, v[i], &why);
		}
	}
	for (int i = 0; i < cl->nnode && cl->opts.say; i++)
		cluster_say_late(cl, cl->node[i], now);
	if (v != small)
		mem_free(v);
	return nseen;
}
