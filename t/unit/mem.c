#include "tap.h"

#include "base/mem.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t seed = 123456789;

static uint32_t
rnd(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 20) % below;
}

static bool
all_are(const uint8_t *p, size_t n, uint8_t c)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != c)
			return false;
	return true;
}

void
test_mem__blocks_are_zeroed(void)
{
	for (size_t n = 0; n < 3000; n += 7) {
		uint8_t *p = mem_alloc(n);
		check(p && all_are(p, n, 0));
		memset(p, 0x55, n);
		p = mem_realloc(p, n * 2);
		check(p && all_are(p, n, 0x55));
		mem_free(p);
	}
	mem_free(NULL);
	void *p = mem_realloc(NULL, 0);
	check(p);
	mem_free(p);
	char *z = mem_strdup("abc"), *y = mem_strndup((struct str){ (const uint8_t *)"abc", 2 });
	char *null = mem_strndup(STR_NULL), *empty = mem_strndup((struct str){ NULL, 0 });
	check(strcmp(z, "abc") == 0 && strcmp(y, "ab") == 0);
	check(strcmp(null, "") == 0 && strcmp(empty, "") == 0);
	mem_free(z);
	mem_free(y);
	mem_free(null);
	mem_free(empty);
}

static void
too_much_from_an_arena(void)
{
	struct arena a = ARENA_INIT;
	arena_alloc(&a, SIZE_MAX - 3);
}

static void
too_much_more_from_an_arena(void)
{
	struct arena a = ARENA_INIT;
	arena_alloc(&a, 1);
	arena_alloc(&a, SIZE_MAX - 16);
}

static void
too_much_from_a_buf(void)
{
	struct buf b = BUF_INIT;
	buf_putc(&b, 'x');
	buf_reserve(&b, SIZE_MAX / 2 + 1);
}

static void
too_much_from_the_heap(void)
{
	mem_alloc(SIZE_MAX / 2);
}

void
test_mem__no_memory_ends_the_process(void)
{
	static void (*const way[])(void) = { too_much_from_the_heap, too_much_from_an_arena,
		too_much_more_from_an_arena, too_much_from_a_buf };
	for (size_t i = 0; i < ARRAY_LEN(way); i++) {
		pid_t pid = fork();
		if (pid == 0) {
			struct rlimit none = { 0, 0 };
			setrlimit(RLIMIT_CORE, &none);
			if (!freopen("/dev/null", "w", stderr))
				_exit(0);
			alarm(10); /* an endless loop is a failure, too */
			way[i]();
			_exit(0);
		}
		int status;
		check_int(waitpid(pid, &status, 0), pid);
		/* A sanitizer exits with a code before the kernel is asked. */
		bool by_abort = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
		bool by_sanitizer = WIFEXITED(status) && WEXITSTATUS(status) > 0;
		if (!by_abort && !by_sanitizer)
			tap_fail(__FILE__, __LINE__, "way %zu ended with status %d", i, status);
	}
}

void
test_arena__bytes_are_zeroed_aligned_and_apart(void)
{
	enum { N = 400 };
	struct arena a = ARENA_INIT;
	for (int round = 0; round < 20; round++) {
		uint8_t *p[N];
		size_t n[N], sum = 0;
		for (int i = 0; i < N; i++) {
			n[i] = rnd(10) ? rnd(100) : rnd(100000);
			p[i] = arena_alloc(&a, n[i]);
			check(p[i] && (uintptr_t)p[i] % 16 == 0);
			check(all_are(p[i], n[i], 0));
			memset(p[i], i, n[i]);
			sum += n[i];
		}
		for (int i = 0; i < N; i++)
			check(all_are(p[i], n[i], (uint8_t)i));
		check(a.used >= sum && a.used < sum + 16 * N);
		arena_reset(&a);
		check_int(a.used, 0);
	}
	arena_release(&a);
	arena_release(&a);
	check(arena_alloc(&a, 1)); /* usable again */
	arena_release(&a);
}

void
test_arena__a_cap_is_never_passed(void)
{
	for (size_t cap = 1; cap < 300000; cap = cap * 3 + rnd(20)) {
		struct arena a = { .size_max = cap };
		size_t sum = 0;
		int refused = 0;
		while (refused < 50) {
			size_t n = rnd(2) ? rnd(40) + 1 : rnd((uint32_t)cap * 2) + 1, left = cap - a.used;
			void *p = arena_alloc(&a, n);
			check((p != NULL) == (n <= left)); /* refused exactly when it must be */
			refused += !p;
			sum += p ? n : 0;
			check(a.used <= cap && sum <= cap);
		}
		check(arena_alloc(&a, SIZE_MAX) == NULL);
		check(arena_alloc(&a, SIZE_MAX - 15) == NULL);
		check(arena_alloc(&a, cap + 1) == NULL);
		arena_reset(&a);
		check(arena_alloc(&a, cap) != NULL);
		check(arena_alloc(&a, 1) == NULL);
		check_int(a.size_max, cap);
		arena_release(&a);
	}
}

