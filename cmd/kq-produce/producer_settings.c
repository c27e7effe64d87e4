#include "kq-produce/producer_settings.h"

#include "text/opt.h"
#include "text/units.h"

enum kind { TEXT, ACKS, CODEC, IDEMPOTENCE, INT, MS, BYTES };

struct producer_setting {
	const char *name;
	enum kind kind;
	size_t off; /* offset in struct producer_settings */
	int64_t min, max;
};

#define AT(member) offsetof(struct producer_settings, member)

static const struct producer_setting table[] = {
	{ "acks", ACKS, AT(producer.acks), 0, 0 },
	{ "batch.size", BYTES, AT(producer.batch_bytes), 1, 256 << 20 },
	{ "bootstrap.servers", TEXT, AT(cluster.brokers), 0, 0 },
	{ "buffer.memory", BYTES, AT(producer.memory_bytes), 64 << 10, 1LL << 40 },
	{ "client.id", TEXT, AT(cluster.client_id), 0, 0 },
	{ "compression.type", CODEC, AT(producer.codec), 0, 0 },
	{ "delivery.timeout.ms", MS, AT(producer.delivery_timeout_ms), 1, INT32_MAX },
	{ "enable.idempotence", IDEMPOTENCE, AT(producer.idempotence), 0, 0 },
	{ "linger.ms", MS, AT(producer.linger_ms), 0, INT32_MAX },
	{ "max.in.flight.requests.per.connection", INT, AT(producer.in_flight), 1, 1000 },
	{ "metadata.max.age.ms", MS, AT(cluster.metadata_max_age_ms), 1, INT32_MAX },
	{ "request.timeout.ms", MS, AT(producer.request_timeout_ms), 1, INT32_MAX / 2 },
	{ "retry.backoff.ms", MS, AT(producer.retry_backoff_ms), 1, INT32_MAX },
	{ "socket.connection.setup.timeout.ms", MS, AT(cluster.connect_timeout_ms), 1, INT32_MAX },
	{ "transaction.timeout.ms", MS, AT(producer.txn_timeout_ms), 1, INT32_MAX },
	{ "transactional.id", TEXT, AT(producer.txn_id), 0, 0 },
};

int
producer_settings_parse_acks(const char *text, int *acks, struct err *e)
{
	if (strcmp(text, "all") == 0 || strcmp(text, "-1") == 0)
		*acks = -1;
	else if (strcmp(text, "0") == 0 || strcmp(text, "1") == 0)
		*acks = *text - '0';
	else
		return err_set(e, ERR_USAGE, "acks are 0, 1 or all, not '%s'", text);
	return 0;
}

static int
parse_idempotence(const char *text, enum producer_idempotence *to, struct err *e)
{
	if (strcmp(text, "true") == 0)
		*to = PRODUCER_IDEMPOTENT;
	else if (strcmp(text, "false") == 0)
		*to = PRODUCER_PLAIN;
	else
		return err_set(e, ERR_USAGE, "'%s' is neither true nor false", text);
	return 0;
}

static int
take_value(struct producer_settings *settings, const struct producer_setting *setting,
	const char *value, struct err *e)
{
	void *to = (char *)settings + setting->off;
	int64_t n = 0;
	int rc = 0;
	switch (setting->kind) {
	case TEXT:
		*(const char **)to = value;
		return 0;
	case ACKS:
		return producer_settings_parse_acks(value, to, e);
	case CODEC:
		return codec_parse(value, to) ? 0
			: err_set(e, ERR_USAGE, "there is no codec '%s'", value);
	case IDEMPOTENCE:
		return parse_idempotence(value, to, e);
	case INT:
		rc = units_parse_int(value, setting->min, setting->max, &n, e);
		break;
	case MS:
		rc = units_parse_duration(value, &n, e);
		break;
	case BYTES:
		rc = units_parse_size(value, &n, e);
		break;
	}
	if (rc == 0 && (n < setting->min || n > setting->max))
		rc = err_set(e, ERR_USAGE, "'%s' is not between %lld and %lld", value,
			(long long)setting->min, (long long)setting->max);
	if (rc < 0)
		return -1;
	if (setting->kind == BYTES)
		*(size_t *)to = (size_t)n;
	else
		*(int *)to = (int)n;
	return 0;
}

static int
take_once(struct producer_settings *settings, size_t i, const char *value, struct err *e)
{
	static_assert(ARRAY_LEN(table) <= 32, "a bit each");
	if (settings->given & 1u << i)
		return err_set(e, ERR_USAGE, "given twice");
	settings->given |= 1u << i;
	return take_value(settings, &table[i], value, e);
}

int
producer_settings_check_once(const struct producer_settings *settings, const char *name,
	const char *option, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (settings->given & 1u << i && strcmp(table[i].name, name) == 0)
			return err_set(e, ERR_USAGE, "only one of %s and -X %s", option, name);
	return 0;
}

int
producer_settings_take(struct producer_settings *settings, const char *text, struct err *e)
{
	const char *equals = strchr(text, '=');
	if (!equals)
		return err_set(e, ERR_USAGE, "'%s' is not name=value", text);
	size_t n = (size_t)(equals - text);
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (strlen(table[i].name) == n && memcmp(table[i].name, text, n) == 0)
			return take_once(settings, i, equals + 1, e) == 0 ? 0
				: err_wrap(e, "%s", table[i].name);
	const char *words[ARRAY_LEN(table) + 1] = { NULL };
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		words[i] = table[i].name;
	char name[64];
	n = MIN(n, sizeof name - 1);
	memcpy(name, text, n);
	name[n] = 0;
	const char *near = opt_suggest(name, words);
	if (near)
		return err_set(e, ERR_USAGE, "there is no setting '%s'; did you mean '%s'?", name, near);
	return err_set(e, ERR_USAGE, "there is no setting '%s'; --help lists them", name);
}
