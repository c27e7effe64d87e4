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

/* The command line.  Its settings (-o) are applied after the file's, which they
 * override. */
struct command_line {
	const char *data_dir, *config_file, *level;
	bool is_memory, was_listen_given;
	struct addr_list listen;
	const char *override[256]; /* "key=value" */
	int noverride;
};

/* ---- single values ---- */

static int
set_value(struct settings *settings, const char *name, const char *value, struct err *e)
{
	const struct config_key *key = config_find(CONFIG_SCOPE_BROKER, str_of(name));
	if (!key)
		return config_unknown(CONFIG_SCOPE_BROKER, str_of(name), e);
	struct buf number = BUF_INIT;
	config_put_plain(name, value, &number);
	char *plain = config_parse(key, CONFIG_SCOPE_BROKER, buf_str(&number), e);
	buf_release(&number);
	if (!plain)
		return -1;
	config_set_put(settings->values, config_id_of(key), plain);
	if (key->effect == CONFIG_EFFECT_NO)
		log_line(LOG_WARN, "the setting %s has no effect yet", name);
	mem_free(plain);
	return 0;
}

/* An address to listen on: a number alone is a port of 127.0.0.1. */
static int
parse_listener(struct net_addr *addr, const char *text, struct err *e)
{
	char local[NET_TEXT_SIZE];
	bool is_port = *text && text[strspn(text, "0123456789")] == 0;
	if (is_port)
		snprintf(local, sizeof local, "127.0.0.1:%s", text);
	return net_addr_parse(addr, is_port ? local : text, DEFAULT_PORT, e);
}

/* Does it consist of the characters that Kafka allows in names and addresses of
 * hosts? */
static bool
is_host(const char *text)
{
	return text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
		"-._:%")] == 0;
}

/* An address for clients to connect to. */
static int
parse_advertised(struct net_addr *addr, const char *text, struct err *e)
{
	if (net_addr_parse(addr, text, DEFAULT_PORT, e) < 0)
		return -1;
	if (addr->kind == NET_UNIX || addr->port == 0)
		return err_set(e, ERR_USAGE, "'%s': write host:port, as clients are to connect to it",
			text);
	if (net_addr_is_any(addr) || !is_host(addr->host))
		return err_set(e, ERR_USAGE, "'%s' is not an address that clients can connect to; "
			"write this machine's name or address: HOST:%u", text, addr->port);
	return 0;
}

typedef int parse_fn(struct net_addr *addr, const char *text, struct err *e);

static int
add_addr(struct addr_list *list, parse_fn *parse, const char *text, struct err *e)
{
	if (list->n == LISTENERS_MAX)
		return err_set(e, ERR_USAGE, "more than %d addresses", LISTENERS_MAX);
	if (parse(&list->v[list->n], text, e) < 0)
		return -1;
	list->n++;
	return 0;
}

static int
add_addrs(struct addr_list *list, parse_fn *parse, const char *text, struct err *e)
{
	char *copy = mem_strdup(text), *rest = copy, *word;
	int rc = 0;
	while (rc == 0 && (word = strsep(&rest, ",")))
		if (*word)
			rc = add_addr(list, parse, word, e);
	mem_free(copy);
	return rc;
}

static int
option_listen(void *to, const char *value, struct err *e)
{
	struct command_line *line = to;
	line->was_listen_given = true;
	return add_addr(&line->listen, parse_listener, value, e);
}

static int
option_set(void *to, const char *value, struct err *e)
{
	struct command_line *line = to;
	if (!strchr(value, '='))
		return err_set(e, ERR_USAGE, "'%s': write key=value", value);
	for (int i = 0; i < line->noverride; i++)
		if (strncmp(line->override[i], value, strcspn(value, "=") + 1) == 0)
			return err_set(e, ERR_USAGE, "'%.*s' is given twice", (int)strcspn(value, "="), value);
	if (line->noverride == (int)ARRAY_LEN(line->override))
		return err_set(e, ERR_USAGE, "more than %zu settings", ARRAY_LEN(line->override));
	line->override[line->noverride++] = value;
	return 0;
}

static int
apply_overrides(struct settings *settings, const struct command_line *line, struct err *e)
{
	for (int i = 0; i < line->noverride; i++) {
		const char *text = line->override[i], *equals = strchr(text, '=');
		char *name = mem_strndup((struct str){ (const uint8_t *)text, (int32_t)(equals - text) });
		int rc = set_value(settings, name, equals + 1, e);
		mem_free(name);
		if (rc < 0)
			return err_wrap(e, "option '-o'");
	}
	return 0;
}

static int
apply_file(struct settings *settings, const char *path, struct err *e)
{
	struct conf conf = CONF_INIT;
	int rc = conf_read(&conf, path, e);
	for (int i = 0; i < conf.n && rc == 0; i++) {
		rc = set_value(settings, conf.v[i].key, conf.v[i].value, e);
		if (rc < 0)
			err_wrap(e, "%s:%d:%d", path, conf.v[i].line, conf.v[i].column);
	}
	conf_release(&conf);
	return rc;
}

/* ---- the command line ---- */

