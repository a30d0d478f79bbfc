/* SPDX-License-Identifier: BSD-2-Clause */
/* The kind of node decides; a name decides nothing but "." and "-". */
#include "ends.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/diag.h"
#include "core/status.h"
#include "endflags.h"
#include "endpoints/aio.h"
#include "endpoints/append.h"
#include "endpoints/file.h"
#include "endpoints/mapped.h"
#include "endpoints/pipe.h"
#include "endpoints/sg.h"
#include "endpoints/synth.h"

#define NOT_TAKEN "is no disk, file or stream (give an sg node, /dev/sgN)"

/* One operand on its way to being an endpoint. */
struct opening {
	const struct options *o;
	const struct side_options *side;
	const char *path; /* NULL: standard input or output */
	enum end_role role;
	struct node *node;
	bool *is_disk;
	uint64_t *from_bytes;
	int exit_status;
};

static struct endpoint *refuse(struct opening *w, const char *why)
{
	diag(w->path, "%s: %s", node_kind_name(w->node->kind), why);
	w->exit_status = EXIT_FILE;
	return NULL;
}

static struct endpoint *open_sg(struct opening *w)
{
	const struct sg_params params = { w->path, w->node, w->role, w->side->flags,
		w->o->timeout_ms };

	*w->is_disk = true;
	return sg_open(&params, &w->exit_status);
}

/* The guard holds a destination exclusively, and would be shut out by a second such open. */
static struct endpoint *open_block(struct opening *w)
{
	unsigned flags = w->side->flags & ~(w->role == END_DEST ? (unsigned)END_EXCL : 0);
	const struct file_params params = { w->path, w->role, flags };

	*w->is_disk = true;
	if (flags & END_SGIO)
		return refuse(w, "sgio needs a whole SCSI disk with an sg node");
	return flags & END_NODIRECT ? file_open(&params, &w->exit_status)
				    : aio_open(&params, &w->exit_status);
}

static bool flags_are_good(struct opening *w, const char *name, enum end_form form)
{
	w->exit_status = endflags_check(name, form, w->role, w->side->flags);
	return w->exit_status == 0;
}

/* As >> does; where parts are left out, or for later, each must have its place. */
static bool is_appended_to(const struct opening *w)
{
	const struct options *o = w->o;
	bool has_gaps = w->side->flags & (END_SPARSE | END_TRIM) || o->min_rate || o->slow_ms;

	return w->role == END_DEST && w->side->flags & END_APPEND && !has_gaps;
}

static struct endpoint *open_file(struct opening *w)
{
	const struct file_params params = { w->path, w->role, w->side->flags };

	if (!flags_are_good(w, w->path, FORM_FILE))
		return NULL;
	if (w->side->flags & END_MMAP)
		return mapped_open(&params, &w->exit_status);
	if (w->side->flags & END_DIRECT)
		return aio_open(&params, &w->exit_status);
	return is_appended_to(w) ? append_open(&params, &w->exit_status)
				 : file_open(&params, &w->exit_status);
}

static struct endpoint *open_pipe(struct opening *w, const char *name, int fd, enum end_form form)
{
	const struct pipe_params params = { name, w->role, fd, w->side->flags };

	return flags_are_good(w, name, form) ? pipe_open(&params, &w->exit_status) : NULL;
}

/* What is compared with all of a source must be as long: of a file that is looked at, not here. */
static struct endpoint *open_unsized(struct opening *w)
{
	if (w->role == END_DEST)
		return open_file(w);
	if (w->side == &w->o->in || w->o->count != COUNT_ALL)
		return open_pipe(w, w->path, -1, FORM_STREAM);
	diag(w->path, "tells no length to compare (give it as if=, or give count=)");
	w->exit_status = EXIT_CONTRADICT;
	return NULL;
}

static int stdio_fd(enum end_role role)
{
	return role == END_SOURCE ? STDIN_FILENO : STDOUT_FILENO;
}

static const char *stdio_path(enum end_role role)
{
	return role == END_SOURCE ? "/proc/self/fd/0" : "/proc/self/fd/1";
}

static const char *stdio_name(enum end_role role)
{
	return role == END_SOURCE ? "standard input" : "standard output";
}

const char *end_path(const struct end *e)
{
	return e->node.kind == NODE_STDIO ? stdio_path(e->ep->role) : e->ep->name;
}

/*
 * A shell may have opened a file for us (> disk.img): it is a stream, and guarded like any file.
 * What is read from a socket is not what is written to it: as a source it is no pipe.
 */
static void note_stdio(struct opening *w)
{
	struct stat st;

	if (fstat(stdio_fd(w->role), &st))
		return;
	w->node->is_file = S_ISREG(st.st_mode);
	w->node->is_pipe = S_ISFIFO(st.st_mode) || (S_ISSOCK(st.st_mode) && w->role == END_DEST);
	w->node->file_dev = st.st_dev;
	w->node->file_ino = st.st_ino;
}

