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

/* "user 'alice'", or "user 1000" when the database has no name for it;
 * NUL-terminated in z, returned. */
char *user_text(uid_t uid, char z[USER_TEXT_SIZE]);

/* The home directory of this process's user, from HOME, else from the database;
 * NUL-terminated in z.  False: there is none. */
bool user_home(char z[USER_HOME_SIZE]);

#endif
