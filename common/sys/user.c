#include "sys/user.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ENTRY_SIZE = 16384 };

char *
user_text(uid_t uid, char z[USER_TEXT_SIZE])
{
	char text[ENTRY_SIZE];
	struct passwd entry, *found = NULL;
	if (getpwuid_r(uid, &entry, text, sizeof text, &found) == 0 && found)
		snprintf(z, USER_TEXT_SIZE, "user '%s'", entry.pw_name);
	else
		snprintf(z, USER_TEXT_SIZE, "user %u", (unsigned)uid);
	return z;
}

bool
user_home(char z[USER_HOME_SIZE])
{
	char text[ENTRY_SIZE];
	struct passwd entry, *found = NULL;
	const char *home = getenv("HOME");
	if (!home || *home != '/') {
		if (getpwuid_r(getuid(), &entry, text, sizeof text, &found) != 0 || !found)
			return false;
		home = entry.pw_dir;
	}
	size_t n = strlen(home);
	if (n == 0 || n >= USER_HOME_SIZE)
		return false;
	memcpy(z, home, n + 1);
	return true;
}
