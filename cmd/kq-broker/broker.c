#include "kq-broker/broker.h"

#include "kq-broker/coordinator.h"
#include "kq-broker/dispatch.h"
#include "kq-broker/listeners.h"
#include "kq-broker/reactor.h"
#include "kq-broker/recovery.h"

#include "text/say.h"
#include "text/units.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

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

/* After a crash: check all partitions, and write their checkpoints. */
static int
recover(struct broker *broker, const struct datadir_state *state, struct err *e)
{
	int rc = partlog_remove_leftovers(broker->dir.fd, e) < 0 ? -1
		: datadir_set_strays_aside(&broker->dir, &broker->topics, e);
	if (broker->topics.npartition) {
		log_line(LOG_INFO, "the last stop was not clean: checking %lld partition%s",
			(long long)broker->topics.npartition, units_plural(broker->topics.npartition));
		recovery_check_all(&broker->topics, state->same_boot, broker->nreactor);
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

/* Ends the process, without the mark of a clean stop: if the broker went on,
 * acknowledged records could be lost. */
static void
on_disk_failed(struct partition_env *env, const struct partition *part, int sys)
{
	struct broker *broker = CONTAINER_OF(env, struct broker, partition_env);
	log_line(LOG_ERROR, "%s: syncing %s-%d failed: %s; records that were not acknowledged may "
		"be lost; the broker stops", broker->dir.path, part->topic, part->index, strerror(sys));
	/* Open transactions must be aborted, as after a power loss: see coordinator.h. */
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

/* What is built on the metastore. */
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
	const struct settings *settings = broker->settings;
	int backlog = (int)config_int(NULL, settings->values, CONFIG_SOCKET_LISTEN_BACKLOG_SIZE);
	for (int i = 0; i < settings->listen.n; i++)
		if (listeners_open(&broker->listen, settings->listen.v[i], backlog, broker->reactor,
			broker->nreactor, e) < 0)
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
	listeners_remove(&broker->listen);
	if (broker->dir.fd < 0)
		return 0;
	int nfailed = recovery_sync_all(&broker->topics, broker->nreactor);
	if (checkpoints_write(&broker->checkpoints, e) < 0)
		return -1;
	if (nfailed)
		return err_set(e, ERR_SYS, "%d partition%s could not be closed cleanly; "
			"the next start checks all partitions", nfailed, units_plural(nfailed));
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
