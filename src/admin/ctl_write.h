/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_write.h - the words of `culvert ctl server` and `culvert ctl pool` as requests to the API.
 */
#ifndef CULVERT_ADMIN_CTL_WRITE_H
#define CULVERT_ADMIN_CTL_WRITE_H

#include <stdbool.h>

#include "core/base.h"
#include "core/error.h"
#include "core/text.h"

struct ctl_write {
    char path[2048];
    char body[64]; /* JSON, or "" */
};

/*
 * `command` is "server", with the words POOL/NAME up|drain|maint|weight N, or "pool", with NAME
 * pause|resume. False with the error set.
 */
bool ctl_write_request(struct ctl_write *write, const char *command, int count, char *const *words,
                       struct error *error) CULVERT_MUST_CHECK;

/* Bytes that stand for themselves in a path and in a query (RFC 3986, 2.3). */
bool ctl_is_plain_byte(char byte);

/* Appends a name; bytes that mean something in a path or a query are escaped. */
void ctl_append_escaped(struct text *text, const char *name, size_t length);

#endif
