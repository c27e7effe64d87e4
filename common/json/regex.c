#include "json/regex.h"

#include "base/mem.h"

#include <oniguruma.h>

/* Steps back before libjq is asked, which runs under a limit of time. */
enum { RETRY_MAX = 100000 };

struct regex {
	regex_t *program;
	OnigMatchParam *limits;
};

/* As in f_match of libjq's builtin.c; 0: not a flag. */
static OnigOptionType
option_of(uint8_t c)
{
	switch (c) {
	case 'g': return ONIG_OPTION_CAPTURE_GROUP; /* all matches: the first one says it all */
	case 'i': return ONIG_OPTION_IGNORECASE;
	case 'x': return ONIG_OPTION_EXTEND;
	case 'm': return ONIG_OPTION_MULTILINE;
	case 's': return ONIG_OPTION_SINGLELINE;
	case 'p': return ONIG_OPTION_MULTILINE | ONIG_OPTION_SINGLELINE;
	case 'l': return ONIG_OPTION_FIND_LONGEST;
	case 'n': return ONIG_OPTION_FIND_NOT_EMPTY;
	default: return 0;
	}
}

struct regex *
regex_new(struct str pattern, struct str flags)
{
	OnigOptionType options = ONIG_OPTION_CAPTURE_GROUP;
	OnigErrorInfo info;
	regex_t *program;
	for (int32_t i = 0; i < flags.n; i++) {
		if (!option_of(flags.p[i]))
			return NULL;
		options |= option_of(flags.p[i]);
	}
	if (onig_new(&program, pattern.p, pattern.p + pattern.n, options, ONIG_ENCODING_UTF8,
		ONIG_SYNTAX_PERL_NG, &info) != ONIG_NORMAL)
		return NULL;
	struct regex *regex = NEW(struct regex);
	regex->program = program;
	regex->limits = onig_new_match_param();
	onig_set_retry_limit_in_match_of_match_param(regex->limits, RETRY_MAX);
	onig_set_retry_limit_in_search_of_match_param(regex->limits, RETRY_MAX);
	return regex;
}

void
regex_free(struct regex *regex)
{
	if (!regex)
		return;
	onig_free(regex->program);
	onig_free_match_param(regex->limits);
	mem_free(regex);
}

int
regex_test(const struct regex *regex, struct str s)
{
	const uint8_t *end = s.p + s.n;
	int rc = onig_search_with_param(regex->program, s.p, end, s.p, end, NULL, ONIG_OPTION_NONE,
		regex->limits);
	return rc >= 0 ? 1 : rc == ONIG_MISMATCH ? 0 : -1;
}
