/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error.h - the text of a set-up error, from where it happened to who reports it.
 *
 * Functions that may fail while culvert starts or is asked something take a `struct error *` and
 * return false with the text set. Only the caller at the top prints or logs it. I/O outcomes on the
 * data path are enums instead (net/conn.h).
 */
#ifndef CULVERT_CORE_ERROR_H
#define CULVERT_CORE_ERROR_H

#include <stdbool.h>

#include "core/base.h"

struct error {
    char text[512]; /* one line without its newline; empty while nothing went wrong */
    int exit_code;  /* sysexits(3) code the process should end with, or 0 when unset */
};

/* Words the error. Returns false, so that `return error_set(…)` reads well. Cuts a long text. */
bool error_set(struct error *error, int exit_code, const char *format, ...) CULVERT_PRINTF(3, 4);

/* Puts "context: " before a text that is already set. Returns false. */
bool error_prefix(struct error *error, const char *format, ...) CULVERT_PRINTF(2, 3);

#endif
