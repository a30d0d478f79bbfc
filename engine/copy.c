/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets the stage, lets the workers run, and meanwhile sleeps in poll() until a signal, a tick or
 * the end. Whatever a worker touches was made here and is torn down here after it has left.
 */
#include "copy.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../core/clock.h"
#include "../core/diag.h"
#include "../core/status.h"
#include "buffer.h"
#include "signals.h"
#include "worker.h"

struct copy {
	const struct plan *plan;
	const struct span *span;
	struct endpoint *end[2];
	struct recipe recipe;
	struct slot *slots;	/* plan->depth */
	struct slot **rings;	/* one for each slot, shared out like the slots */
	struct worker *workers; /* plan->workers */
	struct buffers memory;
	struct first_fault first;
	struct feed feed;
	int done_fd;
	nsec_t started_ns, stopped_ns; /* stopped: time spent in Ctrl-Z */
	struct rusage before;
	int ended_by; /* signal */
};

/* --- set-up --- */

static void recipe_make(struct copy *c, const struct policy *policy)
{
	struct recipe *r = &c->recipe;

	r->policy = *policy;
	r->start_bytes[0] = c->span->in_bytes;
	r->start_bytes[1] = c->span->out_bytes;
	r->out_block_bytes =
		c->plan->writes || c->plan->job == JOB_COMPARE ? c->span->out_block_bytes : 1;
	r->pad = c->span->pad;
	r->must_end = c->span->must_end;
	r->feed = &c->feed;
	if (c->plan->reads) {
		r->step[r->steps].side = 0;
		r->step[r->steps++].op = XFER_READ;
	}
	r->compare = c->plan->job == JOB_COMPARE;
	r->compare_bytes =
		c->span->out_block_bytes > 1 ? c->span->out_block_bytes : c->span->ibs_bytes;
	if (c->plan->writes || r->compare) {
		r->step[r->steps].side = 1;
		r->step[r->steps++].op = r->compare ? XFER_READ : XFER_WRITE;
	}
	assert(r->steps > 0);
}

static int out_of_memory(int *exit_status)
{
	diag_errno(NULL, ENOMEM, "no memory for the transfers (lower qd= or bpt=)");
	*exit_status = exit_status_from_errno(ENOMEM);
	return -1;
}

static int open_lanes(struct copy *c, struct slot *s, int *exit_status)
{
	const struct lane_spec *spec[2] = { &c->plan->in, &c->plan->out };

	for (unsigned i = 0; i < c->recipe.steps; i++) {
		unsigned side = c->recipe.step[i].side;
		struct endpoint *ep = c->end[side];

		s->lane[side] = ep->ops->lane_open(ep, spec[side]);
		if (!s->lane[side]) {
			*exit_status = ep->exit_status;
			return -1;
		}
	}
	return 0;
}

static void place_each(struct copy *c, struct slot *s, unsigned index)
{
	unsigned at = index * c->plan->user_buffers;

	for (unsigned side = 0; side < 2; side++)
		s->buf[side] =
			s->lane[side]->buf ? s->lane[side]->buf : buffers_at(&c->memory, at++);
}

static void place_buffers(struct copy *c, struct slot *s, unsigned index)
{
	switch (c->plan->buffer) {
	case BUFFER_IN: s->buf[0] = s->buf[1] = s->lane[0]->buf; break;
	case BUFFER_OUT: s->buf[0] = s->buf[1] = s->lane[1]->buf; break;
	case BUFFER_BOTH:
		s->buf[0] = s->lane[0]->buf;
		s->buf[1] = s->lane[1]->buf;
		break;
	case BUFFER_USER: s->buf[0] = s->buf[1] = buffers_at(&c->memory, index); break;
	case BUFFER_EACH: place_each(c, s, index); break;
	}
}

/* A pinned mapped buffer was planned on one probe; each lane has its own buffer. */
static bool lanes_keep_promise(const struct copy *c, const struct slot *s)
{
	return (!c->plan->in.must_pin || s->lane[0]->pinnable) &&
	       (!c->plan->out.must_pin || s->lane[1]->pinnable);
}

static enum copy_opened open_slots(struct copy *c, int *exit_status)
{
	const struct plan *p = c->plan;

	unsigned users = p->buffer == BUFFER_USER ? 1 : p->user_buffers;

	if (users && buffers_alloc(&c->memory, p->depth * users, p->chunk_bytes) < 0) {
		out_of_memory(exit_status);
		return COPY_FAILED;
	}
	for (unsigned i = 0; i < p->depth; i++) {
		struct slot *s = &c->slots[i];

		s->recipe = &c->recipe;
		if (open_lanes(c, s, exit_status) < 0)
			return COPY_FAILED;
		if (!lanes_keep_promise(c, s)) {
			c->end[p->buffer == BUFFER_IN ? 0 : 1]->facts.pinnable = false;
			return COPY_REPLAN;
		}
		place_buffers(c, s, i);
	}
	return COPY_READY;
}

