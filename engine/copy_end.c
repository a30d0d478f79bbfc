/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When the workers have left: how long the files are, what is flushed, what the map has to say, and
 * the result.
 */
#include <string.h>

#include "../core/clock.h"
#include "copy_state.h"

void copy_sum_up(const struct copy *c, unsigned side, struct counters *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (unsigned i = 0; i < c->plan->workers; i++)
		counters_add(sum, &c->workers[i].tally[side].count);
}

/* The end of what was dealt with, whatever lies before it. */
static uint64_t last_recorded(const struct copy *c)
{
	unsigned set = RANGE_IS(RANGE_WRITTEN) | RANGE_IS(RANGE_DONE) | RANGE_IS(RANGE_BAD);
	const struct feed_map *m = &c->map;
	struct range x;

	return ranges_last(m->ranges, set, m->at_bytes, m->at_bytes + c->span->len_bytes, &x)
		       ? x.at_bytes + x.len_bytes - m->at_bytes
		       : 0;
}

/*
 * What the run ended before it was dealt with once more. Where nothing is, what the run ended with
 * is all that the map has as failed.
 */
static uint64_t first_put_aside(const struct copy *c)
{
	bool was_shrunk = c->feed.chunk_bytes != c->plan->chunk_bytes;
	unsigned set = RANGE_IS(RANGE_FAILED) | RANGE_IS(RANGE_NONSCRAPED);
	const struct feed_map *m = &c->map;
	struct range x;

	if (!policy_goes_on(&c->recipe.policy) && !was_shrunk)
		return UINT64_MAX;
	return ranges_first(m->ranges, set, m->at_bytes, m->at_bytes + c->span->len_bytes, &x)
		       ? x.at_bytes - m->at_bytes
		       : UINT64_MAX;
}

/* As far as chunks were handed out. */
static uint64_t handed_out_bytes(const struct copy *c)
{
	return c->feed.pass == PASS_FIRST ? min_u64(c->feed.next_bytes, c->feed.end_bytes)
					  : c->feed.end_bytes;
}

/* Not more than was counted, up to the first gap. */
static uint64_t gapless_bytes(const struct copy *c, const struct copy_result *r, unsigned side)
{
	uint64_t bad = c->recipe.fills & side_bit(side) ? 0 : r->bad_bytes;

	return min_u64(counter_get(&r->side[side].count.bytes) + bad, first_put_aside(c));
}

/*
 * How much of it, from the start, a side has of a span that it does not have all of. A run that
 * goes on after errors comes back to the gaps that it leaves: what lies behind them is kept.
 */
static uint64_t begun_bytes(const struct copy *c, const struct copy_result *r, unsigned side)
{
	bool has_gaps = policy_goes_on(&c->recipe.policy) && !c->plan->in_order;
	uint64_t reached = has_gaps ? handed_out_bytes(c) : gapless_bytes(c, r, side);

	for (unsigned i = 0; i < c->plan->workers; i++)
		reached = min_u64(reached, c->workers[i].tally[side].missing_bytes);
	return reached;
}

/* Up to where the destination is as it should be, written, left out or filled. */
static uint64_t reached_bytes(struct copy *c, const struct copy_result *r, unsigned side)
{
	bool went_through = !feed_is_stopped(&c->feed) && !(c->recipe.dropped & side_bit(side));

	if (c->map.records)
		return last_recorded(c);
	if (!went_through)
		return begun_bytes(c, r, side);
	return max_u64(counter_get(&r->side[side].count.bytes), c->feed.end_bytes - r->tail_bytes);
}

/* What came before its turn and is cut off again was not copied. */
static void end_file(struct copy *c, struct copy_result *r, unsigned side)
{
	struct endpoint *ep = c->sides.end[side];
	uint64_t reached = reached_bytes(c, r, side);
	counter_t *bytes = &r->side[side].count.bytes;
	int ret = ep->ops->end(ep, c->span->out_bytes + reached, !c->map.records);

	if (ret < 0)
		r->side[side].end_status = ep->exit_status;
	else if (ret > 0)
		*bytes = min_u64(*bytes, reached);
}

/*
 * What ends in zeros that were left out gets its length all the same; what was made longer before
 * it was written does not keep it, unless by its map a later run will find what is left to be done.
 */
static void end_files(struct copy *c, struct copy_result *r)
{
	for (unsigned side = 1; side < c->sides.n; side++) {
		if (c->recipe.writes & side_bit(side) && c->sides.end[side]->ops->end)
			end_file(c, r, side);
	}
}

struct flush_job {
	struct endpoint *end;
	struct side_result *result;
	struct stalls *stalls;
	unsigned side;
	int done_fd;
	bool has_thread;
	pthread_t thread;
};

static void *flush_run(void *arg)
{
	struct flush_job *job = arg;
	nsec_t since = clock_now_ns();

	stalls_flush(job->stalls, job->side, since);
	job->result->flushed = true;
	(void)job->end->ops->flush(job->end, &job->result->flush_fault); /* the verdict is there */
	job->result->flush_ns = clock_now_ns() - since;
	stalls_flush(job->stalls, job->side, 0);
	done_tell(job->done_fd);
	return NULL;
}

