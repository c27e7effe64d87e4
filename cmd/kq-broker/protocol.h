/*
 * Prints which of Kafka's APIs are served, from the table in dispatch.c and from
 * share/apis.tab: for --help=protocol and for the manual.
 */
#ifndef KQ_BROKER_PROTOCOL_H
#define KQ_BROKER_PROTOCOL_H

/* One line an API: key, name, versions served, Kafka's versions, why they differ. */
void protocol_print_help(void);
void protocol_print_mdoc(void); /* the same, for the manual */

#endif