static void share_out(struct copy *c)
{
	unsigned at = 0;

	for (unsigned i = 0; i < c->plan->workers; i++) {
		struct worker *w = &c->workers[i];

		w->feed = &c->feed;
		w->first = &c->first;
		w->done_fd = c->done_fd;
		w->in_order = c->plan->in_order;
		w->slots = c->slots + at;
		w->ring = c->rings + at;
		w->nslots = c->plan->depth / c->plan->workers +
			    (i < c->plan->depth % c->plan->workers ? 1 : 0);
		for (unsigned k = 0; k < w->nslots; k++) {
			w->slots[k].counters[0] = &w->counters[0];
			w->slots[k].counters[1] = &w->counters[1];
			w->slots[k].miscompare = &w->miscompare;
		}
		at += w->nslots;
	}
	assert(at == c->plan->depth);
}

static struct copy *copy_alloc(const struct plan *p)
{
	struct copy *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->done_fd = -1;
	c->plan = p;
	pthread_mutex_init(&c->first.lock, NULL);
	c->slots = calloc(p->depth, sizeof(*c->slots));
	c->rings = calloc(p->depth, sizeof(struct slot *));
	c->workers = aligned_alloc(_Alignof(struct worker), p->workers * sizeof(*c->workers));
	if (c->workers)
		memset(c->workers, 0, p->workers * sizeof(*c->workers));
	return c;
}

enum copy_opened copy_open(const struct plan *p, const struct span *s, struct endpoint *in,
	struct endpoint *out, const struct policy *policy, struct copy **out_copy, int *exit_status)
{
	struct copy *c = copy_alloc(p);
	enum copy_opened opened;

	if (!c || !c->slots || !c->rings || !c->workers) {
		out_of_memory(exit_status);
		if (c)
			copy_close(c);
		return COPY_FAILED;
	}
	c->span = s;
	c->end[0] = in;
	c->end[1] = out;
	recipe_make(c, policy);
	opened = open_slots(c, exit_status);
	if (opened == COPY_READY)
		*out_copy = c;
	else
		copy_close(c);
	return opened;
}

void copy_set_digest(struct copy *c, struct digest *d)
{
	assert(c->plan->in_order && c->plan->reads);
	c->recipe.digest = d;
}

void copy_close(struct copy *c)
{
	for (unsigned i = 0; c->slots && i < c->plan->depth; i++)
		for (unsigned side = 0; side < 2; side++) {
			struct lane *lane = c->slots[i].lane[side];

			if (lane)
				lane->ep->ops->lane_close(lane);
		}
	buffers_free(&c->memory);
	if (c->done_fd >= 0)
		close(c->done_fd);
	pthread_mutex_destroy(&c->first.lock);
	free(c->workers);
	free(c->rings);
	free(c->slots);
	free(c);
}

/* --- the run --- */

static void sum_up(const struct copy *c, unsigned side, struct counters *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (unsigned i = 0; i < c->plan->workers; i++) {
		const struct counters *k = &c->workers[i].counters[side];

		counter_add(&sum->bytes, counter_get(&k->bytes));
		counter_add(&sum->commands, counter_get(&k->commands));
		counter_add(&sum->retries, counter_get(&k->retries));
		counter_add(&sum->recovered, counter_get(&k->recovered));
		counter_add(&sum->unrecovered, counter_get(&k->unrecovered));
		counter_add(&sum->resets, counter_get(&k->resets));
		counter_add(&sum->not_direct_bytes, counter_get(&k->not_direct_bytes));
		counter_add(&sum->fell_back, counter_get(&k->fell_back));
	}
}

static struct copy_progress progress_now(const struct copy *c)
{
	struct counters in, out;

	sum_up(c, 0, &in);
	sum_up(c, 1, &out);
	return (struct copy_progress){
		.in_bytes = counter_get(&in.bytes),
		.out_bytes = counter_get(&out.bytes),
		.total_bytes = c->span->len_bytes,
		.elapsed_ns = clock_now_ns() - c->started_ns - c->stopped_ns,
	};
}

/* Ctrl-Z: a stop in the middle of SG_IO would make the kernel send the command again. */
static void stop_and_go(struct copy *c)
{
	nsec_t since = clock_now_ns();

	if (!feed_pause(&c->feed))
		return;
	raise(SIGSTOP);
	c->stopped_ns += clock_now_ns() - since;
	feed_resume(&c->feed);
}

static void take_signal(struct copy *c, const struct copy_watch *watch, int signal_number)
{
	struct copy_progress p;

	switch (signal_number) {
	case SIGUSR1:
		p = progress_now(c);
		watch->report(watch->arg, &p);
		break;
	case SIGTSTP: stop_and_go(c); break;
	default:
		c->ended_by = signal_number;
		feed_stop(&c->feed);
		c->end[0]->hurry = c->end[1]->hurry = true;
		signals_unblock_deadly();
		break;
	}
}

