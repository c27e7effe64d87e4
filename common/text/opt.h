/*
 * Command lines.  One table describes a command's options; the parser, --help, the
 * words for completion and the manual's OPTIONS section all come from it.
 *
 *   static bool is_json;
 *   static int64_t npartition = 1;
 *   static const struct opt opts[] = {
 *   	OPT_INT('p', "partitions", &npartition, "N", 1, 100000, "number of partitions"),
 *   	OPT_BOOL(0, "json", &is_json, "print one JSON object per line"),
 *   	OPT_END
 *   };
 *
 * Options, operands and the verb may be mixed; "--" ends the options.  A value follows its
 * option, or is attached to it: after '=' (long) or directly (-p4).  Every program
 * also has -h, --help (and its forms =words and =mdoc) and --version; a program with
 * verbs also has the verb help: "help VERB" is "VERB --help".
 *
 * An option with a value may be given only once, unless it is repeatable, so that no
 * value is silently replaced by another.
 *
 * Uses: base (map), units, say.  One thread.
 */
#ifndef KQ_TEXT_OPT_H
#define KQ_TEXT_OPT_H

#include "base/base.h"
#include "base/err.h"

enum opt_kind {
	OPT_KIND_END,
	OPT_KIND_BOOL,
	OPT_KIND_STRING,
	OPT_KIND_INT,
	OPT_KIND_SIZE,
	OPT_KIND_DURATION,
	OPT_KIND_CALL,
	OPT_KIND_PAIR,
};

enum {
	/* Bytes of a word on a command line that may become a string of the protocol,
	 * whose limit this is. */
	OPT_TEXT_MAX = 32767,
};

/* Take one value.  Return 0, or -1 with ERR_USAGE. */
typedef int opt_fn(void *to, const char *value, struct err *e);

/* One option.  Tables are made of the row macros below. */
struct opt {
	enum opt_kind kind;
	char letter;         /* 0: none */
	const char *name;    /* long name; NULL: none */
	union {              /* where its value goes */
		bool *to_bool;
		const char **to_string;
		int64_t *to_int;
		void *to;        /* for call */
	};
	const char *arg;     /* name of its value; NULL: takes none */
	const char *phrase;
	const char *choices; /* "none|gzip|lz4"; or NULL */
	int64_t min, max;    /* of a number; max of a text: bytes, 0: OPT_TEXT_MAX */
	opt_fn *call;
	bool is_repeatable;
};

/*
 * The rows.  letter 0 or name NULL: the option has none.  min and max 0: any number.
 * "..." are further fields, such as .is_repeatable = true.
 */
#define OPT_BOOL(letter_, name_, to_, phrase_) \
	{ .kind = OPT_KIND_BOOL, .letter = letter_, .name = name_, .to_bool = to_, .phrase = phrase_ }

#define OPT_STRING(letter_, name_, to_, arg_, phrase_, ...) \
	{ .kind = OPT_KIND_STRING, .letter = letter_, .name = name_, .to_string = to_, .arg = arg_, \
		.phrase = phrase_, __VA_ARGS__ }

/* A string that is one of the choices. */
#define OPT_CHOICE(letter_, name_, to_, arg_, choices_, phrase_) \
	{ .kind = OPT_KIND_STRING, .letter = letter_, .name = name_, .to_string = to_, .arg = arg_, \
		.choices = choices_, .phrase = phrase_ }

/* Two words, one after the other: to_[0] and to_[1]; both or none.  arg_ names both. */
#define OPT_PAIR(letter_, name_, to_, arg_, phrase_) \
	{ .kind = OPT_KIND_PAIR, .letter = letter_, .name = name_, .to_string = to_, .arg = arg_, \
		.phrase = phrase_ }

#define OPT_NUMBER_(kind_, letter_, name_, to_, arg_, min_, max_, phrase_) \
	{ .kind = kind_, .letter = letter_, .name = name_, .to_int = to_, .arg = arg_, \
		.min = min_, .max = max_, .phrase = phrase_ }
#define OPT_INT(letter_, name_, to_, arg_, min_, max_, phrase_) \
	OPT_NUMBER_(OPT_KIND_INT, letter_, name_, to_, arg_, min_, max_, phrase_)
