/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lets the workers run, and meanwhile sleeps in poll() until a signal, a tick or the end.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../core/clock.h"
#include "copy_state.h"

static struct copy_progress progress_now(struct copy *c)
{
	struct copy_progress now = {
		.total_bytes = c->span->len_bytes,
		.before_bytes = c->before_bytes,
		.elapsed_ns = clock_now_ns() - c->started_ns - c->stopped_ns,
	};
	struct counters sum;

	now.bad_bytes = feed_bytes(&c->feed, RANGE_IS(RANGE_BAD) | RANGE_IS(RANGE_FAILED));
	copy_sum_up(c, 0, &sum);
	now.in_bytes = counter_get(&sum.bytes);
	for (unsigned side = 1; side < c->sides.n; side++) {
		copy_sum_up(c, side, &sum);
		now.out_bytes = max_u64(now.out_bytes, counter_get(&sum.bytes));
	}
	return now;
}

/* Ctrl-Z: a stop in the middle of SG_IO would make the kernel send the command again. */
static void stop_and_go(struct copy *c)
{
	nsec_t since = clock_now_ns();

	if (!feed_pause(&c->feed))
		return;
	raise(SIGSTOP);
	c->stopped_ns += clock_now_ns() - since;
	stalls_forget(&c->stalls, clock_now_ns());
	feed_resume(&c->feed);
}

static void take_signal(struct copy *c, const struct copy_watch *watch, int signal_number)
{
	struct copy_progress p;

	switch (signal_number) {
	case SIGUSR1:
		p = progress_now(c);
		watch->report(watch->arg, &p);
		if (c->keeper.save)
			saver_now(&c->saver);
		break;
	case SIGTSTP: stop_and_go(c); break;
	default:
		c->ended_by = signal_number;
		signals_heard(&c->signals, clock_now_ns());
		feed_stop(&c->feed);
		for (unsigned side = 0; side < c->sides.n; side++)
			c->sides.end[side]->hurry = true;
		break;
	}
}

static void tell_since(struct copy *c, const struct incidents *list, uint64_t *told,
	void (*tell)(void *arg, uint64_t nth, const struct incident *l), void *arg)
{
	uint64_t kept = failures_kept(&c->failures, list);

	for (; *told < kept; ++*told)
		tell(arg, *told + 1, &list->first[*told]);
}

static void tell_losses(struct copy *c, const struct copy_watch *watch)
{
	tell_since(c, &c->failures.lost, &c->told_losses, watch->lost, watch->arg);
	tell_since(c, &c->failures.recovered, &c->told_recovered, watch->recovered, watch->arg);
}

static void tell_stalls(struct copy *c, const struct copy_watch *watch, nsec_t now_ns)
{
	struct stall stall;

	if (now_ns < c->look_ns)
		return;
	while (stalls_look(&c->stalls, now_ns, &stall))
		watch->stalled(watch->arg, &stall);
	c->look_ns = now_ns + STALL_LOOK_NS;
}