/* Tapes and the like are character devices too, and no streams. */
static bool is_stream(const struct node *n)
{
	enum { MEM = 1, TTY = 4, TTY_AUX = 5, PTY_FIRST = 136, PTY_LAST = 143 };
	unsigned number = major(n->rdev);

	return number == MEM || number == TTY || number == TTY_AUX ||
	       (number >= PTY_FIRST && number <= PTY_LAST);
}

/* Or a disk (> /dev/sdb). */
static bool take_stdio_disk(struct opening *w, const struct node *n)
{
	off_t offset = lseek(stdio_fd(w->role), 0, SEEK_CUR);

	if (n->kind != NODE_BLOCK && n->kind != NODE_BLOCK_SCSI)
		return false;
	*w->node = *n;
	*w->is_disk = true;
	*w->from_bytes = offset > 0 ? (uint64_t)offset : 0;
	return true;
}

/* What its read() and write() carry is not the data of a disk; and the guard would not see it. */
static bool refuse_stdio_node(struct opening *w, const struct node *n)
{
	const char *operand = w->side == &w->o->in ? "if" : "of";

	if (n->kind == NODE_SG)
		diag(stdio_name(w->role), "%s: is no stream (give its name: %s=%s)",
			node_kind_name(n->kind), operand, n->sg_path);
	else if (n->kind == NODE_BSG || (n->kind == NODE_CHAR && !is_stream(n)))
		diag(stdio_name(w->role), "%s: " NOT_TAKEN, node_kind_name(n->kind));
	else
		return false;
	w->exit_status = EXIT_FILE;
	return true;
}

static struct endpoint *open_stdio(struct opening *w)
{
	bool reads = w->role == END_SOURCE;
	struct node n;

	if (!reads && isatty(STDOUT_FILENO)) {
		diag("of=", "missing, and standard output is a terminal (give of=)");
		w->exit_status = EXIT_FILE;
		return NULL;
	}
	if (reads && isatty(STDIN_FILENO)) {
		diag("if=", "missing, and standard input is a terminal (give if=)");
		w->exit_status = EXIT_FILE;
		return NULL;
	}
	if (node_lookup(stdio_path(w->role), "/sys", &n) == 0) {
		if (refuse_stdio_node(w, &n))
			return NULL;
		if (take_stdio_disk(w, &n))
			return open_pipe(w, reads ? "/dev/stdin" : "/dev/stdout", stdio_fd(w->role),
				FORM_STREAM_DISK);
	}
	return open_pipe(w, stdio_name(w->role), stdio_fd(w->role),
		w->node->is_file ? FORM_STREAM_FILE : FORM_STREAM);
}

static struct endpoint *open_node(struct opening *w)
{
	switch (w->node->kind) {
	case NODE_SG: return open_sg(w);
	case NODE_BLOCK_SCSI: return w->side->flags & END_SGIO ? open_sg(w) : open_block(w);
	case NODE_BLOCK: return open_block(w);
	case NODE_FILE: return open_file(w);
	case NODE_UNSIZED: return open_unsized(w);
	case NODE_STDIO: return open_stdio(w);
	case NODE_ZERO:
		if (w->role == END_SOURCE)
			return synth_open_byte(w->path, 0, &w->exit_status);
		return synth_open_null(w->path, &w->exit_status);
	case NODE_NULL:
		if (w->role == END_DEST)
			return synth_open_null(w->path, &w->exit_status);
		return open_pipe(w, w->path, -1, FORM_STREAM);
	case NODE_FIFO: return open_pipe(w, w->path, -1, FORM_STREAM);
	case NODE_CHAR:
		if (is_stream(w->node))
			return open_pipe(w, w->path, -1, FORM_STREAM);
		return refuse(w, NOT_TAKEN);
	case NODE_MISSING:
		if (w->role == END_DEST)
			return open_file(w);
		diag(w->path, "no such file or device");
		w->exit_status = EXIT_FILE;
		return NULL;
	default: return refuse(w, NOT_TAKEN);
	}
}

static int look_up(struct opening *w)
{
	const char *path = w->path ? w->path : "-";

	if (node_lookup(path, "/sys", w->node) < 0) {
		diag_errno(path, errno, "cannot look it up");
		return EXIT_FILE;
	}
	if (w->node->kind == NODE_STDIO)
		note_stdio(w);
	return 0;
}

static bool is_made(const struct options *o)
{
	return o->generated || o->in.flags & (END_ZEROS | END_ONES);
}

static struct opening opening_in(struct end *e, const struct options *o)
{
	const struct side_options *side = &o->in;

	return (struct opening){ o, side, side->path, END_SOURCE, &e->node, &e->is_disk,
		&e->from_bytes, 0 };
}

