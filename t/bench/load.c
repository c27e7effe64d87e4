/*
 * The measuring programs of `make bench`: bare loops over sockets and files for
 * comparison, and a client that costs almost nothing, so that the broker is
 * measured.  Each mode prints one line of numbers.
 *
 *   load sink ADDR FILE            receive, pwrite:   bytes seconds cpu-seconds
 *   load blast ADDR BYTES          send BYTES in 1 MiB writes
 *   load source ADDR FILE MODE     send the file by "sendfile" or "pread"
 *   load drain ADDR                receive to the end: bytes seconds
 *   load fetch ADDR TOPIC          read partition 0:   bytes seconds
 *   load pong ADDR                 echo
 *   load ping ADDR N SIZE          microseconds: p50 p99
 *   load latency ADDR TOPIC N      produce one by one: p50 p99 (microseconds)
 *   load produce ADDR TOPIC PARTITIONS BATCH IN-FLIGHT BYTES ACKS
 *                                  one connection per partition: bytes seconds
 */
#include "talk.h"

#include "record/builder.h"
#include "sys/fs.h"
#include "proto.h"

#include <sys/resource.h>
#include <sys/sendfile.h>

enum { CHUNK = 1 << 20, FETCH_BYTES = 32 << 20, PART_MAX = 1024 };

/* Listen, print a line, accept one connection. */
static int
answer(const char *text)
{
	struct net_addr a;
	struct err e;
	char z[NET_TEXT_SIZE];
	must(net_addr_parse(&a, text, -1, &e), &e);
	int fd = net_listen(&a, 1, false, &e);
	must(fd, &e);
	printf("ready %s\n", net_addr_format(&a, z));
	fflush(stdout);
	make_blocking(fd);
	int c;
	while ((c = net_accept(fd, a.kind == NET_UNIX)) < 0)
		;
	make_blocking(c);
	return c;
}

