#include "tap.h"

#include "base/pattern.h"

#include <regex.h>
#include <stdio.h>

static uint64_t seed = 88172645463325252;

static uint32_t
rnd(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 20) % n;
}

/* 1, 0; -1: refused. */
static int
match(const char *pattern, const char *name)
{
	struct arena a = ARENA_INIT;
	struct pattern *p = pattern_compile(str_of(pattern), &a);
	int r = p ? pattern_matches(p, str_of(name)) : -1;
	arena_release(&a);
	return r;
}

#define check_match(pattern, name, want) do { int is_ = match(pattern, name); \
	if (is_ != (want)) tap_fail(__FILE__, __LINE__, "%s with %s: %d", pattern, name, is_); \
	} while (0)

void
test_pattern__the_whole_name_must_match(void)
{
	check_match("apples", "apples", 1);
	check_match("apple", "apples", 0);
	check_match("pples", "apples", 0);
	check_match("a|b", "a", 1);
	check_match("a|b", "b", 1);
	check_match("a|b", "ab", 0);
	check_match("", "", 1);
	check_match("", "a", 0);
	check_match("a|", "", 1);
}

void
test_pattern__re2s_syntax_is_taken(void)
{
	static const struct { const char *pattern, *yes, *no; } v[] = {
		{ "a*", "aaa", "aab" }, { "a+", "a", "" }, { "a?b", "b", "aab" },
		{ "a{2}", "aa", "aaa" }, { "a{2,}", "aaaa", "a" }, { "a{1,3}", "aaa", "aaaa" },
		{ "a{0}b", "b", "ab" }, { "(ab){2}", "abab", "ab" }, { "(a|bc)*d", "abcad", "abd" },
		{ "a*?b", "aab", "aa" }, { "a{1,2}?", "aa", "aaa" }, { "(?:ab)+", "abab", "aba" },
		{ "[a-c]+", "abc", "abd" }, { "[^a-c]", "d", "a" }, { "[]a]", "]", "b" },
		{ "[a-]", "-", "b" }, { "[\\w.-]+", "a-1._", "a b" }, { "[[:alpha:]]+", "aB", "a1" },
		{ "[^[:digit:]]", "a", "1" }, { "[\\D]", "a", "1" }, { "\\d+", "12", "1a" },
		{ "\\w\\W", "a-", "aa" }, { "\\S\\s", "a ", "aa" }, { ".", "x", "\n" },
		{ "^a$", "a", "b" }, { "\\Aa\\z", "a", "b" }, { "a\\.b", "a.b", "axb" },
		{ "a\\b.*", "a-b", "ab" }, { "a\\Bb", "ab", "a" }, { "\\Qa.b\\E+", "a.bb", "axb" },
		{ "a{", "a{", "a" }, { "a{,2}", "a{,2}", "aa" }, { "]", "]", "[" },
		{ "(orders|bills)-.*-v[0-9]{1,2}", "orders-x-v12", "orders-x-v123" },
		{ "((a*)*)*", "aaa", "b" }, { "(|a)+", "aa", "b" }, { "()*a", "a", "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		check_match(v[i].pattern, v[i].yes, 1);
		check_match(v[i].pattern, v[i].no, 0);
	}
}

void
test_pattern__what_it_cannot_do_is_refused(void)
{
	static char long_one[PATTERN_SIZE_MAX + 2];
	memset(long_one, 'a', sizeof long_one - 1);
	static char deep[301];
	for (int i = 0; i < 100; i++) {
		deep[i] = '(';
		deep[i + 100] = 'a';
		deep[i + 200] = ')';
	}
	const char *v[] = { "(", ")", "(a", "a)", "a)(b", "[a", "[", "[z-a]", "[[:magic:]]", "\\",
		"*", "a**", "a+*", "a{2,1}", "a{1001}", "(a)\\1", "\\p{L}", "\\C", "(?i)a", "(?=a)",
		"(a{100}){100}", "[\\d-z]x{2000}", long_one, deep };
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		check_match(v[i], "a", -1);
	long_one[PATTERN_SIZE_MAX] = '\0';
	check_match(long_one, "a", 0);
}

/* An expression that both read alike, and the C library quickly. */
static void
grow(char *z, int depth)
{
	static const char *const atoms[] = { "a", "b", "c", ".", "[ab]", "[^a]", "\\." };
	static const char *const often[] = { "", "", "", "*", "+", "?", "{2}", "{1,2}" };
	int n = 1 + (int)rnd(4);
	for (int k = 0; k < n; k++) {
		if (depth > 0 && rnd(4) == 0) {
			strcat(z, "(");
			grow(z, depth - 1);
			strcat(z, "|");
			grow(z, depth - 1);
			strcat(z, ")");
			continue;
		}
		strcat(z, atoms[rnd(ARRAY_LEN(atoms))]);
		strcat(z, often[rnd(ARRAY_LEN(often))]);
	}
}

void
test_pattern__random_ones_match_what_regcomp_matches(void)
{
	int nmatch = 0;
	for (int k = 0; k < 3000; k++) {
		char z[1000] = "", whole[1010];
		regex_t re;
		grow(z, 2);
		snprintf(whole, sizeof whole, "^(%s)$", z);
		check_int(regcomp(&re, whole, REG_EXTENDED | REG_NOSUB), 0);
		for (int i = 0; i < 20; i++) {
			char name[12];
			int n = (int)rnd(sizeof name);
			for (int c = 0; c < n; c++)
				name[c] = "abc."[rnd(4)];
			name[n] = '\0';
			int want = regexec(&re, name, 0, NULL, 0) == 0;
			check_match(z, name, want);
			nmatch += want;
		}
		regfree(&re);
	}
	check(nmatch > 1000);
}

void
test_pattern__hostile_ones_cost_little(void)
{
	static char name[250];
	memset(name, 'a', sizeof name - 1);
	const char *v[] = { "(a*)*a*+{1,9}[ab]a{0,}", "(a*)*b", "((((a*)*)*)*)*b",
		"(a|a|a|a|a|a|a|aa)*b", "(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)b", "(a{30}){30}b",
		"((a{1,9}){1,9}){1,9}b", "(a?){400}a{400}", "(((){1000}){1000}){1000}" };
	/* The test's alarm is at a minute; this is 200 million steps at most. */
	for (int k = 0; k < 20; k++)
		for (size_t i = 0; i < ARRAY_LEN(v); i++)
			check(match(v[i], name) != 1);
}

void
test_pattern__any_bytes_may_come(void)
{
	static const char some[] = "ab()[]{}*+?|\\^$.-:,0129dwsQEbBAz\n\x80\xff";
	struct arena a = ARENA_INIT;
	int ngood = 0;
	for (int k = 0; k < 20000; k++) {
		uint8_t z[40];
		int32_t n = (int32_t)rnd(sizeof z);
		for (int32_t i = 0; i < n; i++)
			z[i] = (uint8_t)some[rnd(sizeof some)]; /* its NUL, too */
		struct pattern *p = pattern_compile((struct str){ z, n }, &a);
		ngood += p != NULL;
		if (p)
			pattern_matches(p, STR("ab.0-d"));
		arena_reset(&a);
	}
	check(ngood > 100);
	arena_release(&a);
}
