#include "kq-broker/settings.h"

#include "kq-broker/protocol.h"

#include "base/mem.h"
#include "sys/user.h"
#include "text/conf.h"
#include "text/opt.h"
#include "text/say.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DEFAULT_PORT = 9092 };

static const char *data_dir, *config_file, *level;
static bool is_memory, was_listen_given;
static struct settings *target; /* of the option functions */

/* --- single values --- */

static int
set_value(struct settings *s, const char *name, const char *value, struct err *e)
{
	const struct config_key *k = config_find(CONFIG_SCOPE_BROKER, str_of(name));
	if (!k)
		return config_unknown(CONFIG_SCOPE_BROKER, str_of(name), e);
	struct buf number = BUF_INIT;
	config_put_plain(name, value, &number);
	char *plain = config_parse(k, CONFIG_SCOPE_BROKER, buf_str(&number), e);
	buf_release(&number);
	if (!plain)
		return -1;
	config_set_put(s->values, config_id_of(k), plain);
	if (k->effect == CONFIG_EFFECT_NO)
		log_line(LOG_WARN, "the setting %s has no effect yet", name);
	mem_free(plain);
	return 0;
}

/* One to listen on: a number alone is a port of this machine. */
static int
parse_listener(struct net_addr *a, const char *text, struct err *e)
{
	char local[NET_TEXT_SIZE];
	bool is_port = *text && text[strspn(text, "0123456789")] == 0;
	if (is_port)
		snprintf(local, sizeof local, "127.0.0.1:%s", text);
	return net_addr_parse(a, is_port ? local : text, DEFAULT_PORT, e);
}

/* What names and addresses of hosts are made of, as Kafka sees it. */
static bool
is_host(const char *text)
{
	return text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
		"-._:%")] == 0;
}

/* One for clients to connect to. */
static int
parse_advertised(struct net_addr *a, const char *text, struct err *e)
{
	if (net_addr_parse(a, text, DEFAULT_PORT, e) < 0)
		return -1;
	if (a->kind == NET_UNIX || a->port == 0)
		return err_set(e, ERR_USAGE, "'%s': write host:port, as clients are to connect to it", text);
	if (net_addr_is_any(a) || !is_host(a->host))
		return err_set(e, ERR_USAGE, "'%s' is not an address that clients can connect to; "
			"write this machine's name or address: HOST:%u", text, a->port);
	return 0;
}

typedef int parse_fn(struct net_addr *a, const char *text, struct err *e);

static int
add_addr(struct net_addr *v, int *n, parse_fn *parse, const char *text, struct err *e)
{
	if (*n == SETTINGS_LISTENERS_MAX)
		return err_set(e, ERR_USAGE, "more than %d addresses", SETTINGS_LISTENERS_MAX);
	if (parse(&v[*n], text, e) < 0)
		return -1;
	(*n)++;
	return 0;
}

static int
add_addrs(struct net_addr *v, int *n, parse_fn *parse, const char *list, struct err *e)
{
	char *copy = mem_strdup(list), *rest = copy, *word;
	int r = 0;
	while (r == 0 && (word = strsep(&rest, ",")))
		if (*word)
			r = add_addr(v, n, parse, word, e);
	mem_free(copy);
	return r;
}

static int
option_listen(void *to, const char *value, struct err *e)
{
	(void)to;
	was_listen_given = true;
	return add_addr(target->listen, &target->nlisten, parse_listener, value, e);
}

/* -o settings are kept until the file was read: they come before it. */
static char *override[256];
static int noverride;

static int
option_set(void *to, const char *value, struct err *e)
{
	(void)to;
	if (!strchr(value, '='))
		return err_set(e, ERR_USAGE, "'%s': write key=value", value);
	for (int i = 0; i < noverride; i++)
		if (strncmp(override[i], value, strcspn(value, "=") + 1) == 0)
			return err_set(e, ERR_USAGE, "'%.*s' is given twice", (int)strcspn(value, "="), value);
	if (noverride == (int)ARRAY_LEN(override))
		return err_set(e, ERR_USAGE, "more than %zu settings", ARRAY_LEN(override));
	override[noverride++] = (char *)(uintptr_t)value;
	return 0;
}

static int
apply_overrides(struct settings *s, struct err *e)
{
	for (int i = 0; i < noverride; i++) {
		char *name = mem_strndup((struct str){ (uint8_t *)override[i],
			(int32_t)strcspn(override[i], "=") });
		int r = set_value(s, name, strchr(override[i], '=') + 1, e);
		mem_free(name);
		if (r < 0)
			return err_wrap(e, "option '-o'");
	}
	return 0;
}

static int
apply_file(struct settings *s, const char *path, struct err *e)
{
	struct conf c = CONF_INIT;
	int r = conf_read(&c, path, e);
	for (int i = 0; i < c.n && r == 0; i++) {
		r = set_value(s, c.v[i].key, c.v[i].value, e);
		if (r < 0)
			err_wrap(e, "%s:%d:%d", path, c.v[i].line, c.v[i].column);
	}
	conf_release(&c);
	return r;
}

/* --- the command line --- */

static const struct opt opts[] = {
	OPT_STRING('d', "data", &data_dir, "DIR",
		"directory for the data (default: ~/.local/state/kq)"),
	OPT_CALL('l', "listen", NULL, option_listen, "ADDRESS",
		"listen on unix:/path, host:port, or a port of 127.0.0.1 (0: any free port); may be repeated",
		.is_repeatable = true),
	OPT_STRING('c', "config", &config_file, "FILE",
		"read settings from a YAML file, see kq.yaml(5)"),
	OPT_CALL('o', "option", NULL, option_set, "KEY=VALUE",
		"set KEY, overriding the file; may be repeated", .is_repeatable = true),
	OPT_BOOL(0, "memory", &is_memory, "keep nothing on disk"),
	OPT_CHOICE(0, "log-level", &level, "LEVEL", "error|warn|info|debug",
		"log messages up to this level (default info)"),
	OPT_END
};

