#include "kq-broker/broker.h"

#include "kq-broker/descriptors.h"
#include "kq-broker/dispatch.h"
#include "kq-broker/reactor.h"

#include "sys/fs.h"
#include "text/say.h"
#include "text/units.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- partitions side by side ---- */

struct each {
	struct partition **v;
	size_t n;
	atomic_size_t at;
	partition_fn *fn;
	void *ctx;
};

static void *
each_thread(void *arg)
{
	struct each *it = arg;
	for (size_t i; (i = atomic_fetch_add(&it->at, 1)) < it->n;)
		it->fn(it->v[i], it->ctx);
	return NULL;
}

void
broker_each_partition(struct broker *b, partition_fn *fn, void *ctx)
{
	assert(!b->is_control_started || b->is_over);
	struct each it = { .fn = fn, .ctx = ctx };
	it.v = mem_alloc((size_t)b->topics.npartition * sizeof *it.v);
	MAP_EACH(e, &b->topics.by_name) {
		struct topic *t = e->value;
		for (int32_t i = 0; i < t->npartition; i++)
			it.v[it.n++] = t->partition[i];
	}
	pthread_t thread[REACTORS_MAX];
	int n = 0;
	while (n < b->nreactor - 1 && (size_t)n + 1 < it.n
		&& pthread_create(&thread[n], NULL, each_thread, &it) == 0)
		n++;
	each_thread(&it);
	while (n > 0)
		pthread_join(thread[--n], NULL);
	mem_free(it.v);
}

/* ---- opening ---- */

static enum fault
fault_of(const struct config_set *v)
{
	enum fault f = config_is(NULL, v, CONFIG_TEST_FAULT, "commit-aborted") ? FAULT_COMMIT_ABORTED
		: config_is(NULL, v, CONFIG_TEST_FAULT, "tear-commits") ? FAULT_TEAR_COMMITS
		: config_is(NULL, v, CONFIG_TEST_FAULT, "accept-duplicates") ? FAULT_ACCEPT_DUPLICATES
		: FAULT_NONE;
	if (f)
		log_line(LOG_WARN, "test.fault is set: this broker breaks its guarantees on purpose");
	return f;
}

static void
take_settings(struct broker *b)
{
	const struct config_set *v = b->settings->values;
	b->node_id = (int32_t)config_int(NULL, v, CONFIG_NODE_ID);
	b->auto_create = config_int(NULL, v, CONFIG_AUTO_CREATE_TOPICS_ENABLE);
	b->has_consumer_protocol = strstr(config_value(NULL, v,
		CONFIG_GROUP_COORDINATOR_REBALANCE_PROTOCOLS), "consumer");
	b->sessions.idle_max_ms = config_int(NULL, v, CONFIG_CONNECTIONS_MAX_IDLE_MS);
	b->sessions.frame_size_max = config_int(NULL, v, CONFIG_SOCKET_REQUEST_MAX_BYTES);
	b->fetch_size_max = config_int(NULL, v, CONFIG_FETCH_MAX_BYTES);
	b->arena_size_max = config_int(NULL, v, CONFIG_REQUEST_ARENA_BYTES_MAX);
	b->sessions.budget.used_max = config_int(NULL, v, CONFIG_QUEUED_MAX_REQUEST_BYTES);
	b->use_uring = !config_is(NULL, v, CONFIG_SYNC_ENGINE, "threads");
	b->fault = fault_of(v);
	b->nreactor = (int)config_int(NULL, v, CONFIG_REACTORS);
	if (b->nreactor == 0)
		b->nreactor = (int)sysconf(_SC_NPROCESSORS_ONLN);
	b->nreactor = MIN(MAX(b->nreactor, 1), REACTORS_MAX);
}

struct recovery {
	bool same_boot;
	atomic_int nfailed;
};

