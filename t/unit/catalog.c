/* The catalog and what applies its commits: a change of the metastore, whoever
 * made it, reaches the table of topics and its listeners. */
#include "tap.h"

#include "kq-broker/catalog.c"
#include "kq-broker/catalog_apply.c"
#include "kq-broker/checkpoints.c"
#include "kq-broker/partition.c"
#include "kq-broker/topic_entry.c"
#include "kq-broker/topics.c"

#include <fcntl.h>
#include <unistd.h>

static struct topics topics;
static struct checkpoints checkpoints;
static struct loop control;
static struct dynamic dynamic;
static struct partition_env env = { .data_fd = -1 };
static struct metastore *meta;
static struct catalog catalog;
static struct catalog_apply apply;
static struct topics_listener listener;
static int nchanged, ndeleted;

static void
count_changed(struct topics_listener *from, struct str topic)
{
	check(from == &listener && topics_find(&topics, topic) != NULL);
	nchanged++;
}

static void
count_deleted(struct topics_listener *from, struct str topic)
{
	check(from == &listener && topics_find(&topics, topic) == NULL);
	ndeleted++;
}

static void
begin(void)
{
	struct err e;
	dynamic.values = config_set_copy(NULL);
	topics_init(&topics);
	listener = (struct topics_listener){ .changed = count_changed, .deleted = count_deleted };
	topics_listen(&topics, &listener);
	checkpoints_init(&checkpoints, -1, &topics, &control, 1000);
	meta = metastore_open_local(-1, &e);
	catalog = (struct catalog){ meta, &topics, &dynamic, &checkpoints, 100 };
	apply = (struct catalog_apply){ .topics = &topics, .dynamic = &dynamic, .env = &env,
		.leader_epoch = 7 };
	check_int(catalog_apply_begin(&apply, meta, NULL, true, &e), 0);
}

static void
end(void)
{
	topics_release(&topics);
	metastore_close(meta);
	config_set_free(dynamic.values);
}

/* Commit an entry as another broker would: past the catalog. */
static void
commit_entry(const char *name, const char *value)
{
	struct err e;
	struct buf key = BUF_INIT;
	buf_printf(&key, TOPIC_ENTRY_PREFIX "%s", name);
	struct metastore_op op = { buf_str(&key), value ? str_of(value) : STR_NULL, METASTORE_ANY };
	check_int(metastore_txn(meta, &op, 1, &e), 0);
	buf_release(&key);
}

static const char two_partitions[] =
	"{\"id\":\"AAAAAAAAAAAAAAAAAAAAAQ\",\"partitions\":2,\"configs\":{}}";
static const char four_partitions[] = "{\"id\":\"AAAAAAAAAAAAAAAAAAAAAQ\",\"partitions\":4,"
	"\"configs\":{\"segment.bytes\":\"2000000\"}}";
static const char another_id[] =
	"{\"id\":\"AAAAAAAAAAAAAAAAAAAAAg\",\"partitions\":1,\"configs\":{}}";

void
test_catalog__a_created_topic_is_in_the_table_at_once(void)
{
	struct catalog_error error;
	begin();
	check_int(catalog_create(&catalog, STR("orders"), 3, NULL, false, &error), 0);
	struct topic *t = topics_find(&topics, STR("orders"));
	check(t && t->npartition == 3 && topics_find_id(&topics, &t->id) == t);
	check_int(t->partition[2]->leader_epoch, 7);
	check_int(nchanged, 1);
	check_int(catalog_create(&catalog, STR("orders"), 3, NULL, false, &error), -1);
	check_int(error.code, KERR_TOPIC_ALREADY_EXISTS);
	check_int(catalog_grow(&catalog, STR("orders"), 5, false, &error), 0);
	check_int(t->npartition, 5);
	check_int(topics.npartition, 5);
	check_int(nchanged, 2);
	check_int(catalog_delete(&catalog, STR("orders"), &error), 0);
	check(!topics_find(&topics, STR("orders")));
	check_int(ndeleted, 1);
	check_int(topics.npartition, 0);
	end();
}

void
test_catalog__a_refused_or_only_validated_change_commits_nothing(void)
{
	struct catalog_error error;
	begin();
	check_int(catalog_create(&catalog, STR("a/b"), 1, NULL, false, &error), -1);
	check_int(catalog_create(&catalog, STR("big"), 101, NULL, false, &error), -1);
	check_int(error.code, KERR_INVALID_PARTITIONS);
	check_int(catalog_create(&catalog, STR("tried"), 1, NULL, true, &error), 0);
	check_int(metastore_revision(meta), 0);
	check_int(nchanged, 0);
	end();
}

void
test_catalog__a_change_by_another_is_applied(void)
{
	begin();
	commit_entry("orders", two_partitions);
	struct topic *t = topics_find(&topics, STR("orders"));
	check(t && t->npartition == 2);
	struct partition *first = t->partition[0];
	commit_entry("orders", four_partitions);
	check(topics_find(&topics, STR("orders")) == t && t->partition[0] == first);
	check_int(t->npartition, 4);
	check_int(t->config->log.segment_bytes, 2000000);
	check_int(first->config->log.segment_bytes, 2000000);
	check_int(t->revision, metastore_revision(meta));
	check_int(nchanged, 2);
	commit_entry("orders", NULL);
	check(!topics_find(&topics, STR("orders")));
	check_int(ndeleted, 1);
	end();
}

void
test_catalog__another_topic_of_the_same_name_replaces_the_old_one(void)
{
	begin();
	commit_entry("orders", two_partitions);
	struct partition *old = partition_get(topics_find(&topics, STR("orders"))->partition[0]);
	commit_entry("orders", another_id);
	struct topic *t = topics_find(&topics, STR("orders"));
	check(t && t->npartition == 1 && t->partition[0] != old);
	check(old->is_deleted);
	check_int(ndeleted, 1);
	check_int(nchanged, 2);
	partition_put(old);
	end();
}

void
test_catalog__an_entry_that_is_not_understood_changes_nothing(void)
{
	begin();
	commit_entry("orders", two_partitions);
	commit_entry("orders", "{\"partitions\":9}");
	commit_entry("other", "junk");
	commit_entry("../other", two_partitions);
	check_int(topics_find(&topics, STR("orders"))->npartition, 2);
	check(!topics_find(&topics, STR("other")));
	check(!topics_find(&topics, STR("../other")));
	check_int(nchanged, 1);
	end();
}

void
test_catalog__a_deletion_is_known_to_the_checkpoints_before_its_name_is_reused(void)
{
	struct catalog_error error;
	struct err e;
	begin();
	check_int(catalog_create(&catalog, STR("orders"), 1, NULL, false, &error), 0);
	check(!checkpoints.names_deleted);
	check_int(catalog_delete(&catalog, STR("orders"), &error), 0);
	check(checkpoints.names_deleted);
	checkpoints.dir_fd = open(".", O_RDONLY | O_DIRECTORY);
	check_int(checkpoints_drop_deleted(&checkpoints, &e), 0);
	check(!checkpoints.names_deleted);
	close(checkpoints.dir_fd);
	end();
}
