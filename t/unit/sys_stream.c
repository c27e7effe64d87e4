#include "tap.h"

#include "sys/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct stream near, far;
static struct err e;

static void
make_pair(void)
{
	int fd[2];
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0);
	near.fd = fd[0];
	far.fd = fd[1];
}

/* A file of these bytes, removed already. */
static int
file_of(const char *text)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);
	check(fd >= 0);
	check(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	return fd;
}

static ssize_t
send_text(struct stream *stream, const char *text)
{
	struct iovec iov = { (char *)text, strlen(text) };
	return stream_sendv(stream, &iov, 1, false, &e);
}

void
test_stream__vectors_arrive_as_one_run_of_bytes(void)
{
	make_pair();
	char text[] = "abcde";
	struct iovec iov[] = { { text, 2 }, { text, 0 }, { text + 2, 3 } };
	char in[16];
	check_int(stream_sendv(&near, iov, 3, true, &e), 5);
	check_int(send_text(&near, "f"), 1);
	check_int(stream_recv(&far, in, 4, &e), 4);
	check_int(stream_recv(&far, in + 4, sizeof in - 4, &e), 2);
	check(memcmp(in, "abcdef", 6) == 0);
}

void
test_stream__nothing_to_read_and_a_full_peer_block(void)
{
	make_pair();
	static char big[1 << 20];
	struct iovec iov = { big, sizeof big };
	char in[1];
	check_int(stream_recv(&near, in, 1, &e), STREAM_BLOCKED);
	ssize_t n;
	do
		n = stream_sendv(&near, &iov, 1, false, &e);
	while (n > 0);
	check_int(n, STREAM_BLOCKED);
	int fd = file_of("x");
	check_int(stream_send_file(&near, fd, 0, 1, &e), STREAM_BLOCKED);
}

void
test_stream__a_closed_peer_and_a_lost_one_differ(void)
{
	make_pair();
	char in[8];
	check_int(send_text(&far, "last"), 4);
	stream_close(&far);
	check_int(far.fd, -1);
	check_int(stream_recv(&near, in, sizeof in, &e), 4);
	check_int(stream_recv(&near, in, sizeof in, &e), STREAM_CLOSED);
	check_int(send_text(&near, "x"), STREAM_FAILED);
	check_int(e.class, ERR_RETRY);
	check_int(e.sys, EPIPE);
	check(strcmp(e.msg, "connection lost: Broken pipe") == 0);
	signal(SIGPIPE, SIG_IGN);
	int fd = file_of("x");
	check_int(stream_send_file(&near, fd, 0, 1, &e), STREAM_FAILED);
	check_int(e.sys, EPIPE);
}

void
test_stream__a_file_is_sent_from_a_position_to_its_end(void)
{
	make_pair();
	char in[8];
	int fd = file_of("0123456789");
	check_int(stream_send_file(&near, fd, 2, 3, &e), 3);
	check_int(stream_send_file(&near, fd, 8, 100, &e), 2);
	check_int(stream_send_file(&near, fd, 10, 1, &e), 0);
	check_int(lseek(fd, 0, SEEK_CUR), 10); /* where the writing left it */
	check_int(stream_recv(&far, in, sizeof in, &e), 5);
	check(memcmp(in, "23489", 5) == 0);
}
