/*
 * jq's test(re; flags): Oniguruma with Perl's syntax, as libjq calls it.
 *
 * Uses: base, Oniguruma.  One thread at a time.
 */
#ifndef KQ_JSON_REGEX_H
#define KQ_JSON_REGEX_H

#include "base/base.h"

struct regex;

/* flags: letters, or null.  NULL: libjq would report an error.  Then freed by its owner. */
struct regex *regex_new(struct str pattern, struct str flags);
void regex_free(struct regex *regex);

/* Does the pattern match somewhere?  1 or 0; -1: an error, or it takes long to say. */
int regex_test(const struct regex *regex, struct str s);

#endif
