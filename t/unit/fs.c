#include "tap.h"

#include "sys/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define must(x) do { if ((x) < 0) tap_fail(__FILE__, __LINE__, "%s: %s", #x, e.msg); } while (0)

static const char *fault_op;
static int fault_with;

static int
fault_now(const char *op, int fd)
{
	(void)fd;
	return strcmp(op, fault_op) == 0 ? fault_with : 0;
}

static void
check_content(const char *path, struct str want)
{
	struct err e;
	struct buf b = BUF_INIT;
	must(fs_read_file(AT_FDCWD, path, 1000, &b, &e));
	check(str_eq(buf_str(&b), want));
	buf_release(&b);
}

void
test_fs__bytes_are_written_and_read_at_a_position(void)
{
	struct err e;
	char got[10];
	int fd;
	must(fd = fs_open(AT_FDCWD, "x", O_RDWR | O_CREAT, 0644, &e));
	must(fs_write_at(fd, STR("hello"), 3, &e));
	check_int(fs_size(fd, &e), 8);
	check_int(fs_size_at(AT_FDCWD, "x", &e), 8);
	check_int(fs_read_at(fd, got, sizeof got, 4, &e), 4);
	check(memcmp(got, "ello", 4) == 0);
	check_int(fs_read_at(fd, got, sizeof got, 100, &e), 0);
	must(fs_truncate(fd, 4, &e));
	check_content("x", STR("\0\0\0h"));
	must(fs_sync(fd, &e));
	fs_close(fd);
	fs_close(-1);
}

void
test_fs__failures_say_what_and_why(void)
{
	struct err e;
	check_int(fs_open(AT_FDCWD, "none", O_RDONLY, 0, &e), -1);
	check_int(e.sys, ENOENT);
	check(strcmp(e.msg, "cannot open none: No such file or directory") == 0);
	int fd = open("/dev/full", O_WRONLY);
	check_int(fs_write_at(fd, STR("x"), 0, &e), -1);
	check_int(e.sys, ENOSPC);
	check(strcmp(e.msg, "cannot write: No space left on device") == 0);
	close(fd);
	check_int(fs_size_at(AT_FDCWD, "none", &e), -1);
	check_int(fs_sync(-1, &e), -1);
	check_int(fs_remove_dir(AT_FDCWD, "none", &e), -1);
}

void
test_fs__a_file_is_replaced_whole_or_not(void)
{
	static const char *const ops[] = { "write", "sync", "rename", "open" };
	struct err e;
	must(fs_mkdir(AT_FDCWD, "d", 0755, &e));
	must(fs_replace_file(AT_FDCWD, "d/x", STR("old"), &e));
	fs_fault = fault_now;
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		fault_op = ops[i];
		for (fault_with = -1; fault_with <= EIO; fault_with += EIO + 1) {
			if (fault_with < 0 && i > 0)
				continue;
			check_int(fs_replace_file(AT_FDCWD, "d/x", STR("newer"), &e), -1);
			fs_fault = NULL;
			check_content("d/x", STR("old"));
			check(access("d/x.tmp", F_OK) < 0);
			fs_fault = fault_now;
		}
	}
	fs_fault = NULL;
	must(fs_replace_file(AT_FDCWD, "d/x", STR("newer"), &e));
	check_content("d/x", STR("newer"));
}

void
test_fs__a_file_is_replaced_before_it_is_synced(void)
{
	static const char *const ops[] = { "write", "rename", "open" };
	struct err e;
	int fd;
	must(fs_mkdir(AT_FDCWD, "d", 0755, &e));
	must(fs_replace_file(AT_FDCWD, "d/x", STR("old"), &e));
	fault_with = EIO;
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		fault_op = ops[i];
		fs_fault = fault_now;
		check_int(fs_replace_unsynced(AT_FDCWD, "d/x", STR("newer"), &e), -1);
		fs_fault = NULL;
		check_content("d/x", STR("old"));
		check(access("d/x.tmp", F_OK) < 0);
	}
	fault_op = "sync";
	fs_fault = fault_now;
	must(fd = fs_replace_unsynced(AT_FDCWD, "d/x", STR("newer"), &e));
	check_content("d/x", STR("newer"));
	check_int(fs_sync(fd, &e), -1);
	fs_fault = NULL;
	must(fs_sync(fd, &e));
	fs_close(fd);
}

void
test_fs__a_short_write_leaves_its_bytes(void)
{
	struct err e;
	int fd;
	must(fd = fs_open(AT_FDCWD, "x", O_RDWR | O_CREAT, 0644, &e));
	fs_fault = fault_now;
	fault_op = "write";
	fault_with = -3;
	check_int(fs_write_at(fd, STR("hello"), 0, &e), -1);
	check_int(e.sys, ENOSPC);
	fs_fault = NULL;
	check_content("x", STR("hel"));
	fs_close(fd);
}

