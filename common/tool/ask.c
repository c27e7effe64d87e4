#include "tool/ask.h"

#include "text/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

bool
ask_has_terminal(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

int
ask_check(bool is_sure, bool is_dry)
{
	if (is_sure && is_dry)
		say_error("only one of --yes and --dry-run");
	else if (!is_sure && !is_dry && !ask_has_terminal())
		say_error("confirmation is required and there is no terminal: give --yes, or --dry-run "
			"to see what would be deleted");
	else
		return 0;
	return EXIT_USAGE;
}

int
ask(const char *fmt, ...)
{
	char line[16];
	va_list ap;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs(" [y/N] ", stderr);
	if (fgets(line, sizeof line, stdin) && (strcmp(line, "y\n") == 0 || strcmp(line, "yes\n") == 0))
		return 0;
	say_error("nothing was changed");
	return EXIT_FAILED;
}

int
ask_delete(int n, char **names, const char *kind, const char *what)
{
	if (n == 1)
		return ask("Delete the %s '%s' with all its %s?", kind, names[0], what);
	for (int i = 0; i < n; i++)
		fprintf(stderr, "%s\n", names[i]);
	return ask("Delete these %d %ss with all their %s?", n, kind, what);
}