static void
recover_one(struct partition *p, void *ctx)
{
	struct recovery *r = ctx;
	struct err e;
	int64_t cut = 0;
	if (partlog_recover(&p->log, r->same_boot, &cut, &e) < 0) {
		atomic_fetch_add(&r->nfailed, 1);
		log_line(LOG_ERROR, "partition %s-%d is not served: %s", p->topic, p->index, e.msg);
		return;
	}
	if (cut)
		log_line(LOG_WARN, "partition %s-%d: cut %lld byte%s of an unfinished write off its end",
			p->topic, p->index, (long long)cut, units_plural(cut));
	partition_recovered(p);
}

/* After a crash: check every partition, and write down what they have. */
static int
recover(struct broker *b, const struct datadir_state *state, struct err *e)
{
	struct recovery recovery = { .same_boot = state->same_boot };
	int rc = partlog_remove_leftovers(b->dir.fd, e) < 0 ? -1
		: datadir_set_strays_aside(&b->dir, &b->topics, e);
	if (b->topics.npartition) {
		log_line(LOG_INFO, "the last stop was not clean: checking %lld partition%s",
			(long long)b->topics.npartition, units_plural(b->topics.npartition));
		broker_each_partition(b, recover_one, &recovery);
		if (rc == 0 && !state->same_boot)
			rc = datadir_note_power_loss(&b->dir, e);
	}
	/* Without the topics that were deleted just before the crash. */
	return rc < 0 ? -1 : checkpoints_write(&b->checkpoints, e);
}

static int
load(struct broker *b, struct err *e)
{
	struct datadir_state state;
	struct saved_offsets offsets;
	if (datadir_read(&b->dir, metastore_revision(b->meta) == 0, &state, e) < 0)
		return -1;
	int rc = saved_offsets_read(&offsets, b->dir.fd, e);
	if (rc == 0) {
		dynamic_load(&b->dynamic, b->meta);
		rc = cluster_facts_load(&b->cluster, b->meta, state.is_clean, e);
	}
	if (rc == 0) {
		b->catalog_apply.leader_epoch = b->cluster.epoch;
		rc = catalog_apply_begin(&b->catalog_apply, b->meta, &offsets, state.is_clean, e);
	}
	saved_offsets_release(&offsets);
	if (rc == 0 && !state.is_clean && b->dir.fd >= 0)
		rc = recover(b, &state, e);
	return rc < 0 ? -1 : datadir_begin(&b->dir, b->cluster.id, b->node_id, e);
}

/* ---- what partitions need ---- */

static void
on_appended(struct partition_env *env)
{
	checkpoints_appended(&CONTAINER_OF(env, struct broker, partition_env)->checkpoints);
}

/* What was acknowledged may be lost if the broker went on: ends the process,
 * without the mark of a clean stop. */
static void
on_disk_failed(struct partition_env *env, const struct partition *part, int sys)
{
	struct broker *b = CONTAINER_OF(env, struct broker, partition_env);
	log_line(LOG_ERROR, "%s: syncing %s-%d failed: %s; records that were not acknowledged may "
		"be lost; the broker stops", b->dir.path, part->topic, part->index, strerror(sys));
	/* To open transactions it is as if the machine had gone down: see coordinator.h. */
	struct err ignored;
	datadir_note_power_loss(&b->dir, &ignored);
	log_end();
	_exit(EXIT_FAILED);
}

static void
init_partition_env(struct broker *b)
{
	b->partition_env.data_fd = b->dir.fd;
	b->partition_env.accepts_duplicates = b->fault == FAULT_ACCEPT_DUPLICATES;
	b->partition_env.appended = on_appended;
	b->partition_env.disk_failed = on_disk_failed;
}

static void
on_settings_changed(struct dynamic *dynamic)
{
	struct broker *b = CONTAINER_OF(dynamic, struct broker, dynamic);
	atomic_store(&b->sessions.nsession_max,
		config_int(NULL, dynamic->values, CONFIG_MAX_CONNECTIONS));
	catalog_apply_defaults(&b->catalog_apply);
}

