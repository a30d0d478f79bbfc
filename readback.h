/* SPDX-License-Identifier: BSD-2-Clause */
/* verify=: the options of the run that reads what another has written. */
#ifndef READBACK_H
#define READBACK_H

#include "options.h"

/*
 * Those of a comparison of the same range that changes nothing, saves nothing and takes no lock
 * (the run that has written still holds its own). What the copy padded (conv=sync) is compared as
 * padded. verify=each: what is to get holes at its end has not its length yet.
 */
struct options readback_options(const struct options *o);

#endif
