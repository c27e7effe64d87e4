/* The steps as text for the manual page (mdoc). */
#include "kq-stream/steps.h"

#include <stdio.h>

/* A line of text: groff takes '\' as an escape, and '.' or "'" in front as a request; a
 * sentence begins a line. */
static void
print_text(const char *text, size_t n)
{
	bool is_first = true;
	for (size_t i = 0; i < n; i++) {
		char c = text[i];
		if (is_first && (c == '.' || c == '\''))
			printf("\\&");
		is_first = c == ' ' && i > 1 && i + 1 < n && text[i - 1] == '.' && text[i + 1] == ' ';
		i += is_first;
		if (c == '\\')
			printf("\\e");
		else
			putchar(is_first ? '\n' : c);
	}
	putchar('\n');
}

static void
print_sentence(const char *phrase, const char *choices)
{
	struct buf b = BUF_INIT;
	buf_puts(&b, phrase);
	buf_printf(&b, "%s%s.", choices ? ": " : "", choices ? choices : "");
	if (*b.p >= 'a' && *b.p <= 'z')
		*b.p = (uint8_t)(*b.p - 'a' + 'A');
	print_text((const char *)b.p, b.n);
	buf_release(&b);
}

static void
print_lines(const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		print_text(text, n);
		text += n + (text[n] == '\n');
	}
}

static void
print_args(const struct step_verb *verb)
{
	if (!verb->arg[0].name)
		return;
	printf(".Pp\n.Bl -tag -width Ds -compact\n");
	for (int i = 0; i < STEP_ARGS_MAX && verb->arg[i].name; i++) {
		const struct step_arg *arg = &verb->arg[i];
		printf(".It");
		if (arg->place == STEP_ARG_NAMED)
			printf(" Cm %s", arg->name);
		printf(" Ar %s\n", arg->shown);
		print_sentence(arg->phrase, arg->choices);
	}
	printf(".El\n");
}

void
step_print_mdoc(void)
{
	for (int i = 0; i < STEP_NKIND; i++) {
		const struct step_verb *verb = &step_verbs[i];
		printf(".Ss %s\n", verb->name);
		print_sentence(verb->phrase, NULL);
		printf("%s.Bd -literal -offset indent\n",
			verb->is_yaml_only ? "(Only in a YAML file.)\n" : "");
		print_lines(verb->example);
		printf(".Ed\n");
		print_args(verb);
		if (verb->notes) {
			printf(".Pp\n");
			print_lines(verb->notes);
		}
	}
}