static const struct opt_command command = {
	.operands = "",
	.phrase = "Kafka broker: store topics and serve Kafka clients",
	.examples =
		"  kq-broker                        listen on the default socket and 127.0.0.1:9092\n"
		"  kq-broker -d /var/lib/kq -l :9092 -l unix:/run/kq.sock\n"
		"  kq-broker --memory -l 127.0.0.1:0   nothing on disk, a free port\n"
		"  kq-broker -c kq.yaml -o num.partitions=4\n",
	.notes =
		"When the broker accepts connections it prints one line: ready ADDRESS...\n"
		"SIGTERM and SIGINT stop it cleanly.  kq-broker --help=config lists the settings,\n"
		"kq-broker --help=protocol the APIs and versions that it serves.\n"
		"Exit codes: 0 stopped, 1 failed, 2 usage error.\n",
	.opts = opts,
	.version = "with ISA-L, liburing, libyaml, lz4, zstd, snappy, zlib",
};

/* $XDG_STATE_HOME/kq, else ~/.local/state/kq.  As the XDG rules want it, a
 * path that is not absolute is ignored.  NULL: there is no home. */
static char *
default_data_dir(struct err *e)
{
	struct buf b = BUF_INIT;
	char home[USER_HOME_SIZE];
	const char *state = getenv("XDG_STATE_HOME");
	if (state && *state == '/') {
		buf_printf(&b, "%s/kq", state);
	} else if (user_home(home)) {
		buf_printf(&b, "%s/.local/state/kq", home);
	} else {
		err_set(e, ERR_USAGE, "this user has no home directory; give a data directory with -d");
		return NULL;
	}
	char *dir = mem_strndup(buf_str(&b));
	buf_release(&b);
	return dir;
}

static int
settle_listeners(struct settings *s, struct err *e)
{
	const char *set = config_value(NULL, s->values, CONFIG_LISTENERS);
	if (!was_listen_given && *set)
		return add_addrs(s->listen, &s->nlisten, parse_listener, set, e);
	if (was_listen_given)
		return 0;
	net_addr_default(&s->listen[s->nlisten++]);
	return add_addr(s->listen, &s->nlisten, parse_listener, "127.0.0.1:9092", e);
}

/* Do the values fit together? */
static int
check_values(const struct config_set *v, struct err *e)
{
	if (!strstr(config_value(NULL, v, CONFIG_GROUP_COORDINATOR_REBALANCE_PROTOCOLS), "classic"))
		return err_set(e, ERR_USAGE,
			"group.coordinator.rebalance.protocols: the protocol classic cannot be left out");
	return config_check_together(NULL, v, e);
}

int
settings_parse(struct settings *s, int argc, char **argv, struct err *e)
{
	*s = (struct settings){ .values = config_set_copy(NULL) };
	target = s;
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help=config") == 0) {
			config_print_help();
			return 1;
		} else if (strcmp(argv[i], "--help=config-mdoc") == 0) {
			config_print_mdoc();
			return 1;
		} else if (strcmp(argv[i], "--help=protocol") == 0) {
			protocol_print_help();
			return 1;
		} else if (strcmp(argv[i], "--help=protocol-mdoc") == 0) {
			protocol_print_mdoc();
			return 1;
		} else if (strncmp(argv[i], "--help=", 7) == 0 && strcmp(argv[i], "--help=words") != 0
			&& strcmp(argv[i], "--help=mdoc") != 0) {
			return err_set(e, ERR_USAGE, "option '--help': '%s' is none of config|protocol",
				argv[i] + 7);
		}
	struct opt_result r;
	int done = opt_parse(&command, argc, argv, &r, e);
	if (done)
		return done;
	if (r.argc)
		return err_set(e, ERR_USAGE, "unexpected operand '%s'; see kq-broker --help", r.argv[0]);
	enum log_level parsed;
	if (level && log_parse_level(level, &parsed))
		log_set_level(parsed);
	if ((config_file && apply_file(s, config_file, e) < 0) || apply_overrides(s, e) < 0
		|| check_values(s->values, e) < 0)
		return -1;
	const char *dirs = config_value(NULL, s->values, CONFIG_LOG_DIRS);
	if (strchr(dirs, ','))
		return err_set(e, ERR_USAGE, "log.dirs: one directory is supported, not '%s'", dirs);
	s->is_memory = is_memory;
	if (data_dir && !*data_dir)
		return err_set(e, ERR_USAGE, "option '-d': the name of the directory is empty");
	s->data_dir = data_dir ? mem_strdup(data_dir) : *dirs ? mem_strdup(dirs)
		: is_memory ? mem_strdup("") : default_data_dir(e);
	if (!s->data_dir)
		return -1;
	if (add_addrs(s->advertised, &s->nadvertised, parse_advertised,
		config_value(NULL, s->values, CONFIG_ADVERTISED_LISTENERS), e) < 0)
		return err_wrap(e, "advertised.listeners");
	if (settle_listeners(s, e) < 0)
		return err_wrap(e, "listeners");
	return 0;
}

void
settings_release(struct settings *s)
{
	config_set_free(s->values);
	mem_free(s->data_dir);
}
