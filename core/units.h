/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers as users of dd and sg3_utils write them, without wrap-around: any result that does not
 * fit in 64 bits is refused. (libsgutils2's sg_get_llnum() wraps or clamps in silence.)
 *
 * Forms: decimal; 0x or 0X and hex digits; hex digits and a trailing h or H. A decimal may carry
 * one suffix: c (1) w (2) b (512) k K KiB (2^10) kB KB (10^3) m M MiB, mB MB, g G GiB, gB GB, t T
 * TiB, tB TB, p P PiB, pB PB, E EiB, EB. Products "2x33" (any number of factors: 1x2x3, and 1kx2)
 * and sums "3+1k", the product binding tighter. No sign, no white space, no empty parts, no suffix
 * after hex.
 */
#ifndef CORE_UNITS_H
#define CORE_UNITS_H

#include "base.h"

enum units_error { UNITS_OK, UNITS_EMPTY, UNITS_SYNTAX, UNITS_OVERFLOW };

/* *out is set only on UNITS_OK. */
enum units_error units_parse(const char *text, uint64_t *out) MUST_CHECK;

/* The same for the first len bytes of text, one word of a list. */
enum units_error units_parse_n(const char *text, size_t len, uint64_t *out) MUST_CHECK;

/* "not a number", "number too large": why, for a message. */
const char *units_error_text(enum units_error e);

#define UNITS_NO_DIGIT 16

/* The value of a hex digit, or UNITS_NO_DIGIT. ASCII only: <ctype.h> would ask the locale. */
int units_digit_value(char c);

#define UNITS_TEXT_ROOM 32

/*
 * n bytes for a person: "0 B", "512 KiB", "1.5 GiB": a whole number where it is one, otherwise
 * cut (never rounded up) to one decimal. Returns text, which must have UNITS_TEXT_ROOM bytes.
 */
char *units_bytes_text(uint64_t n, char *text);

#endif