/* In bytes. */
#define OPT_SIZE(letter_, name_, to_, arg_, min_, max_, phrase_) \
	OPT_NUMBER_(OPT_KIND_SIZE, letter_, name_, to_, arg_, min_, max_, phrase_)
/* In ms; the value needs a unit. */
#define OPT_DURATION(letter_, name_, to_, arg_, min_, max_, phrase_) \
	OPT_NUMBER_(OPT_KIND_DURATION, letter_, name_, to_, arg_, min_, max_, phrase_)

/* call_(to_, value) is called each time that the option is given. */
#define OPT_CALL(letter_, name_, to_, call_, arg_, phrase_, ...) \
	{ .kind = OPT_KIND_CALL, .letter = letter_, .name = name_, .to = to_, .call = call_, \
		.arg = arg_, .phrase = phrase_, __VA_ARGS__ }

#define OPT_END { .kind = OPT_KIND_END }

struct opt_verb {
	const char *name;     /* NULL ends the table */
	const char *operands; /* "NAME..." */
	const char *phrase;
	const struct opt *opts; /* or NULL */
	int (*run)(int argc, char **argv); /* takes the operands; returns the exit code */
	const char *alias;    /* a second, shorter name; or NULL */
	bool is_silent;       /* prints nothing: stdout may be closed */
	const struct opt *shared; /* more, which some verbs have, all the same table; or NULL */
};
#define OPT_VERB(name_, operands_, phrase_, opts_, run_, ...) \
	{ .name = name_, .operands = operands_, .phrase = phrase_, .opts = opts_, .run = run_, \
		__VA_ARGS__ }
#define OPT_VERB_END { .name = NULL }

/* An option of another tool, and what to do instead. */
struct opt_foreign {
	const char *option;   /* "-t", "--topic"; NULL at the end */
	const char *answer;   /* "name the topic: kq-consume TOPIC" */
};
#define OPT_FOREIGN_END { NULL, NULL }

struct opt_command {
	const char *operands;   /* "TOPIC [FILE...]", or "VERB ..." */
	const char *phrase;     /* what the program does */
	const char *examples;   /* lines of --help, under "Examples:" */
	const char *notes;      /* last lines of --help; or NULL */
	const struct opt *opts; /* with verbs: the options of every verb */
	const struct opt_verb *verbs; /* or NULL */
	const char *version;    /* what is built in, for --version; or NULL */
	const struct opt_foreign *foreign; /* or NULL */
};

struct opt_result {
	int argc;             /* number of operands, without the verb */
	char **argv;          /* operands, moved to the front of the argv given */
	const struct opt_verb *verb; /* NULL: the command has none */
};

/* Parse argv (argv[0] is the program).  Returns 0; 1: help or the version was
 * requested and printed, exit with EXIT_DONE; -1: *e has the reason (ERR_USAGE). */
int opt_parse(const struct opt_command *command, int argc, char **argv,
	struct opt_result *result, struct err *e);

/*
 * The main of a program with verbs: parse, check, and run the verb.  check tests what
 * the tables cannot express; it returns 0, or -1 with ERR_USAGE.  Returns the exit
 * code.
 */
int opt_main(const struct opt_command *command, int argc, char **argv,
	int (*check)(struct opt_result *result, struct err *e));

/* Take the value of an option from elsewhere, such as a file: "true" of a BOOL; not of a
 * PAIR.  Returns 0, or -1 (ERR_USAGE). */
int opt_take(const struct opt *opt, const char *value, struct err *e);

/* Compare the number of operands with the verb's words in the table: "X" is one,
 * "X..." one or more, "[X]" and "[X...]" are optional.  For a missing operand the
 * message asks "which WHAT?".  Returns 0, or -1 with ERR_USAGE. */
int opt_check_operands(const struct opt_result *result, const char *what, struct err *e);

/* Remove repeated operands from index from on; the first of equal ones stays. */
void opt_drop_repeats(struct opt_result *result, int from);

/* The word of the list (which ends with NULL) that text probably stands for, or
 * NULL. */
const char *opt_suggest(const char *text, const char *const *words);

#endif
