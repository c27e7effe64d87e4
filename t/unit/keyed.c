/* tool/keyed: a record's key and value as one text. */
#include "tap.h"
#include "tool/keyed.h"

static bool
is(struct str got, struct str want)
{
	return got.n == want.n && str_eq(got, want);
}

static bool
splits(const struct keyed *k, struct str text, struct str key, struct str value)
{
	struct str a, b;
	keyed_split(k, text, &a, &b);
	return is(a, key) && is(b, value);
}

void
test_keyed__a_text_without_the_delimiter_has_no_key(void)
{
	const struct keyed none = KEYED_INIT, tab = { STR("\t"), STR_NULL, false };
	check(splits(&none, STR("k\tv"), STR_NULL, STR("k\tv")));
	check(splits(&none, STR(""), STR_NULL, STR("")));
	check(splits(&tab, STR("k\tv"), STR("k"), STR("v")));
	check(splits(&tab, STR("k\tv\tw"), STR("k"), STR("v\tw")));
	check(splits(&tab, STR("v"), STR_NULL, STR("v")));
	check(splits(&tab, STR(""), STR_NULL, STR("")));
	check(splits(&tab, STR("\tv"), STR(""), STR("v")));
	check(splits(&tab, STR("k\t"), STR("k"), STR("")));
}

void
test_keyed__empty_values_or_a_marker_are_null(void)
{
	const struct keyed z = { STR("::"), STR_NULL, true }, n = { STR("::"), STR("\\N"), false };
	const struct keyed empty = { STR("::"), STR(""), false };
	check(splits(&z, STR("k::"), STR("k"), STR_NULL));
	check(splits(&z, STR(""), STR_NULL, STR_NULL));
	check(splits(&z, STR("::"), STR(""), STR_NULL));
	check(splits(&n, STR("k::\\N"), STR("k"), STR_NULL));
	check(splits(&n, STR("\\N::v"), STR_NULL, STR("v")));
	check(splits(&n, STR("\\N"), STR_NULL, STR_NULL));
	check(splits(&n, STR("k::"), STR("k"), STR("")));
	check(splits(&empty, STR("::"), STR_NULL, STR_NULL));
}

void
test_keyed__with_a_marker_all_comes_back(void)
{
	static const struct str some[] = { { NULL, -1 }, { (const uint8_t *)"", 0 },
		{ (const uint8_t *)"a", 1 }, { (const uint8_t *)"N", 1 } };
	const struct keyed k = { STR("\t"), STR("\\N"), false }, plain = { STR("\t"), STR_NULL, true };
	for (size_t i = 0; i < ARRAY_LEN(some); i++)
		for (size_t j = 0; j < ARRAY_LEN(some); j++) {
			struct buf b = BUF_INIT;
			keyed_put_key(&k, some[i], &b);
			keyed_put_value(&k, some[j], &b);
			check(splits(&k, buf_str(&b), some[i], some[j]));
			/* Without a marker, keys round-trip, and values that are not empty. */
			buf_reset(&b);
			keyed_put_key(&plain, some[i], &b);
			keyed_put_value(&plain, some[j], &b);
			check(splits(&plain, buf_str(&b), some[i], some[j].n == 0 ? STR_NULL : some[j]));
			buf_release(&b);
		}
}

void
test_keyed__options_have_escapes(void)
{
	struct keyed k;
	struct err e;
	struct buf b = BUF_INIT;
	check_int(keyed_parse(&k, "\\t", "\\\\N", &b, &e), 0);
	check(is(k.delimiter, STR("\t")) && is(k.marker, STR("\\N")));
	buf_reset(&b);
	check_int(keyed_parse(&k, NULL, "", &b, &e), 0);
	check(is(k.delimiter, STR_NULL) && is(k.marker, STR("")));
	buf_reset(&b);
	check_int(keyed_parse(&k, NULL, NULL, &b, &e), 0);
	check(is(k.delimiter, STR_NULL) && is(k.marker, STR_NULL));
	check_int(keyed_parse(&k, "", NULL, &b, &e), -1);
	check_int(keyed_parse(&k, "\\q", NULL, &b, &e), -1);
	check_int(keyed_parse(&k, NULL, "\\q", &b, &e), -1);
	check_int(e.class, ERR_USAGE);
	buf_release(&b);
}
