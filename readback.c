/* SPDX-License-Identifier: BSD-2-Clause */
/* What is not named here stays as it was for the copy: the range, the lengths, the blocks. */
#include "readback.h"

#include "endpoints/endpoint.h"

struct options readback_options(const struct options *o)
{
	const unsigned kept = END_DIRECT | END_NODIRECT | END_SGIO | END_DPO | END_FUA | END_PAD;
	const bool grows =
		o->verify == VERIFY_EACH && (o->out.flags & (END_SPARSE | END_TRIM)) != 0;
	struct options back = *o;

	back.compare = true;
	back.verify = VERIFY_NONE;
	back.seed_given = true;
	back.hash = NULL;
	back.in.flags &= ~(unsigned)(END_EXCL | END_FLOCK);
	back.in.flags &= ~(unsigned)END_MMAP;
	back.out.flags = END_NOTRUNC | (o->out.flags & kept) | (grows ? (unsigned)END_GROWS : 0);
	back.in.method = back.out.method = METHOD_AUTO;
	back.map_path = back.badblocks_path = NULL;
	back.reverse = false;
	back.min_rate = 0;
	back.slow_ms = 0;
	return back;
}