static struct opening opening_out(struct end *e, const struct options *o, const char *path)
{
	enum end_role role = o->compare ? END_SOURCE : END_DEST;

	return (struct opening){ o, &o->out, path, role, &e->node, &e->is_disk, &e->from_bytes, 0 };
}

static int look_up_in(struct ends *e, const struct options *o)
{
	struct opening w = opening_in(&e->in, o);

	return is_made(o) ? 0 : look_up(&w);
}

static int look_up_outs(struct ends *e, const struct options *o)
{
	int exit_status = 0;

	for (unsigned i = 0; i < o->nouts && !exit_status; i++) {
		struct opening w = opening_out(&e->out[i], o, o->out_path[i]);

		exit_status = look_up(&w);
	}
	return exit_status;
}

/* --- one pipe at two ends --- */

static const char *name_of(const struct opening *w)
{
	return w->node->kind == NODE_STDIO ? stdio_name(w->role) : w->path;
}

static int check_two(const struct opening *a, const struct opening *b)
{
	const struct node *m = a->node, *n = b->node;

	if (!m->is_pipe || !n->is_pipe || m->file_dev != n->file_dev || m->file_ino != n->file_ino)
		return 0;
	diag(name_of(b), "is the same file as %s: %s", name_of(a),
		b->role == END_DEST ? "not writing"
				    : "what one reads of it is not there for the other");
	return EXIT_CONTRADICT;
}

static int check_pipes(struct ends *e, const struct options *o)
{
	struct opening in = opening_in(&e->in, o);
	int exit_status = 0;

	for (unsigned i = 0; i < o->nouts && !exit_status; i++) {
		struct opening out = opening_out(&e->out[i], o, o->out_path[i]);

		exit_status = check_two(&in, &out);
		for (unsigned k = 0; k < i && !exit_status; k++) {
			struct opening other = opening_out(&e->out[k], o, o->out_path[k]);

			exit_status = check_two(&other, &out);
		}
	}
	return exit_status;
}

/* --- all ends --- */

static int open_in(struct end *e, const struct options *o)
{
	struct opening w = opening_in(e, o);

	if (o->generated) {
		e->ep = synth_open_pattern(o->generated, &o->pattern, &w.exit_status);
	} else if (is_made(o)) {
		bool ones = (o->in.flags & END_ONES) != 0;

		e->ep = synth_open_byte(ones ? "ff" : "00", ones ? 0xff : 0, &w.exit_status);
	} else {
		e->ep = open_node(&w);
	}
	return w.exit_status;
}

static int open_out(struct end *e, const struct options *o, const char *path)
{
	struct opening w = opening_out(e, o, path);

	e->ep = open_node(&w);
	return w.exit_status;
}

/* What is made has blocks only where what it goes to has them. */
static void set_blocks(struct ends *e)
{
	uint32_t most = 0;

	for (unsigned i = 0; i < e->nouts; i++)
		if (e->out[i].ep->facts.block_bytes > most)
			most = e->out[i].ep->facts.block_bytes;
	synth_set_blocks(e->in.ep, most);
}

static int open_outs(struct ends *e, const struct options *o)
{
	int exit_status = 0;

	for (unsigned i = 0; i < o->nouts && !exit_status; i++)
		exit_status = open_out(&e->out[e->nouts++], o, o->out_path[i]);
	return exit_status;
}

int ends_open_outs(struct ends *e, const struct options *o)
{
	int exit_status;

	memset(e, 0, sizeof(*e));
	exit_status = look_up_outs(e, o);
	return exit_status ? exit_status : open_outs(e, o);
}

int ends_open(struct ends *e, const struct options *o)
{
	int exit_status;

	memset(e, 0, sizeof(*e));
	exit_status = look_up_in(e, o);
	if (!exit_status)
		exit_status = look_up_outs(e, o);
	if (!exit_status)
		exit_status = check_pipes(e, o);
	if (!exit_status)
		exit_status = open_in(&e->in, o);
	if (!exit_status)
		exit_status = open_outs(e, o);
	if (!exit_status && o->generated)
		set_blocks(e);
	return exit_status;
}

static void end_close(struct end *e)
{
	if (e->ep)
		e->ep->ops->close(e->ep);
	e->ep = NULL;
}

void ends_close(struct ends *e)
{
	for (unsigned i = 0; i < e->nouts; i++)
		end_close(&e->out[i]);
	end_close(&e->in);
}

int ends_discard_output(struct ends *e)
{
	int exit_status = 0;

	for (unsigned i = 0; i < e->nouts && !exit_status; i++) {
		struct end *out = &e->out[i];
		struct endpoint *null_end = synth_open_null(out->ep->name, &exit_status);

		if (!null_end)
			break;
		end_close(out);
		out->ep = null_end;
	}
	return exit_status;
}
