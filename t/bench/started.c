/*
 * started FILE BROKER SOCKET COMMAND [ARG...] - how long a member of a group needs to begin.
 *
 * Runs the command with KQ_BROKERS=unix:SOCKET, relays what it and the broker at unix:BROKER
 * send each other, and ends it after its first Fetch, by SIGTERM.  Appends to FILE, in ms:
 *
 *	from exec to the first Fetch  of that, waiting for answers of the group
 *
 * The latter are those to JoinGroup, SyncGroup and ConsumerGroupHeartbeat.
 */
#include "talk.h"

#include <signal.h>
#include <sys/wait.h>

enum { NPAIR = 32 };

/* One direction of a connection. */
struct flow {
	int from, to;
	struct buf buf;          /* the beginning of a frame that is not whole yet */
};

struct pair {
	struct flow up, down;    /* to the broker, and back */
	int32_t waits_for;       /* correlation id of a request of the group; -1: none */
	int64_t since_ns;
};

static struct pair pairs[NPAIR];
static int npair;
static int64_t waited_ns;
static bool has_fetched;

static void
add_pair(int client, int broker)
{
	if (npair == NPAIR)
		die("too many connections");
	pairs[npair++] = (struct pair){ .up = { client, broker, BUF_INIT },
		.down = { broker, client, BUF_INIT }, .waits_for = -1 };
}

static void
see_request(struct pair *pair, const uint8_t *p)
{
	int16_t key = (int16_t)load_be16(p);
	has_fetched |= key == API_FETCH;
	if (key != API_JOIN_GROUP && key != API_SYNC_GROUP && key != API_CONSUMER_GROUP_HEARTBEAT)
		return;
	pair->waits_for = (int32_t)load_be32(p + 4);
	pair->since_ns = clock_mono_ns();
}

static void
see_answer(struct pair *pair, const uint8_t *p)
{
	if (pair->waits_for < 0 || pair->waits_for != (int32_t)load_be32(p))
		return;
	waited_ns += clock_mono_ns() - pair->since_ns;
	pair->waits_for = -1;
}

/* Pass on what has arrived, and look at the frames in it.  False: the connection ended. */
static bool
relay(struct pair *pair, struct flow *flow)
{
	uint8_t *p = buf_grow(&flow->buf, 1 << 16);
	ssize_t n = recv(flow->from, p, 1 << 16, 0);
	flow->buf.n -= (1 << 16) - (size_t)MAX(n, 0);
	if (n <= 0)
		return false;
	size_t at = 0, size;
	while (flow->buf.n - at >= 12 && flow->buf.n - at >= (size = 4 + load_be32(flow->buf.p + at))) {
		if (flow == &pair->up)
			see_request(pair, flow->buf.p + at + 4);
		else
			see_answer(pair, flow->buf.p + at + 4);
		at += size;
	}
	if (send(flow->to, p, (size_t)n, MSG_NOSIGNAL) != n) /* the sockets block */
		return false;
	memmove(flow->buf.p, flow->buf.p + at, flow->buf.n - at);
	flow->buf.n -= at;
	return true;
}

static void
end_pair(int i)
{
	close(pairs[i].up.from);
	close(pairs[i].up.to);
	buf_release(&pairs[i].up.buf);
	buf_release(&pairs[i].down.buf);
	pairs[i] = pairs[--npair];
}

static void
serve(int listener, const char *broker)
{
	struct pollfd fds[2 * NPAIR + 1];
	int n = npair;
	fds[0] = (struct pollfd){ listener, POLLIN, 0 };
	for (int i = 0; i < n; i++) {
		fds[2 * i + 1] = (struct pollfd){ pairs[i].up.from, POLLIN, 0 };
		fds[2 * i + 2] = (struct pollfd){ pairs[i].down.from, POLLIN, 0 };
	}
	if (poll(fds, (nfds_t)(2 * n + 1), 100) < 0)
		die("poll");
	for (int i = n - 1; i >= 0; i--)
		if ((fds[2 * i + 1].revents && !relay(&pairs[i], &pairs[i].up))
			|| (fds[2 * i + 2].revents && !relay(&pairs[i], &pairs[i].down)))
			end_pair(i);
	int fd = fds[0].revents ? accept(listener, NULL, NULL) : -1;
	if (fd >= 0)
		add_pair(fd, dial(broker));
}

static pid_t
start(char **argv)
{
	pid_t pid = fork();
	if (pid < 0)
		die("fork");
	if (pid > 0)
		return pid;
	execvp(argv[0], argv);
	die(argv[0]);
}

int
main(int argc, char **argv)
{
	struct net_addr addr;
	struct err e;
	char broker[NET_TEXT_SIZE], own[NET_TEXT_SIZE];
	if (argc < 5) {
		fputs("usage: started FILE BROKER SOCKET COMMAND [ARG...]\n", stderr);
		return 2;
	}
	snprintf(broker, sizeof broker, "unix:%s", argv[2]);
	snprintf(own, sizeof own, "unix:%s", argv[3]);
	must(net_addr_parse(&addr, own, -1, &e), &e);
	int listener = net_listen(&addr, 16, false, &e);
	must(listener, &e);
	setenv("KQ_BROKERS", own, 1);
	int64_t begin_ns = clock_mono_ns();
	pid_t pid = start(argv + 4);
	while (!has_fetched && waitpid(pid, NULL, WNOHANG) == 0)
		serve(listener, broker);
	double all_ms = since_s(begin_ns) * 1e3, waited_ms = (double)waited_ns / 1e6;
	if (!has_fetched)
		die("the command ended before it fetched");
	kill(pid, SIGTERM);
	while (waitpid(pid, NULL, WNOHANG) == 0)
		serve(listener, broker);
	FILE *out = fopen(argv[1], "a");
	if (!out)
		die(argv[1]);
	fprintf(out, "%.3f %.3f\n", all_ms, waited_ms);
	return fclose(out) ? 1 : 0;
}
