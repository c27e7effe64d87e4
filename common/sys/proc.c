#include "sys/proc.h"

#include "sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { PAUSE_MS_MAX = 20 };

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int
spawn(struct proc *proc, const char *command, int in_fd, int out_fd, struct err *e)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t pipes, none;
	char sh[] = "sh", c[] = "-c";
	char *argv[] = { sh, c, (char *)(uintptr_t)command, NULL };
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_adddup2(&files, in_fd, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, out_fd, STDOUT_FILENO);
	/* The child does not inherit what we ignore or block. */
	sigemptyset(&pipes);
	sigaddset(&pipes, SIGPIPE);
	sigemptyset(&none);
	posix_spawnattr_setsigdefault(&attr, &pipes);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF
		| POSIX_SPAWN_SETSIGMASK);
	int rc = posix_spawn(&proc->pid, "/bin/sh", &files, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	if (rc == 0)
		return 0;
	errno = rc;
	proc->pid = 0;
	return err_sys(e, "cannot run '%.60s'", command);
}

/* A pipe with descriptors above 2: the child's dup2 would close 0, 1 or 2. */
static int
make_pipe(int fd[2], struct err *e)
{
	if (pipe2(fd, O_CLOEXEC) < 0)
		return err_sys(e, "cannot create a pipe");
	for (int i = 0; i < 2; i++) {
		if (fd[i] > STDERR_FILENO)
			continue;
		int moved = fcntl(fd[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (moved < 0) {
			err_sys(e, "cannot create a pipe");
			close(fd[0]);
			close(fd[1]);
			return -1;
		}
		close(fd[i]);
		fd[i] = moved;
	}
	return 0;
}

int
proc_open(struct proc *proc, const char *command, struct err *e)
{
	int in[2], out[2];
	*proc = (struct proc)PROC_INIT;
	if (make_pipe(in, e) < 0)
		return -1;
	if (make_pipe(out, e) < 0) {
		close(in[0]);
		close(in[1]);
		return -1;
	}
	int rc = spawn(proc, command, in[0], out[1], e);
	close(in[0]);
	close(out[1]);
	proc->in_fd = in[1];
	proc->out_fd = out[0];
	if (rc == 0 && (fcntl(proc->in_fd, F_SETFL, O_NONBLOCK) < 0
		|| fcntl(proc->out_fd, F_SETFL, O_NONBLOCK) < 0))
		rc = err_sys(e, "cannot create a pipe non-blocking");
	if (rc < 0)
		proc_kill(proc);
	return rc;
}

void
proc_close_in(struct proc *proc)
{
	close_fd(&proc->in_fd);
}

bool
proc_wait(struct proc *proc, int timeout_ms)
{
	int64_t until = clock_mono_ms() + timeout_ms;
	for (int64_t pause_ms = 1; proc->pid > 0; pause_ms = MIN(2 * pause_ms, PAUSE_MS_MAX)) {
		pid_t rc = waitpid(proc->pid, &proc->status, WNOHANG);
		if (rc == proc->pid || (rc < 0 && errno == ECHILD)) {
			proc->pid = 0;
			break;
		}
		int64_t left = until - clock_mono_ms();
		if (left <= 0)
			return false;
		int64_t ns = MIN(left, pause_ms) * 1000000;
		nanosleep(&(struct timespec){ .tv_nsec = (long)ns }, NULL);
	}
	return true;
}

void
proc_kill(struct proc *proc)
{
	close_fd(&proc->in_fd);
	close_fd(&proc->out_fd);
	if (proc->pid <= 0)
		return;
	kill(-proc->pid, SIGKILL);
	while (waitpid(proc->pid, &proc->status, 0) < 0 && errno == EINTR)
		;
	proc->pid = 0;
}

char *
proc_status_text(int status, char z[PROC_TEXT_SIZE])
{
	if (WIFSIGNALED(status))
		snprintf(z, PROC_TEXT_SIZE, "signal %d", WTERMSIG(status));
	else
		snprintf(z, PROC_TEXT_SIZE, "exit code %d", WEXITSTATUS(status));
	return z;
}
