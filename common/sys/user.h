/*
 * Users, as the password database knows them.
 *
 * Uses: base.  Any thread.
 */
#ifndef KQ_SYS_USER_H
#define KQ_SYS_USER_H

#include "base/base.h"

#include <sys/types.h>

enum { USER_TEXT_SIZE = 80, USER_HOME_SIZE = 1024 };

/* Write "user 'alice'", or "user 1000" if the database has no name for it,
 * NUL-terminated, to z; returns z. */
char *user_text(uid_t uid, char z[USER_TEXT_SIZE]);

/* Write the home directory of this process's user, from HOME or else from the
 * database, NUL-terminated, to z.  False: there is none. */
bool user_home(char z[USER_HOME_SIZE]);

#endif
