/* SPDX-License-Identifier: BSD-2-Clause */
#include "meminfo.h"

#include <stdio.h>

uint64_t meminfo_available(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kib;
	uint64_t bytes = UINT64_MAX;
	char line[128];

	if (!f)
		return UINT64_MAX;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1 && kib < UINT64_MAX / 1024)
			bytes = kib * 1024;
	fclose(f);
	return bytes;
}
