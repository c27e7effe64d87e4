/*
 * Asking a person before something is destroyed.
 *
 * Uses: say, libc.  One thread.
 */
#ifndef KQ_TEXT_ASK_H
#define KQ_TEXT_ASK_H

/* "Delete the KIND 'name' with all its WHAT? [y/N]", on the terminal; of
 * several, their names come first.  0: yes; else an exit code, after saying
 * why: nobody is there to ask (EXIT_USAGE), or the answer was no. */
int ask_delete(int n, char **names, const char *kind, const char *what);

#endif
