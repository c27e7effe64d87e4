/*
 * The socket by which kq-stream's other verbs look into a running application, and stop it.
 *
 * A thread of its own serves it; while nobody asks, it sleeps.  What the application's
 * threads have is told by them, between two batches (worker_ask): nobody else looks at it,
 * and records wait for no lock.  A thread that does not answer in time is "busy".
 *
 * The protocol.  A request is one line, a JSON object: {"verb": VERB, ...}.  The answer is
 * any number of rows, each a line that begins with a blank, and then one JSON object as a
 * line; its member "error", a sentence, says that it failed.  Further requests may follow.
 *	describe           facts and numbers of the process, and of each task
 *	stores             the stores that query can show
 *	query              rows of a store of one task: "store", "task"; "key", or "from" and
 *	                   "to"; "start_ms", "end_ms"; "is_json"; "limit"; "cursor": of the answer
 *	                   before.  The answer has a "cursor" if there are more
 *	stop               a clean stop; the connection is closed when the process has ended
 *
 * Uses: control_dir, worker; text/json.
 */
#ifndef KQ_STREAM_CMD_CONTROL_H
#define KQ_STREAM_CMD_CONTROL_H

#include "kq-stream/worker.h"

enum {
	CONTROL_LINE_MAX = 256 << 10,  /* bytes of a request, and of an answer without its rows */
	CONTROL_ASK_MS = 2000,         /* a thread answers within this time, or is busy */
};

struct control;

/* Serve the socket of the application, whose threads are worker[0..n).  They must stay until
 * it is closed.  *stop_fd, an event descriptor, is written when someone asks to stop.
 * NULL: there is no socket, as *e says. */
struct control *control_open(struct running *app, struct worker **worker, int n, int stop_fd,
	struct err *e);

/* Remove the socket.  Connections of those that asked to stop are closed by the end of the
 * process. */
void control_close(struct control *control); /* NULL: no effect */

#endif