static double
cpu_s(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec)
		+ (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* ---- bare loops ---- */

static int
sink(char **v)
{
	struct err e;
	int fd = answer(v[0]), file = fs_open(AT_FDCWD, v[1], O_RDWR | O_CREAT, 0644, &e);
	must(file, &e);
	uint8_t *p = mem_alloc(CHUNK);
	int64_t at = 0, start = 0;
	double cpu = 0;
	for (;;) {
		ssize_t n = recv(fd, p, CHUNK, 0);
		if (n < 0)
			die("recv");
		if (n == 0)
			break;
		if (!start) {
			start = clock_mono_ns();
			cpu = cpu_s();
		}
		must(fs_write_at(file, (struct str){ p, (int32_t)n }, at, &e), &e);
		at += n;
	}
	printf("%lld %.6f %.6f\n", (long long)at, since_s(start), cpu_s() - cpu);
	return 0;
}

static int
blast(char **v)
{
	int fd = dial(v[0]);
	uint8_t *p = mem_alloc(CHUNK);
	for (long long left = atoll(v[1]); left > 0; left -= CHUNK)
		send_all(fd, p, (size_t)MIN(left, CHUNK));
	return 0;
}

/* Wait until the socket has room: waking the sender for every freed buffer would
 * slow it down. */
static void
wait_writable(int fd)
{
	struct pollfd p = { fd, POLLOUT, 0 };
	if (errno != EAGAIN || poll(&p, 1, -1) < 0)
		die("send");
}

static int
source(char **v)
{
	struct err e;
	int fd = answer(v[0]), file = fs_open(AT_FDCWD, v[1], O_RDONLY, 0, &e);
	must(file, &e);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	int64_t size = fs_size(file, &e);
	uint8_t *p = mem_alloc(CHUNK);
	for (off_t at = 0; at < size;) {
		if (strcmp(v[2], "sendfile") == 0) {
			if (sendfile(fd, file, &at, (size_t)MIN(size - at, CHUNK)) < 0)
				wait_writable(fd);
			continue;
		}
		int64_t n = fs_read_at(file, p, CHUNK / 4, at, &e), done = 0;
		must((int)n, &e);
		while (done < n) {
			ssize_t k = send(fd, p + done, (size_t)(n - done), MSG_NOSIGNAL);
			if (k < 0)
				wait_writable(fd);
			else
				done += k;
		}
		at += n;
	}
	return 0;
}

static int
drain(char **v)
{
	int fd = dial(v[0]);
	uint8_t *p = mem_alloc(FETCH_BYTES);
	int64_t total = 0, start = clock_mono_ns();
	/* Read as the fetch client does: one answer at a time. */
	for (ssize_t n; (n = recv(fd, p, FETCH_BYTES, MSG_WAITALL)) > 0;)
		total += n;
	printf("%lld %.6f\n", (long long)total, since_s(start));
	return 0;
}

/* ---- latencies ---- */

static int
pong(char **v)
{
	int fd = answer(v[0]);
	uint8_t p[65536];
	for (ssize_t n; (n = recv(fd, p, sizeof p, 0)) > 0;)
		send_all(fd, p, (size_t)n);
	return 0;
}

static int
ping(char **v)
{
	int fd = dial(v[0]), n = atoi(v[1]);
	size_t size = (size_t)atoi(v[2]);
	uint8_t *p = mem_alloc(size);
	int64_t *ns = mem_alloc((size_t)n * sizeof *ns);
	for (int i = -n / 10; i < n; i++) { /* the first ones warm up */
		int64_t start = clock_mono_ns();
		send_all(fd, p, size);
		recv_all(fd, p, size);
		if (i >= 0)
			ns[i] = clock_mono_ns() - start;
	}
	print_percentiles(ns, n);
	return 0;
}

/* ---- Kafka requests ---- */

/* A Produce request with one batch of records of 100 bytes, of about this size. */
static void
put_produce(struct buf *b, const char *topic, int32_t partition, size_t batch_bytes, int16_t acks)
{
	static uint8_t value[100];
	struct builder bd = BUILDER_INIT;
	int64_t now_ms = clock_ms();
	builder_reset(&bd);
	do
		builder_append(&bd, now_ms, STR_NULL, (struct str){ value, 100 }, STR(""), 0);
	while (builder_size(&bd) + 120 < batch_bytes);
	struct builder_producer none = BUILDER_NO_PRODUCER;
	struct produce_request_partition data = { .index = partition,
		.records = builder_finish(&bd, CODEC_NONE, &none, NULL) };
	struct produce_request_topic t = { .name = str_of(topic),
		.partition_data = { &data, 1 } };
	struct produce_request q = { .transactional_id = STR_NULL, .acks = acks,
		.timeout_ms = 30000, .topic_data = { &t, 1 } };
	put_request(b, 0, 7, &q);
	builder_release(&bd);
}

static void
check_produced(const struct buf *b)
{
	struct arena a = ARENA_INIT;
	struct produce_response r;
	if (wire_decode(wire_api_find(API_PRODUCE)->response, 7, false, b->p + 4, b->n - 4, &a, &r) < 0
		|| r.responses.n != 1 || r.responses.v[0].partition_responses.v[0].error_code) {
		say_error("produce was refused: %s", r.responses.n == 1
			? kerr_info(r.responses.v[0].partition_responses.v[0].error_code)->name : "?");
		exit(EXIT_FAILED);
	}
	arena_release(&a);
}

static int
latency(char **v)
{
	int fd = dial(v[0]), n = atoi(v[2]);
	struct buf request = BUF_INIT, response = BUF_INIT;
	int64_t *ns = mem_alloc((size_t)n * sizeof *ns);
	put_produce(&request, v[1], 0, 0, 1);
	for (int i = -n / 10; i < n; i++) {
		int64_t start = clock_mono_ns();
		send_all(fd, request.p, request.n);
		get_response(fd, &response);
		if (i >= 0)
			ns[i] = clock_mono_ns() - start;
		check_produced(&response);
	}
	print_percentiles(ns, n);
	return 0;
}

static int64_t
fetch_next(const struct buf *b, int64_t offset, int64_t *bytes)
{
	struct arena a = ARENA_INIT;
	struct fetch_response r;
	if (wire_decode(wire_api_find(API_FETCH)->response, 11, false, b->p + 4, b->n - 4, &a, &r) < 0
		|| r.responses.n != 1 || r.responses.v[0].partitions.v[0].error_code) {
		say_error("fetch was refused");
		exit(EXIT_FAILED);
	}
	struct str s = r.responses.v[0].partitions.v[0].records;
	struct batch batch;
	for (int32_t at = 0; s.n - at >= BATCH_HEADER_SIZE && batch_parse(&batch, s.p + at)
		&& batch.size <= s.n - at; at += batch.size)
		offset = batch_last_offset(&batch) + 1;
	*bytes += s.n;
	arena_release(&a);
	return offset;
}

static int
fetch(char **v)
{
	int fd = dial(v[0]);
	struct buf request = BUF_INIT, response = BUF_INIT;
	int64_t offset = 0, bytes = 0, last = -1, start = clock_mono_ns();
	while (offset != last) {
		struct fetch_request_partition p = { .fetch_offset = offset,
			.current_leader_epoch = -1, .last_fetched_epoch = -1, .log_start_offset = -1,
			.partition_max_bytes = FETCH_BYTES };
		struct fetch_request_topic t = { .topic = str_of(v[1]), .partitions = { &p, 1 } };
		struct fetch_request q;
		wire_defaults(&fetch_request_desc, &q);
		q.max_bytes = FETCH_BYTES;
		q.min_bytes = 1;
		q.session_epoch = -1;
		q.topics.v = &t;
		q.topics.n = 1;
		q.rack_id = STR("");
		last = offset;
		buf_reset(&request);
		put_request(&request, 1, 11, &q);
		send_all(fd, request.p, request.n);
		get_response(fd, &response);
		offset = fetch_next(&response, offset, &bytes);
	}
	printf("%lld %.6f\n", (long long)bytes, since_s(start));
	return 0;
}

struct lane {
	int fd;
	struct buf request;
	int in_flight;
};

static int
produce(char **v)
{
	int npart = MIN(atoi(v[2]), PART_MAX), in_flight = atoi(v[4]), acks = atoi(v[6]);
	size_t batch = (size_t)atoll(v[3]);
	long long left = atoll(v[5]), done = 0;
	struct lane *lane = mem_alloc((size_t)npart * sizeof *lane);
	struct pollfd *p = mem_alloc((size_t)npart * sizeof *p);
	struct buf response = BUF_INIT;
	for (int i = 0; i < npart; i++) {
		lane[i].fd = dial(v[0]);
		put_produce(&lane[i].request, v[1], i, batch, (int16_t)acks);
		p[i] = (struct pollfd){ lane[i].fd, POLLIN, 0 };
	}
	int64_t start = clock_mono_ns();
	for (int busy = npart; busy > 0;) {
		busy = 0;
		for (int i = 0; i < npart; i++) {
			for (; lane[i].in_flight < in_flight && left > 0; lane[i].in_flight++) {
				send_all(lane[i].fd, lane[i].request.p, lane[i].request.n);
				left -= (long long)lane[i].request.n;
				done += (long long)lane[i].request.n;
			}
			busy += lane[i].in_flight > 0;
		}
		if (!busy || poll(p, (nfds_t)npart, -1) < 0)
			break;
		for (int i = 0; i < npart; i++)
			if (p[i].revents) {
				get_response(lane[i].fd, &response);
				check_produced(&response);
				lane[i].in_flight--;
			}
	}
	printf("%lld %.6f\n", done, since_s(start));
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct { const char *name; int nargs; int (*run)(char **v); } mode[] = {
		{ "sink", 2, sink }, { "blast", 2, blast }, { "source", 3, source },
		{ "drain", 1, drain }, { "fetch", 2, fetch }, { "pong", 1, pong },
		{ "ping", 3, ping }, { "latency", 3, latency }, { "produce", 7, produce },
	};
	say_init(argv[0]);
	for (size_t i = 0; i < ARRAY_LEN(mode); i++)
		if (argc == mode[i].nargs + 2 && strcmp(argv[1], mode[i].name) == 0)
			return mode[i].run(argv + 2) || say_flush_stdout();
	say_error("see the head of t/bench/load.c");
	return EXIT_USAGE;
}