void
test_fs__a_file_too_large_is_not_read(void)
{
	struct err e;
	struct buf b = BUF_INIT;
	buf_puts(&b, "+");
	must(fs_replace_file(AT_FDCWD, "x", STR("12345"), &e));
	must(fs_read_file(AT_FDCWD, "x", 5, &b, &e));
	check(str_eq(buf_str(&b), STR("+12345")));
	check_int(fs_read_file(AT_FDCWD, "x", 4, &b, &e), -1);
	check_int(e.class, ERR_LIMIT);
	check_int(b.n, 6);
	buf_release(&b);
}

void
test_fs__a_long_file_is_read_in_pieces(void)
{
	struct err e;
	struct buf b = BUF_INIT, long_one = BUF_INIT;
	for (int i = 0; i < 40000; i++)
		buf_printf(&long_one, "%d\n", i);
	must(fs_replace_file(AT_FDCWD, "x", buf_str(&long_one), &e));
	must(fs_read_file(AT_FDCWD, "x", 1 << 20, &b, &e));
	check(str_eq(buf_str(&b), buf_str(&long_one)));
	buf_release(&b);
	buf_release(&long_one);
}

void
test_fs__directories_are_made_with_their_parents(void)
{
	struct err e;
	must(fs_mkdir(AT_FDCWD, "a/b/c", 0755, &e));
	must(fs_mkdir(AT_FDCWD, "a/b/c", 0755, &e));
	must(fs_replace_file(AT_FDCWD, "a/f", STR("x"), &e));
	check_int(fs_mkdir(AT_FDCWD, "a/f", 0755, &e), -1);
	check_int(fs_mkdir(AT_FDCWD, "", 0755, &e), -1);
	check_int(fs_mkdir(AT_FDCWD, "a/f/g", 0755, &e), -1);
	must(fs_replace_file(AT_FDCWD, "a/b/c/1", STR("x"), &e));
	must(fs_replace_file(AT_FDCWD, "a/b/c/2", STR("x"), &e));
	check_int(fs_remove_dir(AT_FDCWD, "a", &e), -1); /* it contains a directory */
	must(fs_remove_dir(AT_FDCWD, "a/b/c", &e));
	check(access("a/b/c", F_OK) < 0);
	must(fs_remove(AT_FDCWD, "never-was", &e));
}

static int
count(void *ctx, const char *name)
{
	++*(int *)ctx;
	return strcmp(name, "stop") == 0 ? 7 : 0;
}

void
test_fs__a_list_can_be_stopped(void)
{
	struct err e;
	int n = 0, fd;
	must(fs_mkdir(AT_FDCWD, "d", 0755, &e));
	must(fs_replace_file(AT_FDCWD, "d/1", STR("x"), &e));
	must(fs_replace_file(AT_FDCWD, "d/2", STR("x"), &e));
	must(fd = fs_open(AT_FDCWD, "d", O_RDONLY | O_DIRECTORY, 0, &e));
	check_int(fs_list(fd, count, &n, &e), 0);
	check_int(n, 2);
	check_int(fs_list(fd, count, &n, &e), 0); /* again, from the start */
	check_int(n, 4);
	must(fs_replace_file(AT_FDCWD, "d/stop", STR("x"), &e));
	check_int(fs_list(fd, count, &n, &e), 7);
	must(fs_sync_dir(fd, &e));
	fs_close(fd);
}

void
test_fs__a_lock_keeps_other_processes_out(void)
{
	struct err e;
	int fd, status;
	must(fd = fs_lock(AT_FDCWD, "lock", &e));
	pid_t pid = fork();
	if (pid == 0)
		_exit(fs_lock(AT_FDCWD, "lock", &e) < 0 && e.class == ERR_LIMIT ? 0 : 1);
	check(waitpid(pid, &status, 0) == pid && status == 0);
	fs_close(fd);
	must(fd = fs_lock(AT_FDCWD, "lock", &e));
	fs_close(fd);
}

void
test_fs__a_memory_file_has_no_name(void)
{
	struct err e;
	char c;
	int fd;
	must(fd = fs_open_memory("x", &e));
	must(fs_write_at(fd, STR("a"), 5, &e));
	check_int(fs_size(fd, &e), 6);
	check_int(fs_read_at(fd, &c, 1, 5, &e), 1);
	check(access("x", F_OK) < 0);
	fs_close(fd);
}
