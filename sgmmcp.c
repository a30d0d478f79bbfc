/* SPDX-License-Identifier: BSD-2-Clause */
/* From the command line to the exit status: options, a run, what verify= asks for. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "core/diag.h"
#include "core/status.h"
#include "engine/signals.h"
#include "rescue.h"
#include "run.h"
#include "verdict.h"
#include "verify.h"

/*
 * One that is closed would be the number of the first file opened, and words for the user would go
 * to a disk. Opened the wrong way round, so that its use fails.
 */
static void hold_standard_descriptors(void)
{
	static const int modes[] = { O_WRONLY, O_RDONLY, O_RDONLY };

	for (int fd = 0; fd < (int)ARRAY_SIZE(modes); fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/dev/null", modes[fd] | O_CLOEXEC);
}

/* A slot takes up to two descriptors. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* A file that may not become so long is an error like others, with a report. */
static void ignore_file_size_signal(void)
{
	signal(SIGXFSZ, SIG_IGN);
}

static int choose_seed(struct options *o)
{
	uint64_t *seed = &o->pattern.seed;

	if (!options_have_seed(o) || o->seed_given)
		return 0;
	if (getrandom(seed, sizeof(*seed), 0) == (ssize_t)sizeof(*seed))
		return 0;
	diag_errno(NULL, errno, "no random seed (give seed=)");
	return exit_status_from_errno(errno);
}

int main(int argc, char **argv)
{
	struct options o;
	struct run r;
	int exit_status;

	ignore_file_size_signal();
	switch (options_parse(&o, argc, (const char **)argv, &exit_status)) {
	case OPTIONS_RUN: break;
	default: return exit_status;
	}
	hold_standard_descriptors();
	raise_descriptor_limit();
	run_init(&r, &o);
	exit_status = choose_seed(&o);
	if (!exit_status)
		exit_status = rescue_read(&r, &o, argc, (const char *const *)argv);
	if (!exit_status)
		exit_status = run(&r);
	if (verify_is_due(&r)) {
		int verify_status = verify_run(&r);

		exit_status = verdict_with_verify(&r, exit_status, verify_status);
	}
	exit_status = rescue_end(&r, exit_status);
	run_close(&r);
	if (verdict_ended_by_reader(&r))
		signals_die(SIGPIPE);
	if (r.result.signal && !exit_status)
		signals_die(r.result.signal);
	return exit_status;
}
