#include "text/ask.h"

#include "text/say.h"

#include <stdio.h>
#include <unistd.h>

int
ask_delete(int n, char **names, const char *kind, const char *what)
{
	char line[16];
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
		say_error("there is nobody to ask: to delete, give --yes");
		return EXIT_USAGE;
	}
	if (n == 1)
		fprintf(stderr, "Delete the %s '%s' with all its %s? [y/N] ", kind, names[0], what);
	else {
		for (int i = 0; i < n; i++)
			fprintf(stderr, "%s\n", names[i]);
		fprintf(stderr, "Delete these %d %ss with all their %s? [y/N] ", n, kind, what);
	}
	if (fgets(line, sizeof line, stdin) && (strcmp(line, "y\n") == 0 || strcmp(line, "yes\n") == 0))
		return 0;
	say_error("nothing is deleted");
	return EXIT_FAILED;
}