/* Everything that stands on the metastore. */
static void
init_facts(struct broker *b)
{
	const struct config_set *v = b->settings->values;
	checkpoints_init(&b->checkpoints, b->dir.fd, &b->topics, &b->control,
		config_int(NULL, v, CONFIG_LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS));
	producer_ids_init(&b->producer_ids, b->meta, &b->control);
	b->catalog = (struct catalog){
		.meta = b->meta,
		.topics = &b->topics,
		.dynamic = &b->dynamic,
		.checkpoints = &b->checkpoints,
		.partition_max = config_int(NULL, v, CONFIG_MAX_PARTITIONS),
	};
	b->catalog_apply = (struct catalog_apply){
		.topics = &b->topics,
		.dynamic = &b->dynamic,
		.env = &b->partition_env,
	};
}

int
broker_open(struct broker *b, struct settings *s, struct err *e)
{
	*b = (struct broker){ .settings = s };
	datadir_init(&b->dir, s->is_memory ? NULL : s->data_dir);
	advertised_init(&b->advertised, &s->advertised, &b->listen);
	topics_init(&b->topics);
	fetch_sessions_init(&b->fetch_sessions, (int)config_int(NULL, s->values,
		CONFIG_MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS));
	dynamic_init(&b->dynamic, s->values, on_settings_changed);
	list_init(&b->control.posted);
	b->control.epoll_fd = b->control.event_fd = -1;
	take_settings(b);
	dispatch_init();
	/* The number of reactors may be lowered unless it was set. */
	bool may_lower = config_int(NULL, s->values, CONFIG_REACTORS) == 0;
	if (descriptors_plan(&b->descriptors, &b->nreactor, s->listen.n, may_lower, e) < 0)
		return -1;
	if (s->is_memory && *s->data_dir)
		log_line(LOG_WARN, "--memory keeps nothing on disk: the data directory '%s' is not used",
			s->data_dir);
	if (!s->is_memory && datadir_open(&b->dir, e) < 0)
		return -1;
	init_partition_env(b);
	b->meta = metastore_open_local(b->dir.fd, e);
	if (!b->meta)
		return err_wrap(e, "data directory '%s'", b->dir.path);
	init_facts(b);
	if (load(b, e) < 0)
		return -1;
	struct coordinator_deps deps = {
		.settings = s->values,
		.dynamic = &b->dynamic,
		.topics = &b->topics,
		.catalog = &b->catalog,
		.producer_ids = &b->producer_ids,
		.dir = &b->dir,
		.epoch = b->cluster.epoch,
		.use_uring = b->use_uring,
		.sync_files_max = (int)b->descriptors.sync_max,
		.commits_aborted = b->fault == FAULT_COMMIT_ABORTED,
		.tears_commits = b->fault == FAULT_TEAR_COMMITS,
	};
	b->coordinator = coordinator_new(&deps, e);
	return b->coordinator ? 0 : -1;
}

/* ---- starting ---- */

static int
open_listener(struct net_addr *addr, int backlog, bool is_shared, struct err *e)
{
	int fd = net_listen(addr, backlog, is_shared, e);
	if (fd < 0 && e->sys == EADDRINUSE) {
		struct err why = *e;
		err_set(e, why.class, "%s; choose another address with -l", why.msg);
	}
	return fd;
}

/* Sockets that share a port would share it with another broker's, too: one
 * that does not share finds out whether the port is free. */
static int
check_port(struct broker *b, struct net_addr *addr, struct err *e)
{
	if (addr->kind == NET_UNIX || addr->port == 0 || b->nreactor == 1)
		return 0;
	int fd = open_listener(addr, 1, false, e);
	fs_close(fd);
	return fd < 0 ? -1 : 0;
}

static int
listen_on(struct broker *b, struct net_addr *addr, struct err *e)
{
	int backlog = (int)config_int(NULL, b->settings->values, CONFIG_SOCKET_LISTEN_BACKLOG_SIZE);
	int first = -1;
	if (check_port(b, addr, e) < 0)
		return -1;
	for (int i = 0; i < b->nreactor; i++) {
		/* TCP: a socket each, and the kernel spreads the connections; a
		 * Unix socket is one for all of them. */
		int fd = addr->kind == NET_UNIX && i > 0 ? dup(first)
			: open_listener(addr, backlog, b->nreactor > 1, e);
		if (fd < 0)
			return addr->kind == NET_UNIX && i > 0 ? err_sys(e, "cannot share a socket") : -1;
		first = fd;
		reactor_listen(&b->reactor[i], fd, addr);
	}
	b->listen.v[b->listen.n++] = *addr;
	return 0;
}