static int ms_until(nsec_t when, nsec_t now)
{
	return when <= now ? 0 : (int)((when - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
}

/* Until as many workers as were started have left. */
void copy_attend(struct copy *c, const struct signals *sigs, const struct copy_watch *watch,
	unsigned started)
{
	struct pollfd fds[2] = { { c->done_fd, POLLIN, 0 }, { sigs->fd, POLLIN, 0 } };
	nsec_t next_tick = c->started_ns + watch->tick_ns, next;
	uint64_t left = 0, n;
	int signal_number;

	while (left < started) {
		nsec_t now = clock_now_ns();

		if (watch->tick_ns && now >= next_tick) {
			struct copy_progress p = progress_now(c);

			watch->tick(watch->arg, &p);
			next_tick = now + watch->tick_ns;
		}
		tell_stalls(c, watch, now);
		next = watch->tick_ns && next_tick < c->look_ns ? next_tick : c->look_ns;
		(void)poll(fds, 2, ms_until(next, now));
		while ((signal_number = signals_next(sigs)) != 0)
			take_signal(c, watch, signal_number);
		tell_losses(c, watch);
		if (read(c->done_fd, &n, sizeof(n)) == (ssize_t)sizeof(n))
			left += n;
	}
	tell_losses(c, watch);
}

static unsigned start_workers(struct copy *c, int *err)
{
	unsigned started = 0;

	*err = 0;
	while (started < c->plan->workers && *err == 0) {
		struct worker *w = &c->workers[started];

		w->done_fd = c->done_fd;
		*err = pthread_create(&w->thread, NULL, worker_run, w);
		if (*err == 0)
			started++;
	}
	/* The others go on without those that could not be had; none at all is the caller's news.
	 */
	for (unsigned i = started; i < c->plan->workers; i++) {
		c->missing_depth += c->workers[i].nslots;
		c->recipe.depth -= c->workers[i].nslots;
		feed_leave(&c->feed);
	}
	return started;
}

/* What came in after the last wait must not kill before the report. */
static void take_late_signals(
	struct copy *c, const struct signals *sigs, const struct copy_watch *watch)
{
	int signal_number;

	while ((signal_number = signals_next(sigs)) != 0)
		if (signal_number != SIGTSTP)
			take_signal(c, watch, signal_number);
}

static int run_workers(struct copy *c, const struct signals *sigs, const struct copy_watch *watch)
{
	unsigned started;
	int err;

	c->before_bytes = feed_bytes(&c->feed, RANGE_IS(RANGE_DONE));
	c->started_ns = clock_now_ns();
	started = start_workers(c, &err);
	if (started == 0)
		return err;
	/* All are waiting: from here on time is that of the transfers. */
	if (feed_pause(&c->feed)) {
		getrusage(RUSAGE_SELF, &c->before);
		c->started_ns = clock_now_ns();
		feed_resume(&c->feed);
	}
	stalls_forget(&c->stalls, c->started_ns);
	copy_attend(c, sigs, watch, started);
	for (unsigned i = 0; i < started; i++)
		pthread_join(c->workers[i].thread, NULL);
	return 0;
}

static bool make_own_map(struct copy *c)
{
	uint64_t total;

	c->map.ranges = &c->own_map;
	return checked_add(c->span->in_bytes, c->span->len_bytes, &total) &&
	       ranges_init(&c->own_map, total);
}

static void start_saver(struct copy *c)
{
	const struct saver_run run = {
		.feed = &c->feed,
		.sides = &c->sides,
		.writes = c->recipe.writes,
		.out_bytes = c->span->out_bytes,
		.workers = c->workers,
		.nworkers = c->plan->workers,
		.turns = c->turns,
		.stalls = &c->stalls,
		.done_fd = c->done_fd,
	};

	if (c->keeper.save)
		saver_start(&c->saver, &run, &c->keeper);
}

/* It may be in a flush, which takes its time: signals are to be heard. */
static void stop_saver(struct copy *c, const struct signals *sigs, const struct copy_watch *watch)
{
	if (!c->keeper.save)
		return;
	if (saver_end(&c->saver))
		copy_attend(c, sigs, watch, 1);
	saver_stop(&c->saver);
}

int copy_run(
	struct copy *c, const struct copy_watch *watch, bool flush_at_end, struct copy_result *r)
{
	int err;

	memset(r, 0, sizeof(*r));
	if (!c->map.ranges && !make_own_map(c))
		return ENOMEM;
	c->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (c->done_fd < 0 || signals_take(&c->signals) < 0)
		return errno;
	feed_init(&c->feed, c->span->len_bytes, c->plan->chunk_bytes, c->plan->workers);
	feed_set_map(&c->feed, &c->map);
	start_saver(c);
	err = run_workers(c, &c->signals, watch);
	stop_saver(c, &c->signals, watch);
	copy_result_fill(c, r);
	if (err == 0)
		copy_end(c, &c->signals, watch, flush_at_end, r);
	take_late_signals(c, &c->signals, watch);
	r->signal = c->ended_by;
	feed_destroy(&c->feed); /* signals reach it during the flush too */
	signals_give_back(&c->signals);
	return err;
}
