/*
 * A plan drawn: as a tree of text, or as a graph in Graphviz's language.
 *
 * Uses: program.
 */
#ifndef KQ_STREAM_CMD_EXPLAIN_H
#define KQ_STREAM_CMD_EXPLAIN_H

#include "kq-stream/program.h"

/* Append the sub-topologies as trees, and the topics that the application reads, writes and
 * creates. */
int explain_text(const struct program *program, struct buf *out, struct err *e);

/* Append the graph for dot. */
void explain_dot(const struct program *program, struct buf *out);

/* Print the graph as SVG to stdout, by running dot.  -1: ERR_USAGE if there is no dot. */
int explain_svg(const struct program *program, struct err *e);

#endif