static int ms_until(nsec_t when, nsec_t now)
{
	return when <= now ? 0 : (int)((when - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
}

/* Until as many workers as were started have left. */
static void attend(struct copy *c, const struct signals *sigs, const struct copy_watch *watch,
	unsigned started)
{
	struct pollfd fds[2] = { { c->done_fd, POLLIN, 0 }, { sigs->fd, POLLIN, 0 } };
	nsec_t next_tick = c->started_ns + watch->tick_ns;
	uint64_t left = 0, n;
	int signal_number;

	while (left < started) {
		nsec_t now = clock_now_ns();

		if (watch->tick_ns && now >= next_tick) {
			struct copy_progress p = progress_now(c);

			watch->tick(watch->arg, &p);
			next_tick = now + watch->tick_ns;
		}
		(void)poll(fds, 2, watch->tick_ns ? ms_until(next_tick, now) : -1);
		while ((signal_number = signals_next(sigs)) != 0)
			take_signal(c, watch, signal_number);
		if (read(c->done_fd, &n, sizeof(n)) == (ssize_t)sizeof(n))
			left += n;
	}
}

static unsigned start_workers(struct copy *c, int *err)
{
	unsigned started = 0;

	*err = 0;
	while (started < c->plan->workers && *err == 0) {
		struct worker *w = &c->workers[started];

		*err = pthread_create(&w->thread, NULL, worker_run, w);
		if (*err == 0)
			started++;
	}
	/* The others go on without those that could not be had; none at all is the caller's news.
	 */
	for (unsigned i = started; i < c->plan->workers; i++)
		feed_leave(&c->feed);
	return started;
}

struct flush_job {
	struct copy *copy;
	struct copy_result *result;
};

static void *flush_run(void *arg)
{
	struct flush_job *job = arg;
	struct endpoint *out = job->copy->end[1];
	nsec_t since = clock_now_ns();

	job->result->flushed = true;
	(void)out->ops->flush(out, &job->result->flush_fault); /* its verdict is in the fault */
	job->result->flush_ns = clock_now_ns() - since;
	done_tell(job->copy->done_fd);
	return NULL;
}

/* In a thread of its own, if one can be had: it may take minutes, and signals are to be heard. */
static void flush(struct copy *c, const struct signals *sigs, const struct copy_watch *watch,
	struct copy_result *r)
{
	struct flush_job job = { c, r };
	pthread_t thread;

	if (pthread_create(&thread, NULL, flush_run, &job) != 0) {
		flush_run(&job);
		return;
	}
	attend(c, sigs, watch, 1);
	pthread_join(thread, NULL);
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
	attend(c, sigs, watch, started);
	for (unsigned i = 0; i < started; i++)
		pthread_join(c->workers[i].thread, NULL);
	return 0;
}

static nsec_t timeval_diff_ns(const struct timeval *a, const struct timeval *b)
{
	return (b->tv_sec - a->tv_sec) * NSEC_PER_SEC + (b->tv_usec - a->tv_usec) * 1000;
}

static nsec_t ended_ns(const struct copy *c)
{
	nsec_t last = c->started_ns;

	for (unsigned i = 0; i < c->plan->workers; i++)
		if (c->workers[i].ended_ns > last)
			last = c->workers[i].ended_ns;
	return last;
}

static void result_fill(struct copy *c, struct copy_result *r)
{
	struct rusage after;

	memset(r, 0, sizeof(*r));
	sum_up(c, 0, &r->in);
	sum_up(c, 1, &r->out);
	r->elapsed_ns = ended_ns(c) - c->started_ns - c->stopped_ns;
	getrusage(RUSAGE_SELF, &after);
	r->user_ns = timeval_diff_ns(&c->before.ru_utime, &after.ru_utime);
	r->system_ns = timeval_diff_ns(&c->before.ru_stime, &after.ru_stime);
	for (unsigned i = 0; i < c->plan->workers; i++)
		compare_add(&r->miscompare, &c->workers[i].miscompare);
	r->source_ended = c->feed.source_ended;
	r->failed_end = c->first.ep;
	r->failed = c->first.x;
}

int copy_run(
	struct copy *c, const struct copy_watch *watch, bool flush_at_end, struct copy_result *r)
{
	struct signals sigs;
	int err;

	c->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (c->done_fd < 0 || signals_take(&sigs) < 0)
		return errno;
	feed_init(&c->feed, c->span->len_bytes, c->plan->chunk_bytes, c->plan->workers);
	share_out(c);
	err = run_workers(c, &sigs, watch);
	result_fill(c, r);
	if (err == 0 && flush_at_end && c->plan->writes && counter_get(&r->out.commands) > 0)
		flush(c, &sigs, watch, r);
	take_late_signals(c, &sigs, watch);
	r->signal = c->ended_by;
	feed_destroy(&c->feed); /* signals reach it during the flush too */
	signals_give_back(&sigs);
	return err;
}
