/*
 * What is served of Kafka's protocol, for people: from the table in dispatch.c and from
 * share/apis.tab.
 */
#ifndef KQ_BROKER_PROTOCOL_H
#define KQ_BROKER_PROTOCOL_H

/* A line an API: key, name, the versions served, Kafka's, and why they differ. */
void protocol_print_help(void);
void protocol_print_mdoc(void); /* the same, for the manual */

#endif
