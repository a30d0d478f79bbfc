/* SPDX-License-Identifier: BSD-2-Clause */
/* What goes to stderr meanwhile, as text: for tests of messages and reports. */
#ifndef TESTS_CAPTURE_H
#define TESTS_CAPTURE_H

#include <stddef.h>

struct capture {
	int saved_fd, file_fd;
	char text[8192];
};

void capture_begin(struct capture *c);

/* Gives stderr back if it is captured: before a test fails, so that its words are seen. */
void capture_drop(void);

/* Gives stderr back. Returns c->text, cut to fit. */
const char *capture_end(struct capture *c);

#endif