/* --help=WHAT of the forms that opt_parse does not know.  1: printed; 0: none. */
static int
print_help(int argc, char **argv, struct err *e)
{
	static const struct { const char *what; void (*print)(void); } form[] = {
		{ "config", config_print_help }, { "config-mdoc", config_print_mdoc },
		{ "protocol", protocol_print_help }, { "protocol-mdoc", protocol_print_mdoc },
	};
	for (int i = 1; i < argc; i++) {
		const char *what = argv[i] + sizeof "--help=" - 1;
		if (strncmp(argv[i], "--help=", sizeof "--help=" - 1) != 0
			|| strcmp(what, "words") == 0 || strcmp(what, "mdoc") == 0)
			continue;
		for (size_t k = 0; k < ARRAY_LEN(form); k++)
			if (strcmp(what, form[k].what) == 0) {
				form[k].print();
				return 1;
			}
		return err_set(e, ERR_USAGE, "option '--help': '%s' is none of config|protocol", what);
	}
	return 0;
}

/* Returns as settings_parse does; fills *line. */
static int
parse_command_line(struct command_line *line, int argc, char **argv, struct err *e)
{
	const struct opt opts[] = {
		OPT_STRING('d', "data", &line->data_dir, "DIR",
			"directory for the data (default: ~/.local/state/kq)"),
		OPT_CALL('l', "listen", line, option_listen, "ADDRESS",
			"listen on unix:/path, host:port, or a port of 127.0.0.1 (0: any free port); "
			"may be repeated", .is_repeatable = true),
		OPT_STRING('c', "config", &line->config_file, "FILE",
			"read settings from a YAML file, see kq.yaml(5)"),
		OPT_CALL('o', "option", line, option_set, "KEY=VALUE",
			"set KEY, overriding the file; may be repeated", .is_repeatable = true),
		OPT_BOOL(0, "memory", &line->is_memory, "keep nothing on disk"),
		OPT_CHOICE(0, "log-level", &line->level, "LEVEL", "error|warn|info|debug",
			"log messages up to this level (default info)"),
		OPT_END
	};
	const struct opt_command command = {
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
	struct opt_result result;
	int done = print_help(argc, argv, e);
	if (!done)
		done = opt_parse(&command, argc, argv, &result, e);
	if (!done && result.argc)
		return err_set(e, ERR_USAGE, "unexpected operand '%s'; see kq-broker --help",
			result.argv[0]);
	return done;
}

/* $XDG_STATE_HOME/kq, or ~/.local/state/kq.  As the XDG specification requires,
 * a relative path is ignored.  NULL: the user has no home. */
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

/* Listeners: those of the command line, or of the settings, or the defaults. */
static int
choose_listeners(struct settings *settings, const struct command_line *line, struct err *e)
{
	const char *set = config_value(NULL, settings->values, CONFIG_LISTENERS);
	settings->listen = line->listen;
	if (line->was_listen_given)
		return 0;
	if (*set)
		return add_addrs(&settings->listen, parse_listener, set, e);
	net_addr_default(&settings->listen.v[settings->listen.n++]);
	return add_addr(&settings->listen, parse_listener, "127.0.0.1:9092", e);
}

static int
choose_data_dir(struct settings *settings, const struct command_line *line, struct err *e)
{
	const char *dirs = config_value(NULL, settings->values, CONFIG_LOG_DIRS);
	if (strchr(dirs, ','))
		return err_set(e, ERR_USAGE, "log.dirs: one directory is supported, not '%s'", dirs);
	if (line->data_dir && !*line->data_dir)
		return err_set(e, ERR_USAGE, "option '-d': the name of the directory is empty");
	settings->is_memory = line->is_memory;
	settings->data_dir = line->data_dir ? mem_strdup(line->data_dir)
		: *dirs ? mem_strdup(dirs)
		: line->is_memory ? mem_strdup("") : default_data_dir(e);
	return settings->data_dir ? 0 : -1;
}

/* Are the values compatible with each other? */
static int
check_values(const struct config_set *v, struct err *e)
{
	if (!strstr(config_value(NULL, v, CONFIG_GROUP_COORDINATOR_REBALANCE_PROTOCOLS), "classic"))
		return err_set(e, ERR_USAGE,
			"group.coordinator.rebalance.protocols: the protocol classic cannot be left out");
	return config_check_together(NULL, v, e);
}

int
settings_parse(struct settings *settings, int argc, char **argv, struct err *e)
{
	*settings = (struct settings){ .values = config_set_copy(NULL) };
	struct command_line line = { 0 };
	int done = parse_command_line(&line, argc, argv, e);
	if (done)
		return done;
	enum log_level level;
	if (line.level && log_parse_level(line.level, &level))
		log_set_level(level);
	if ((line.config_file && apply_file(settings, line.config_file, e) < 0)
		|| apply_overrides(settings, &line, e) < 0 || check_values(settings->values, e) < 0
		|| choose_data_dir(settings, &line, e) < 0)
		return -1;
	if (add_addrs(&settings->advertised, parse_advertised,
		config_value(NULL, settings->values, CONFIG_ADVERTISED_LISTENERS), e) < 0)
		return err_wrap(e, "advertised.listeners");
	if (choose_listeners(settings, &line, e) < 0)
		return err_wrap(e, "listeners");
	return 0;
}

void
settings_release(struct settings *settings)
{
	config_set_free(settings->values);
	mem_free(settings->data_dir);
}