void
test_arena__a_refusal_leaves_room_for_less(void)
{
	struct arena a = { .size_max = 64 };
	check(arena_alloc(&a, 65) == NULL);
	check_int(a.used, 0);
	check(arena_alloc(&a, 48));
	check(arena_alloc(&a, 17) == NULL);
	check(arena_alloc(&a, 16));
	check(arena_alloc(&a, 1) == NULL);
	arena_release(&a);
}

void
test_arena__nothing_counts_as_nothing(void)
{
	struct arena a = { .size_max = 16 };
	for (int i = 0; i < 1000; i++)
		check(arena_alloc(&a, 0) != NULL);
	check_int(a.used, 0);
	check(arena_alloc(&a, 1));
	arena_release(&a);
}

void
test_arena__strings_are_copied(void)
{
	struct arena a = ARENA_INIT;
	char z[] = "abc";
	struct str s = arena_str(&a, str_of(z));
	z[0] = 'X';
	check(str_eq(s, STR("abc")) && s.p[3] == 0);
	check(str_eq(arena_str(&a, STR_NULL), STR_NULL));
	s = arena_str(&a, (struct str){ NULL, 0 });
	check(s.n == 0 && s.p && s.p[0] == 0);
	s = arena_str(&a, STR("a\0b"));
	check(str_eq(s, STR("a\0b")) && s.p[3] == 0);
	check(strcmp(arena_printf(&a, "%d-%s", 7, "x"), "7-x") == 0);
	check(strcmp(arena_printf(&a, "%s", ""), "") == 0);
	char *long_one = arena_printf(&a, "%0100000d", 7);
	check(strlen(long_one) == 100000 && strcmp(long_one + 99998, "07") == 0);
	arena_release(&a);
}

void
test_buf__grows_and_keeps_its_bytes(void)
{
	struct buf b = BUF_INIT;
	size_t n = 0;
	for (int i = 0; i < 2000; i++) {
		size_t more = rnd(300), cap = b.cap;
		uint8_t bytes[300];
		memset(bytes, i, sizeof bytes);
		if (rnd(3) == 0) {
			buf_reserve(&b, more);
			check(b.n == n && b.cap - b.n >= more);
		}
		if (rnd(2))
			buf_put(&b, bytes, more);
		else
			memset(buf_grow(&b, more), i, more);
		check(b.cap == cap || b.cap >= cap * 2); /* it never grows byte by byte */
		n += more;
		check_int(b.n, n);
		check(b.n <= b.cap && all_are(b.p + n - more, more, (uint8_t)i));
	}
	size_t sum = 0;
	seed = 123456789; /* the same numbers again: check the content */
	for (int i = 0; i < 2000; i++) {
		size_t more = rnd(300);
		rnd(3);
		rnd(2);
		check(all_are(b.p + sum, more, (uint8_t)i));
		sum += more;
	}
	check_int(sum, n);
	uint8_t *p = b.p;
	buf_reset(&b);
	check(b.n == 0 && b.p == p && buf_str(&b).n == 0);
	buf_release(&b);
	check(!b.p && !b.n && !b.cap);
	buf_release(&b);
}

void
test_buf__null_adds_nothing(void)
{
	struct buf b = BUF_INIT;
	buf_put_str(&b, STR_NULL);
	buf_put_str(&b, (struct str){ NULL, 0 });
	buf_put(&b, NULL, 0);
	buf_puts(&b, "");
	buf_reserve(&b, 0);
	check(b.n == 0);
	buf_puts(&b, "ab");
	buf_putc(&b, 0);
	buf_put_str(&b, STR("c"));
	check(str_eq(buf_str(&b), STR("ab\0c")));
	buf_release(&b);
}

void
test_buf__prints_integers(void)
{
	static const int64_t v[] = { 0, 7, -7, 10, 99, 100, -1000, 1700000000000, INT64_MAX,
		INT64_MIN };
	struct buf b = BUF_INIT, want = BUF_INIT;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		buf_reset(&b);
		buf_reset(&want);
		buf_put_int(&b, v[i]);
		buf_printf(&want, "%lld", (long long)v[i]);
		check(str_eq(buf_str(&b), buf_str(&want)));
	}
	buf_release(&b);
	buf_release(&want);
}

void
test_buf__prints_text_of_any_length(void)
{
	struct buf b = BUF_INIT;
	buf_printf(&b, "%s", "");
	check_int(b.n, 0);
	for (int n = 1; n < 700; n++) {
		buf_printf(&b, "%0*d", n, n);
		check_int(b.n, n);
		check_int(atoi((char *)b.p + MAX(n - 4, 0)), n);
		buf_reset(&b);
	}
	buf_puts(&b, "<");
	buf_printf(&b, "%d,%s>", -1, "x");
	check(str_eq(buf_str(&b), STR("<-1,x>")));
	buf_release(&b);
}

void
test_mem__pages_are_aligned_and_zeroed(void)
{
	uint8_t *p = mem_pages(3 * MEM_HUGE);
	check((uintptr_t)p % MEM_HUGE == 0);
	for (size_t i = 0; i < 3 * MEM_HUGE; i += 4095)
		check(p[i] == 0);
	memset(p, 1, 3 * MEM_HUGE);
	mem_pages_free(p, 3 * MEM_HUGE);
	mem_pages_free(NULL, MEM_HUGE);
}