static bool is_to_be_flushed(const struct copy *c, unsigned side, const struct copy_result *r)
{
	return c->recipe.writes & side_bit(side) && c->sides.end[side]->facts.needs_flush &&
	       counter_get(&r->side[side].count.commands) > 0;
}

/*
 * All at the same time, in threads of their own if they can be had: it may take minutes, and
 * signals are to be heard.
 */
static void flush(struct copy *c, const struct signals *sigs, const struct copy_watch *watch,
	struct copy_result *r)
{
	struct flush_job job[SIDES_MAX];
	unsigned jobs = 0;

	for (unsigned side = 1; side < c->sides.n; side++) {
		struct flush_job *j = &job[jobs];

		if (!is_to_be_flushed(c, side, r))
			continue;
		jobs++;
		*j = (struct flush_job){ .end = c->sides.end[side],
			.result = &r->side[side],
			.stalls = &c->stalls,
			.side = side,
			.done_fd = c->done_fd };
		j->has_thread = pthread_create(&j->thread, NULL, flush_run, j) == 0;
		if (!j->has_thread)
			flush_run(j);
	}
	copy_attend(c, sigs, watch, jobs);
	for (unsigned i = 0; i < jobs; i++)
		if (job[i].has_thread)
			pthread_join(job[i].thread, NULL);
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

static void side_fill(const struct copy *c, unsigned side, struct side_result *r)
{
	copy_sum_up(c, side, &r->count);
	for (unsigned i = 0; i < c->plan->workers; i++)
		compare_add(&r->miscompare, &c->workers[i].tally[side].miscompare);
	r->failed = (c->failures.failed & side_bit(side)) != 0;
	r->failure = c->failures.x[side];
}

static void result_of_map(struct copy *c, struct copy_result *r)
{
	const unsigned failed = RANGE_IS(RANGE_FAILED) | RANGE_IS(RANGE_NONSCRAPED);

	r->losses = c->failures.lost.n;
	r->first_loss = c->failures.lost.first[0];
	r->loss_block_bytes = c->map.unit_bytes;
	r->before_bytes = c->before_bytes;
	r->bad_bytes = feed_bytes(&c->feed, RANGE_IS(RANGE_BAD));
	r->undone_bytes = feed_bytes(&c->feed, failed);
	if (c->map.records)
		r->undone_bytes += feed_bytes(&c->feed, RANGE_IS(RANGE_UNTRIED));
	r->limit = c->feed.limit;
	r->chunk_bytes = c->feed.chunk_bytes;
	r->depth = c->recipe.depth;
	r->missing_depth = c->missing_depth;
	r->rewrites_lost = c->map.records;
}

void copy_result_fill(struct copy *c, struct copy_result *r)
{
	struct rusage after;

	getrusage(RUSAGE_SELF, &after);
	r->user_ns = timeval_diff_ns(&c->before.ru_utime, &after.ru_utime);
	r->system_ns = timeval_diff_ns(&c->before.ru_stime, &after.ru_stime);
	r->elapsed_ns = ended_ns(c) - c->started_ns - c->stopped_ns;
	for (unsigned side = 0; side < c->sides.n; side++)
		side_fill(c, side, &r->side[side]);
	r->failed = c->failures.failed != 0;
	r->failed_first = c->failures.first;
	result_of_map(c, r);
	r->source_ended = c->feed.source_ended;
	/* One worker alone knows, if there is a stream. */
	r->source_has_more = c->workers[0].has_more;
	r->tail_bytes = c->workers[0].tail_bytes;
}

/* The last word: what is flushed now is done; where that failed, it is lost. */
static void save_at_end(struct copy *c, const struct copy_result *r)
{
	bool good = true;

	for (unsigned side = 1; side < c->sides.n; side++)
		good = good && r->side[side].end_status == 0 &&
		       (!r->side[side].flushed || fault_is_good(&r->side[side].flush_fault));
	saver_save_last(&c->saver, c->map.ranges, good);
}

static void saver_result(const struct copy *c, struct copy_result *r)
{
	const struct saver *s = &c->saver;

	for (unsigned side = 1; side < c->sides.n; side++)
		counter_add(&r->side[side].count.resets, s->resets[side]);
	if (!s->failed)
		return;
	r->side[s->failed].flushed = true;
	r->side[s->failed].flush_fault = s->fault;
}

/* With the map, if one is kept: no end without a flush and a save. */
void copy_end(struct copy *c, const struct signals *sigs, const struct copy_watch *watch,
	bool flush_at_end, struct copy_result *r)
{
	bool keeps = c->keeper.save != NULL;

	end_files(c, r);
	if (keeps)
		saver_result(c, r);
	if ((flush_at_end || keeps) && !(keeps && c->saver.failed))
		flush(c, sigs, watch, r);
	if (keeps)
		save_at_end(c, r);
}
