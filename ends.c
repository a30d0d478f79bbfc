/* SPDX-License-Identifier: BSD-2-Clause */
/* The kind of node decides; a name decides nothing but "." and "-". */
#include "ends.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/diag.h"
#include "core/status.h"
#include "endpoints/sg.h"
#include "endpoints/synth.h"

static int refuse_kind(const char *name, const struct node *n, const char *as)
{
	switch (n->kind) {
	case NODE_MISSING: diag(name, "no such device (nothing is created)"); break;
	case NODE_BLOCK_SCSI:
		diag(name, "block devices are not supported as %s (its sg node is %s)", as,
			n->sg_path);
		break;
	default:
		diag(name, "%s: not supported as %s (give an sg node, /dev/sgN)",
			node_kind_name(n->kind), as);
		break;
	}
	return EXIT_FILE;
}

static struct endpoint *open_disk(const char *name, const struct node *n, enum end_role role,
	unsigned flags, const struct options *o, int *exit_status)
{
	const struct sg_params params = { name, n, role, flags, o->timeout_ms };

	return sg_open(&params, exit_status);
}

static int look_up(const char *name, struct node *n)
{
	if (node_lookup(name, "/sys", n) == 0)
		return 0;
	diag_errno(name, errno, "cannot look it up");
	return EXIT_FILE;
}

static int open_in(struct ends *e, const struct options *o)
{
	const struct side_options *side = &o->in;
	int exit_status = 0;

	if (side->flags & (END_ZEROS | END_ONES)) {
		bool ones = (side->flags & END_ONES) != 0;

		e->in = synth_open_byte(ones ? "ff" : "00", ones ? 0xff : 0, &exit_status);
		return exit_status;
	}
	if (!side->path) {
		diag("if=",
			"missing (standard input is not supported as a source; give if=/dev/sgN)");
		return EXIT_FILE;
	}
	exit_status = look_up(side->path, &e->in_node);
	if (exit_status)
		return exit_status;
	if (e->in_node.kind == NODE_ZERO) {
		e->in = synth_open_byte(side->path, 0, &exit_status);
		return exit_status;
	}
	if (e->in_node.kind != NODE_SG)
		return refuse_kind(side->path, &e->in_node, "a source");
	e->in_is_disk = true;
	e->in = open_disk(side->path, &e->in_node, END_SOURCE, side->flags, o, &exit_status);
	return exit_status;
}

static int refuse_stdout(void)
{
	if (isatty(STDOUT_FILENO))
		diag("of=", "missing, and standard output is a terminal (give of=/dev/sgN)");
	else
		diag("of=", "missing (standard output is not supported as a destination; give "
			    "of=/dev/sgN)");
	return EXIT_FILE;
}

static int open_out(struct ends *e, const struct options *o)
{
	const struct side_options *side = &o->out;
	int exit_status;

	if (!side->path || strcmp(side->path, "-") == 0)
		return refuse_stdout();
	exit_status = look_up(side->path, &e->out_node);
	if (exit_status)
		return exit_status;
	if (e->out_node.kind == NODE_NULL) {
		e->out = synth_open_null(side->path, &exit_status);
		return exit_status;
	}
	if (e->out_node.kind != NODE_SG)
		return refuse_kind(side->path, &e->out_node, "a destination");
	e->out_is_disk = true;
	e->out = open_disk(side->path, &e->out_node, END_DEST, side->flags, o, &exit_status);
	return exit_status;
}

int ends_open(struct ends *e, const struct options *o)
{
	int exit_status;

	memset(e, 0, sizeof(*e));
	exit_status = open_in(e, o);
	return exit_status ? exit_status : open_out(e, o);
}

void ends_close(struct ends *e)
{
	if (e->out)
		e->out->ops->close(e->out);
	if (e->in)
		e->in->ops->close(e->in);
	e->in = e->out = NULL;
}

int ends_discard_output(struct ends *e)
{
	int exit_status = 0;
	struct endpoint *null_end = synth_open_null(e->out->name, &exit_status);

	if (!null_end)
		return exit_status;
	e->out->ops->close(e->out);
	e->out = null_end;
	return 0;
}