static void *
control_thread(void *arg)
{
	struct broker *b = arg;
	loop_run(&b->control);
	return NULL;
}

int
broker_start(struct broker *b, struct err *e)
{
	if (loop_init(&b->control, e) < 0)
		return -1;
	b->reactor = mem_alloc((size_t)b->nreactor * sizeof *b->reactor);
	for (int i = 0; i < b->nreactor; i++)
		if (reactor_init(&b->reactor[i], b, i, dispatch, e) < 0)
			return -1;
	for (int i = 0; i < b->settings->listen.n; i++)
		if (listen_on(b, &b->settings->listen.v[i], e) < 0)
			return -1;
	log_line(LOG_DEBUG, "files are synced by %s", syncer_name(b->reactor[0].syncer));
	errno = pthread_create(&b->control_thread, NULL, control_thread, b);
	if (errno)
		return err_sys(e, "cannot start a thread");
	b->is_control_started = true;
	if (coordinator_start(b->coordinator, e) < 0)
		return -1;
	for (int i = 0; i < b->nreactor; i++)
		if (reactor_start(&b->reactor[i], e) < 0)
			return -1;
	return 0;
}

/* ---- stopping ---- */

static void
sync_one(struct partition *p, void *ctx)
{
	atomic_int *nfailed = ctx;
	struct partlog_sync s;
	struct err e;
	while (partlog_sync_begin(&p->log, &s) > 0) {
		partlog_sync_run(&s);
		partlog_sync_end(&p->log, &s);
		if (p->log.is_failed)
			break;
	}
	bool ok = !p->log.is_failed && p->log.synced_offset == p->log.next_offset
		&& partlog_flush(&p->log, &e) == 0;
	/* A log that was refused at the start keeps the next start unclean. */
	if (!ok)
		atomic_fetch_add(nfailed, 1);
}

int
broker_stop(struct broker *b, struct err *e)
{
	coordinator_quiesce(b->coordinator);
	for (int i = 0; i < b->nreactor; i++)
		if (b->reactor && b->reactor[i].thread)
			reactor_stop(&b->reactor[i]);
	for (int i = 0; i < b->nreactor; i++)
		if (b->reactor)
			reactor_join(&b->reactor[i]);
	if (b->is_control_started) {
		loop_stop(&b->control);
		pthread_join(b->control_thread, NULL);
	}
	coordinator_stop(b->coordinator);
	b->is_over = true;
	for (int i = 0; i < b->listen.n; i++)
		if (b->listen.v[i].kind == NET_UNIX)
			unlink(b->listen.v[i].host);
	if (b->dir.fd < 0)
		return 0;
	atomic_int nfailed = 0;
	broker_each_partition(b, sync_one, &nfailed);
	if (checkpoints_write(&b->checkpoints, e) < 0)
		return -1;
	if (nfailed)
		return err_set(e, ERR_SYS, "%d partition%s could not be closed cleanly; "
			"the next start checks all partitions", (int)nfailed, units_plural(nfailed));
	return datadir_mark_clean(&b->dir, e);
}

void
broker_release(struct broker *b)
{
	coordinator_free(b->coordinator);
	for (int i = 0; b->reactor && i < b->nreactor; i++)
		if (b->reactor[i].broker)
			reactor_release(&b->reactor[i]);
	mem_free(b->reactor);
	if (b->control.epoll_fd >= 0)
		loop_release(&b->control);
	topics_release(&b->topics);
	fetch_sessions_release(&b->fetch_sessions);
	dynamic_release(&b->dynamic);
	metastore_close(b->meta);
	advertised_release(&b->advertised);
	producer_ids_release(&b->producer_ids);
	datadir_release(&b->dir);
}
