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
broker_each_partition(struct broker *broker, partition_fn *fn, void *ctx)
{
	assert(!broker->is_control_started || broker->is_over);
	struct each it = { .fn = fn, .ctx = ctx };
	it.v = mem_alloc((size_t)broker->topics.npartition * sizeof *it.v);
	MAP_EACH(entry, &broker->topics.by_name) {
		struct topic *t = entry->value;
		for (int32_t i = 0; i < t->npartition; i++)
			it.v[it.n++] = t->partition[i];
	}
	pthread_t thread[REACTORS_MAX];
	int n = 0;
	while (n < broker->nreactor - 1 && (size_t)n + 1 < it.n
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
	enum fault fault = FAULT_NONE;
	if (config_is(NULL, v, CONFIG_TEST_FAULT, "commit-aborted"))
		fault = FAULT_COMMIT_ABORTED;
	else if (config_is(NULL, v, CONFIG_TEST_FAULT, "tear-commits"))
		fault = FAULT_TEAR_COMMITS;
	else if (config_is(NULL, v, CONFIG_TEST_FAULT, "accept-duplicates"))
		fault = FAULT_ACCEPT_DUPLICATES;
	if (fault)
		log_line(LOG_WARN, "test.fault is set: this broker breaks its guarantees on purpose");
	return fault;
}

static void
take_settings(struct broker *broker)
{
	const struct config_set *v = broker->settings->values;
	broker->node_id = (int32_t)config_int(NULL, v, CONFIG_NODE_ID);
	broker->auto_create = config_int(NULL, v, CONFIG_AUTO_CREATE_TOPICS_ENABLE);
	broker->has_consumer_protocol = strstr(config_value(NULL, v,
		CONFIG_GROUP_COORDINATOR_REBALANCE_PROTOCOLS), "consumer");
	broker->sessions.idle_max_ms = config_int(NULL, v, CONFIG_CONNECTIONS_MAX_IDLE_MS);
	broker->sessions.frame_size_max = config_int(NULL, v, CONFIG_SOCKET_REQUEST_MAX_BYTES);
	broker->fetch_size_max = config_int(NULL, v, CONFIG_FETCH_MAX_BYTES);
	broker->arena_size_max = config_int(NULL, v, CONFIG_REQUEST_ARENA_BYTES_MAX);
	broker->sessions.budget.used_max = config_int(NULL, v, CONFIG_QUEUED_MAX_REQUEST_BYTES);
	broker->use_uring = !config_is(NULL, v, CONFIG_SYNC_ENGINE, "threads");
	broker->fault = fault_of(v);
	broker->nreactor = (int)config_int(NULL, v, CONFIG_REACTORS);
	if (broker->nreactor == 0)
		broker->nreactor = (int)sysconf(_SC_NPROCESSORS_ONLN);
	broker->nreactor = MIN(MAX(broker->nreactor, 1), REACTORS_MAX);
}

struct recovery {
	bool same_boot;
	atomic_int nfailed;
};

static void
recover_one(struct partition *part, void *ctx)
{
	struct recovery *recovery = ctx;
	struct err e;
	int64_t cut = 0;
	if (partlog_recover(&part->log, recovery->same_boot, &cut, &e) < 0) {
		atomic_fetch_add(&recovery->nfailed, 1);
		log_line(LOG_ERROR, "partition %s-%d is not served: %s", part->topic, part->index, e.msg);
		return;
	}
	if (cut)
		log_line(LOG_WARN, "partition %s-%d: cut %lld byte%s of an unfinished write off its end",
			part->topic, part->index, (long long)cut, units_plural(cut));
	partition_recovered(part);
}

/* After a crash: check every partition, and write down what they have. */
static int
recover(struct broker *broker, const struct datadir_state *state, struct err *e)
{
	struct recovery recovery = { .same_boot = state->same_boot };
	int rc = partlog_remove_leftovers(broker->dir.fd, e) < 0 ? -1
		: datadir_set_strays_aside(&broker->dir, &broker->topics, e);
	if (broker->topics.npartition) {
		log_line(LOG_INFO, "the last stop was not clean: checking %lld partition%s",
			(long long)broker->topics.npartition, units_plural(broker->topics.npartition));
		broker_each_partition(broker, recover_one, &recovery);
		if (rc == 0 && !state->same_boot)
			rc = datadir_note_power_loss(&broker->dir, e);
	}
	/* Without the topics that were deleted just before the crash. */
	return rc < 0 ? -1 : checkpoints_write(&broker->checkpoints, e);
}

static int
load(struct broker *broker, struct err *e)
{
	struct datadir_state state;
	struct saved_offsets offsets;
	if (datadir_read(&broker->dir, metastore_revision(broker->meta) == 0, &state, e) < 0)
		return -1;
	int rc = saved_offsets_read(&offsets, broker->dir.fd, e);
	if (rc == 0) {
		dynamic_load(&broker->dynamic, broker->meta);
		rc = cluster_facts_load(&broker->cluster, broker->meta, state.is_clean, e);
	}
	if (rc == 0) {
		broker->catalog_apply.leader_epoch = broker->cluster.epoch;
		rc = catalog_apply_begin(&broker->catalog_apply, broker->meta, &offsets, state.is_clean, e);
	}
	saved_offsets_release(&offsets);
	if (rc == 0 && !state.is_clean && broker->dir.fd >= 0)
		rc = recover(broker, &state, e);
	return rc < 0 ? -1 : datadir_begin(&broker->dir, broker->cluster.id, broker->node_id, e);
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
	struct broker *broker = CONTAINER_OF(env, struct broker, partition_env);
	log_line(LOG_ERROR, "%s: syncing %s-%d failed: %s; records that were not acknowledged may "
		"be lost; the broker stops", broker->dir.path, part->topic, part->index, strerror(sys));
	/* To open transactions it is as if the machine had gone down: see coordinator.h. */
	struct err ignored;
	datadir_note_power_loss(&broker->dir, &ignored);
	log_end();
	_exit(EXIT_FAILED);
}

static void
init_partition_env(struct broker *broker)
{
	broker->partition_env.data_fd = broker->dir.fd;
	broker->partition_env.accepts_duplicates = broker->fault == FAULT_ACCEPT_DUPLICATES;
	broker->partition_env.appended = on_appended;
	broker->partition_env.disk_failed = on_disk_failed;
}

static void
on_settings_changed(struct dynamic *dynamic)
{
	struct broker *broker = CONTAINER_OF(dynamic, struct broker, dynamic);
	atomic_store(&broker->sessions.nsession_max,
		config_int(NULL, dynamic->values, CONFIG_MAX_CONNECTIONS));
	catalog_apply_defaults(&broker->catalog_apply);
}

/* Everything that stands on the metastore. */
static void
init_facts(struct broker *broker)
{
	const struct config_set *v = broker->settings->values;
	checkpoints_init(&broker->checkpoints, broker->dir.fd, &broker->topics, &broker->control,
		config_int(NULL, v, CONFIG_LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS));
	producer_ids_init(&broker->producer_ids, broker->meta, &broker->control);
	broker->catalog = (struct catalog){
		.meta = broker->meta,
		.topics = &broker->topics,
		.dynamic = &broker->dynamic,
		.checkpoints = &broker->checkpoints,
		.partition_max = config_int(NULL, v, CONFIG_MAX_PARTITIONS),
	};
	broker->catalog_apply = (struct catalog_apply){
		.topics = &broker->topics,
		.dynamic = &broker->dynamic,
		.env = &broker->partition_env,
	};
}

int
broker_open(struct broker *broker, struct settings *settings, struct err *e)
{
	*broker = (struct broker){ .settings = settings };
	datadir_init(&broker->dir, settings->is_memory ? NULL : settings->data_dir);
	advertised_init(&broker->advertised, &settings->advertised, &broker->listen);
	topics_init(&broker->topics);
	fetch_sessions_init(&broker->fetch_sessions, (int)config_int(NULL, settings->values,
		CONFIG_MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS));
	dynamic_init(&broker->dynamic, settings->values, on_settings_changed);
	list_init(&broker->control.posted);
	broker->control.epoll_fd = broker->control.event_fd = -1;
	take_settings(broker);
	dispatch_init();
	/* The number of reactors may be lowered unless it was set. */
	bool may_lower = config_int(NULL, settings->values, CONFIG_REACTORS) == 0;
	if (descriptors_plan(&broker->descriptors, &broker->nreactor, settings->listen.n,
		may_lower, e) < 0)
		return -1;
	if (settings->is_memory && *settings->data_dir)
		log_line(LOG_WARN, "--memory keeps nothing on disk: the data directory '%s' is not used",
			settings->data_dir);
	if (!settings->is_memory && datadir_open(&broker->dir, e) < 0)
		return -1;
	init_partition_env(broker);
	broker->meta = metastore_open_local(broker->dir.fd, e);
	if (!broker->meta)
		return err_wrap(e, "data directory '%s'", broker->dir.path);
	init_facts(broker);
	if (load(broker, e) < 0)
		return -1;
	struct coordinator_deps deps = {
		.settings = settings->values,
		.dynamic = &broker->dynamic,
		.topics = &broker->topics,
		.catalog = &broker->catalog,
		.producer_ids = &broker->producer_ids,
		.dir = &broker->dir,
		.epoch = broker->cluster.epoch,
		.use_uring = broker->use_uring,
		.sync_files_max = (int)broker->descriptors.sync_max,
		.commits_aborted = broker->fault == FAULT_COMMIT_ABORTED,
		.tears_commits = broker->fault == FAULT_TEAR_COMMITS,
	};
	broker->coordinator = coordinator_new(&deps, e);
	return broker->coordinator ? 0 : -1;
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
check_port(struct broker *broker, struct net_addr *addr, struct err *e)
{
	if (addr->kind == NET_UNIX || addr->port == 0 || broker->nreactor == 1)
		return 0;
	int fd = open_listener(addr, 1, false, e);
	fs_close(fd);
	return fd < 0 ? -1 : 0;
}

static int
listen_on(struct broker *broker, struct net_addr *addr, struct err *e)
{
	int backlog = (int)config_int(NULL, broker->settings->values,
		CONFIG_SOCKET_LISTEN_BACKLOG_SIZE);
	int first = -1;
	if (check_port(broker, addr, e) < 0)
		return -1;
	for (int i = 0; i < broker->nreactor; i++) {
		/* TCP: a socket each, and the kernel spreads the connections; a
		 * Unix socket is one for all of them. */
		int fd = addr->kind == NET_UNIX && i > 0 ? dup(first)
			: open_listener(addr, backlog, broker->nreactor > 1, e);
		if (fd < 0)
			return addr->kind == NET_UNIX && i > 0 ? err_sys(e, "cannot share a socket") : -1;
		first = fd;
		reactor_listen(&broker->reactor[i], fd, addr);
	}
	broker->listen.v[broker->listen.n++] = *addr;
	return 0;
}

static void *
control_thread(void *arg)
{
	struct broker *broker = arg;
	loop_run(&broker->control);
	return NULL;
}

int
broker_start(struct broker *broker, struct err *e)
{
	if (loop_init(&broker->control, e) < 0)
		return -1;
	broker->reactor = mem_alloc((size_t)broker->nreactor * sizeof *broker->reactor);
	for (int i = 0; i < broker->nreactor; i++)
		if (reactor_init(&broker->reactor[i], broker, i, dispatch, e) < 0)
			return -1;
	for (int i = 0; i < broker->settings->listen.n; i++)
		if (listen_on(broker, &broker->settings->listen.v[i], e) < 0)
			return -1;
	log_line(LOG_DEBUG, "files are synced by %s", syncer_name(broker->reactor[0].syncer));
	errno = pthread_create(&broker->control_thread, NULL, control_thread, broker);
	if (errno)
		return err_sys(e, "cannot start a thread");
	broker->is_control_started = true;
	if (coordinator_start(broker->coordinator, e) < 0)
		return -1;
	for (int i = 0; i < broker->nreactor; i++)
		if (reactor_start(&broker->reactor[i], e) < 0)
			return -1;
	return 0;
}

/* ---- stopping ---- */

static void
sync_one(struct partition *part, void *ctx)
{
	atomic_int *nfailed = ctx;
	struct partlog_sync sync;
	struct err e;
	while (partlog_sync_begin(&part->log, &sync) > 0) {
		partlog_sync_run(&sync);
		partlog_sync_end(&part->log, &sync);
		if (part->log.is_failed)
			break;
	}
	bool ok = !part->log.is_failed && part->log.synced_offset == part->log.next_offset
		&& partlog_flush(&part->log, &e) == 0;
	/* A log that was refused at the start keeps the next start unclean. */
	if (!ok)
		atomic_fetch_add(nfailed, 1);
}

int
broker_stop(struct broker *broker, struct err *e)
{
	coordinator_quiesce(broker->coordinator);
	for (int i = 0; i < broker->nreactor; i++)
		if (broker->reactor && broker->reactor[i].thread)
			reactor_stop(&broker->reactor[i]);
	for (int i = 0; i < broker->nreactor; i++)
		if (broker->reactor)
			reactor_join(&broker->reactor[i]);
	if (broker->is_control_started) {
		loop_stop(&broker->control);
		pthread_join(broker->control_thread, NULL);
	}
	coordinator_stop(broker->coordinator);
	broker->is_over = true;
	for (int i = 0; i < broker->listen.n; i++)
		if (broker->listen.v[i].kind == NET_UNIX)
			unlink(broker->listen.v[i].host);
	if (broker->dir.fd < 0)
		return 0;
	atomic_int nfailed = 0;
	broker_each_partition(broker, sync_one, &nfailed);
	if (checkpoints_write(&broker->checkpoints, e) < 0)
		return -1;
	if (nfailed)
		return err_set(e, ERR_SYS, "%d partition%s could not be closed cleanly; "
			"the next start checks all partitions", (int)nfailed, units_plural(nfailed));
	return datadir_mark_clean(&broker->dir, e);
}

void
broker_release(struct broker *broker)
{
	coordinator_free(broker->coordinator);
	for (int i = 0; broker->reactor && i < broker->nreactor; i++)
		if (broker->reactor[i].broker)
			reactor_release(&broker->reactor[i]);
	mem_free(broker->reactor);
	if (broker->control.epoll_fd >= 0)
		loop_release(&broker->control);
	topics_release(&broker->topics);
	fetch_sessions_release(&broker->fetch_sessions);
	dynamic_release(&broker->dynamic);
	metastore_close(broker->meta);
	advertised_release(&broker->advertised);
	producer_ids_release(&broker->producer_ids);
	datadir_release(&broker->dir);
}
